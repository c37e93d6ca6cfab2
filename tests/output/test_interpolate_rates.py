"""A loop at the frame rates of scenes: known at every moment, even in time, whole at the join.

The scene is a pattern with eight equal sectors that turns by one sector a loop, so that it is a
perfect loop and its value at any moment is a formula.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from panoloom.engine_server.output.interpolate import Motion, at_rate, moments
from panoloom.engine_server.panorama.erp import pixels_to_angles

HEIGHT, SECTORS, MODEL_FRAMES = 64, 8, 8


def pattern(time: float) -> np.ndarray:
    """The pattern at `time`, in loops; ERP [H, 2 H, 3] float32."""
    yaw, pitch = pixels_to_angles(
        np.arange(0.5, HEIGHT)[:, None],
        np.arange(0.5, 2 * HEIGHT)[None],
        height=HEIGHT,
        width=2 * HEIGHT,
    )
    turned = SECTORS * yaw - 2 * np.pi * time
    grey = 0.5 + 0.2 * np.sin(turned + 3 * pitch) + 0.1 * np.sin(7 * pitch) * np.cos(turned)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)


def model_frames() -> list[np.ndarray]:
    return [pattern(k / MODEL_FRAMES) for k in range(MODEL_FRAMES)]


@functools.cache
def at_fps(fps: int) -> list[np.ndarray]:
    """One second of the loop at `fps`."""
    return list(at_rate(iter(model_frames()), num_in=MODEL_FRAMES, num_out=fps, loop=True))


def turn_of(frame: np.ndarray) -> float:
    """How far the pattern has turned at the equator, in loops."""
    row = frame[HEIGHT // 2, :, 0].astype(np.float64)
    wave = np.fft.rfft(row)[SECTORS]
    return float(-np.angle(wave) / (2 * np.pi))


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_every_frame_is_the_pattern_of_its_moment(fps, psnr):
    found = [psnr(frame, pattern(k / fps)) for k, frame in enumerate(at_fps(fps))]
    assert min(found) > 40
    join = found[-(fps // MODEL_FRAMES) :]
    assert min(join) > min(found[: -len(join)]) - 1, "the join is as good as the rest"


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_motion_is_even_from_frame_to_frame_also_over_the_join(fps):
    turns = np.unwrap([turn_of(frame) for frame in at_fps(fps)], period=1)
    sector_px = 2 * HEIGHT / SECTORS
    late_px = (turns - turns[0] - np.arange(fps) / fps) * sector_px
    assert np.abs(late_px).max() < 0.1


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_light_and_contrast_do_not_pulse(fps):
    frames = at_fps(fps)
    contrast = np.array([frame.std() for frame in frames])
    light = np.array([frame.mean() for frame in frames])
    assert contrast.min() > 0.99 * contrast.max()
    assert np.ptp(light) < 1e-3


@pytest.mark.parametrize(("num_out", "turned", "by"), [(24, 1, 3), (24, 5, 15), (20, 2, 5)])
def test_rolling_the_models_frames_rolls_the_output(num_out, turned, by):
    frames = model_frames()
    rolled = frames[turned:] + frames[:turned]
    out = list(at_rate(iter(frames), num_in=8, num_out=num_out, loop=True))
    from_there = list(at_rate(iter(rolled), num_in=8, num_out=num_out, loop=True))
    for one, other in zip(out[by:] + out[:by], from_there, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("num_in", "num_out"), [(40, 120), (40, 125), (40, 150), (40, 300), (7, 25)]
)
def test_moments_of_a_loop_are_evenly_spaced_and_never_reach_its_end(num_in, num_out):
    at = [index + phase for index, phase in moments(num_in, num_out, loop=True)]
    assert {b - a for a, b in itertools.pairwise(at)} == {at[1]}
    assert at[-1] + at[1] == num_in


def test_a_light_that_flares_up_is_no_motion(turned_texture, psnr):
    texture = turned_texture(128, 0)
    between = Motion(0.6 * texture, 1.0 * texture).at(0.5)
    assert psnr(between, 0.8 * texture) > 45


def test_a_thing_that_moves_while_the_light_changes_is_followed(turned_texture, psnr):
    before, after = 0.6 * turned_texture(128, 0), turned_texture(128, 6)
    true = 0.8 * turned_texture(128, 3)
    assert psnr(Motion(before, after).at(0.5), true) > 40
