from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.comfort import robust_fit
from panoloom.engine_server.quality.report import evaluate_frames

FPS = 8.0


def comfort_of(frames):
    return evaluate_frames(frames, fps=FPS, loop=False).metrics["comfort"]


@pytest.mark.parametrize("step_deg", [2.0, -1.0])
def test_the_yaw_rate_is_that_of_the_turning(turning, step_deg):
    comfort = comfort_of(turning(4, step_deg, 128))
    assert comfort["yaw_rate_deg_s"] == pytest.approx(step_deg * FPS, rel=0.03)
    assert comfort["tilt_rate_deg_s"] < 0.3
    assert comfort["turning_share"] > 0.9
    assert comfort["horizon_tilt_deg"] < 0.3


@pytest.mark.parametrize("axis", [0, 1])
def test_the_tilt_rate_is_that_of_a_rolling_or_nodding_world(turning, axis):
    comfort = comfort_of(turning(5, 1.0, 128, axis))
    assert comfort["tilt_rate_deg_s"] == pytest.approx(FPS, rel=0.05)
    assert abs(comfort["yaw_rate_deg_s"]) < 0.3
    assert comfort["horizon_tilt_deg"] == pytest.approx(4.0, rel=0.1)


def test_a_still_world_is_at_rest(turning):
    comfort = comfort_of([turning(1, 0.0)[0]] * 3)
    assert comfort["yaw_rate_deg_s"] == 0.0
    assert comfort["tilt_rate_deg_s"] == 0.0
    assert comfort["horizon_rise_deg"] == 0.0


def test_a_thing_that_moves_in_a_still_world_does_not_turn_it(turning):
    still, moving = turning(1, 0.0, 128)[0], turning(4, 3.0, 128)
    frames = []
    for each in moving:
        frame = still.copy()
        frame[40:80, 60:110] = each[40:80, 60:110]
        frames.append(frame)
    comfort = comfort_of(frames)
    assert abs(comfort["yaw_rate_deg_s"]) < 0.5
    assert comfort["tilt_rate_deg_s"] < 0.5


def test_a_plane_has_no_comfort_to_speak_of():
    frames = [np.full((32, 96, 3), 50, np.uint8)] * 2
    assert set(comfort_of(frames).values()) == {None}


def test_a_robust_fit_ignores_what_does_not_belong():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 2))
    target = rows @ np.array([2.0, -1.0])
    target[:80] += 50.0
    found, residual = robust_fit(rows, target, np.ones(400))
    np.testing.assert_allclose(found, [2.0, -1.0], atol=0.2)
    assert np.abs(residual[80:]).max() < 1.0
    plain = np.linalg.lstsq(rows, target)[0]
    assert np.abs(plain - [2.0, -1.0]).max() > 3 * np.abs(found - [2.0, -1.0]).max()
