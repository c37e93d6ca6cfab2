from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.panorama.erp import cell_directions
from panoloom.engine_server.quality.poles import STEP_FLOOR
from panoloom.engine_server.quality.report import evaluate_frames

FPS = 8.0


def frame_of(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)


def poles_of(frames, loop=False):
    return evaluate_frames(frames, fps=FPS, loop=loop).metrics["poles"]


@pytest.mark.parametrize(("waves", "crossing"), [(3, 2 * 40 * 2 / np.pi), (4, 0.0)])
def test_constancy_and_crossing_of_waves_around_the_pole(waves, crossing):
    """sin(k yaw): its deviation is a / sqrt(2); half a turn on it is opposite for odd k."""
    yaw = (np.arange(256) + 0.5) / 256 * 2 * np.pi
    grey = np.repeat(127.5 + 40 * np.sin(waves * yaw)[None], 128, axis=0)
    zenith = poles_of([frame_of(grey)] * 2)["zenith"]
    across = np.abs(np.diff(grey[0], append=grey[0, 0])).mean() / 255
    assert zenith["constancy"] == pytest.approx(40 / np.sqrt(2) / 255 / (across + STEP_FLOOR), 0.02)
    assert zenith["crossing"] == pytest.approx(crossing / 255 / STEP_FLOOR, rel=0.02, abs=0.02)


def test_the_poles_of_a_true_panorama_are_like_the_rest_of_it(turning):
    for pole in poles_of(turning(2, 3.0, 128)).values():
        assert pole["closing"] < 1.0
        assert pole["crossing"] < 1.5
        assert 0.4 < pole["pinch"] < 2.0
        assert pole["detail"] > 0.4


def test_a_smooth_slope_over_the_pole_closes_at_about_a_half():
    directions = cell_directions(128, 256)
    zenith = poles_of([frame_of(127.5 + 120 * directions[..., 0])] * 2)["zenith"]
    assert zenith["closing"] == pytest.approx(0.55, abs=0.1)


def test_columns_that_run_into_the_pole_are_a_star():
    yaw = (np.arange(256) + 0.5) / 256 * 2 * np.pi
    grey = np.repeat(127.5 + 60 * np.sin(12 * yaw)[None], 128, axis=0)
    zenith = poles_of([frame_of(grey)] * 2)["zenith"]
    assert zenith["pinch"] > 3
    assert zenith["closing"] > 10


def test_rows_around_the_pole_are_rings():
    pitch = (0.5 - (np.arange(128) + 0.5) / 128) * np.pi
    grey = np.repeat(127.5 + 60 * np.sin(24 * pitch)[:, None], 256, axis=1)
    assert poles_of([frame_of(grey)] * 2)["zenith"]["pinch"] < 0.5


def test_a_flat_cap_has_no_detail(turning):
    frame = turning(1, 0.0, 128)[0].copy()
    frame[:24] = 120
    poles = poles_of([frame] * 2)
    assert poles["zenith"]["detail"] < 0.35
    assert poles["nadir"]["detail"] > 0.5


@pytest.mark.parametrize(("turn_deg", "row"), [(3.0, slice(0, 40)), (-3.0, slice(-40, None))])
def test_a_swirling_pole_is_told_with_its_speed_and_the_way_it_turns(turning, turn_deg, row):
    """Where the cap has little to see turning by, classical flow tells too little of it."""
    frames = [frame.copy() for frame in turning(1, 0.0, 256) * 3]
    for frame, turned in zip(frames, turning(3, turn_deg, 256), strict=True):
        frame[row] = turned[row]
    poles = poles_of(frames)
    swirling, calm = ("zenith", "nadir") if row.start == 0 else ("nadir", "zenith")
    assert poles[swirling]["spin_deg_s"] == pytest.approx(turn_deg * FPS, rel=0.35)
    assert poles[swirling]["spin_share"] > 0.5
    assert abs(poles[calm]["spin_deg_s"]) < 0.5


def test_a_panorama_that_turns_as_a_whole_does_not_swirl(turning):
    for pole in poles_of(turning(4, 2.0, 128)).values():
        assert abs(pole["spin_deg_s"]) < 3.0
