from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.report import evaluate_frames


def flashing(pattern, *, low=(30, 30, 30), high=(220, 220, 220), rows=slice(None), columns=None):
    """Frames [64, 128, 3] that show `high` where the pattern has 1, `low` elsewhere."""
    frames = []
    for is_high in pattern:
        frame = np.full((64, 128, 3), low, np.uint8)
        if is_high:
            frame[rows, columns if columns is not None else slice(None)] = high
        frames.append(frame)
    return frames


def flashes_of(frames, fps=16.0, loop=False):
    return evaluate_frames(frames, fps=fps, loop=loop).metrics["flashes"]


@pytest.mark.parametrize(("per_second", "passes"), [(3, True), (4, False)])
def test_three_flashes_a_second_pass_and_four_do_not(per_second, passes):
    pattern = [0] * 16
    for index in range(per_second):
        pattern[1 + 3 * index] = 1
    general = flashes_of(flashing(pattern))["general"]
    assert general["flashes_per_s"] == per_second
    assert general["passes"] is passes
    assert general["area_sr"] == pytest.approx(0.0 if passes else 0.024, abs=0.006)


def test_flashes_that_take_longer_than_a_second_pass():
    general = flashes_of(flashing([0, 0, 0, 0, 1, 1, 1, 1] * 4))["general"]
    assert general["flashes_per_s"] == 2.0
    assert general["passes"]


def test_a_tiny_place_may_flash():
    frames = flashing([0, 1] * 8, rows=slice(32, 33), columns=slice(64, 66))
    general = flashes_of(frames)["general"]
    assert general["flashes_per_s"] == 7.5
    assert general["area_sr"] < 0.006
    assert general["passes"]


def test_where_and_when_it_flashes_is_told():
    calm = flashing([0] * 16)
    frames = calm + flashing([0, 1] * 8, rows=slice(8, 24), columns=slice(96, 112))
    general = flashes_of(frames)["general"]
    assert not general["passes"]
    assert 90 <= general["yaw_deg"] <= 135
    assert 22 <= general["pitch_deg"] <= 68
    assert 1.4 < general["second"] <= 2.0


def test_changes_below_a_tenth_of_white_are_no_flashes():
    assert flashes_of(flashing([0, 1] * 8, low=(60,) * 3, high=(95,) * 3))["general"][
        "flashes_per_s"
    ] == pytest.approx(0.0)


def test_changes_between_two_bright_sides_are_no_flashes():
    frames = flashing([0, 1] * 8, low=(232,) * 3, high=(255,) * 3)  # luminance 0.81 and 1
    assert flashes_of(frames)["general"]["flashes_per_s"] == 0.0


def test_saturated_red_flashes_count_by_themselves():
    frames = flashing([0, 1] * 8, low=(10, 0, 0), high=(150, 10, 10))
    found = flashes_of(frames)
    assert found["general"]["flashes_per_s"] == 0.0
    assert found["red"]["flashes_per_s"] == 7.5
    assert not found["red"]["passes"]


def test_blue_flashes_are_not_red():
    frames = flashing([0, 1] * 8, low=(0, 0, 10), high=(10, 10, 150))
    assert flashes_of(frames)["red"]["flashes_per_s"] == 0.0


def test_a_loop_is_played_on_over_its_join():
    """Two flashes at the end and two at the beginning are four in the second around the join."""
    frames = flashing([1, 0, 1, 0, *[0] * 24, 0, 1, 0, 1, 0, 0])
    assert flashes_of(frames, loop=False)["general"]["passes"]
    assert flashes_of(frames, loop=True)["general"]["flashes_per_s"] >= 3.5
