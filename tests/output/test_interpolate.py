from __future__ import annotations

import weakref
from fractions import Fraction

import numpy as np
import pytest

from panoloom.engine_server.output.interpolate import Motion, at_rate, moments
from panoloom.shared.errors import GenerationFailed


def test_equal_rates_pass_every_frame_through_untouched():
    frames = [np.full((4, 8, 3), value, np.float32) for value in (0.1, 0.2, 0.3)]
    out = list(at_rate(iter(frames), num_in=3, num_out=3, loop=True))
    assert all(a is b for a, b in zip(out, frames, strict=True))


def test_frame_k_of_a_loop_lies_at_its_share_of_the_ring():
    assert moments(2, 6, loop=True) == [
        (0, Fraction(0)),
        (0, Fraction(1, 3)),
        (0, Fraction(2, 3)),
        (1, Fraction(0)),
        (1, Fraction(1, 3)),
        (1, Fraction(2, 3)),
    ]
    assert moments(16, 47, loop=True)[-1] == (15, Fraction(31, 47))


def test_a_clip_with_ends_keeps_its_ends():
    at = moments(3, 6, loop=False)
    assert at[0] == (0, 0)
    assert at[-1] == (2, 0)
    assert at[1] == (0, Fraction(2, 5))


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize(("num_in", "num_out"), [(4, 12), (4, 7), (4, 3), (4, 1), (1, 5), (2, 5)])
def test_frames_that_fall_on_a_model_frame_are_that_frame(num_in, num_out, loop):
    frames = [np.full((8, 16, 3), 0.1 * index, np.float32) for index in range(num_in)]
    out = list(at_rate(iter(frames), num_in=num_in, num_out=num_out, loop=loop))
    assert len(out) == num_out
    for frame, (index, phase) in zip(out, moments(num_in, num_out, loop=loop), strict=True):
        if phase == 0:
            assert frame is frames[index]
        else:
            assert frame.shape == (8, 16, 3)


def test_a_still_loop_stays_exactly_still(turned_texture):
    still = turned_texture(32, 0)
    out = list(at_rate((still.copy() for _ in range(2)), num_in=2, num_out=6, loop=True))
    assert all(np.array_equal(frame, still) for frame in out)


@pytest.mark.parametrize("phase", [0.25, 0.5, 0.75])
def test_a_known_translation_gives_the_translation_of_that_moment(turned_texture, psnr, phase):
    before = turned_texture(128, 0)
    between = Motion(before, np.roll(before, 8, axis=1)).at(phase)
    true = np.roll(before, round(8 * phase), axis=1)
    assert psnr(between, true) > 55


def test_the_seam_is_as_good_as_the_middle(turned_texture, psnr):
    before, after = turned_texture(128, 0), turned_texture(128, 6)
    between, true = Motion(before, after).at(0.5), turned_texture(128, 3)
    near_seam = np.r_[0:8, -8:0]
    assert psnr(between[:, near_seam], true[:, near_seam]) > 45
    assert psnr(between, true) > 45
    jump = np.abs(between[:, 0] - between[:, -1])
    inside = np.abs(np.diff(between, axis=1))
    assert jump.mean() < 1.2 * inside.mean(axis=(0, 2)).max()


def test_rolling_the_input_rolls_the_output(turned_texture, psnr):
    before, after = turned_texture(64, 0), turned_texture(64, 6)
    between = Motion(before, after).at(0.5)
    rolled = Motion(np.roll(before, 50, axis=1), np.roll(after, 50, axis=1)).at(0.5)
    assert psnr(np.roll(between, 50, axis=1), rolled) > 50


def test_motion_over_a_pole_is_followed(psnr):
    from panoloom.engine_server.panorama.erp import cell_directions

    def nodded(degrees: float) -> np.ndarray:
        angle = np.radians(degrees)
        c, s = np.cos(angle), np.sin(angle)
        directions = cell_directions(128, 256) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        grey = 0.5 + 0.2 * np.sin(9 * directions[..., 0]) * np.cos(7 * directions[..., 1])
        return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)

    before, true, after = nodded(0), nodded(2), nodded(4)
    between = Motion(before, after).at(0.5)
    mixed = (before + after) / 2
    assert psnr(between[:16], true[:16]) > psnr(mixed[:16], true[:16])


def test_a_moving_thing_is_in_one_place_and_not_in_two(running_disc, psnr):
    before, true, after = (running_disc(128, yaw) for yaw in (174, 180, 186))  # over the seam
    between = Motion(before, after).at(0.5)
    assert psnr(between, true) > 38
    assert psnr((before + after) / 2, true) < 33
    only_before = (before[..., 0] > 0.95) & (true[..., 0] < 0.5)
    assert only_before.sum() > 30
    ghost = between[only_before, 0] - true[only_before, 0]
    assert np.median(np.abs(ghost)) < 0.05
    assert np.abs(ghost).mean() < 0.1


def test_the_join_of_the_loop_is_interpolated_like_any_other_pair(running_disc, psnr):
    frames = [running_disc(64, 5.0 * index) for index in range(72)]
    out = list(at_rate(iter(frames), num_in=72, num_out=144, loop=True))
    middles = [psnr(out[2 * k + 1], running_disc(64, 5.0 * k + 2.5)) for k in (10, 40, 71)]
    assert middles[2] > min(middles[:2]) - 3
    assert middles[2] > 33


def test_the_last_frame_of_a_clip_with_ends_knows_nothing_of_the_first():
    frames = [np.full((16, 32, 3), value, np.float32) for value in (0.0, 0.5, 1.0)]
    out = [frame.mean() for frame in at_rate(iter(frames), num_in=3, num_out=5, loop=False)]
    assert out == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=1e-6)


def test_memory_does_not_grow_with_the_length_of_the_loop(turned_texture):
    alive: set[int] = set()
    most = 0

    def model(num_frames):
        for index in range(num_frames):
            frame = turned_texture(16, 2.0 * index)
            alive.add(index)
            weakref.finalize(frame, alive.discard, index)
            yield frame
            del frame

    for _ in at_rate(model(20), num_in=20, num_out=60, loop=True):
        most = max(most, len(alive))
    assert most <= 3


@pytest.mark.parametrize("num_made", [0, 3, 5])
@pytest.mark.parametrize("num_out", [2, 4, 8])
def test_another_number_of_frames_than_promised_is_an_error(num_made, num_out):
    frames = (np.zeros((8, 16, 3), np.float32) for _ in range(num_made))
    with pytest.raises(GenerationFailed, match="4 were promised"):
        list(at_rate(frames, num_in=4, num_out=num_out, loop=True))


def test_the_same_pair_gives_the_same_bytes(turned_texture):
    before, after = turned_texture(64, 0), turned_texture(64, 6)
    assert np.array_equal(Motion(before, after).at(0.3), Motion(before, after).at(0.3))
