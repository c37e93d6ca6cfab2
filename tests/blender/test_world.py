"""The World shows the loop right way round, in time and in space."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(300)  # sixty renders

RED = {"ahead": 0.1, "right": 0.2, "behind": 0.3, "left": 0.4}
GREEN = {"up": 0.4, "down": 0.0}


@pytest.fixture(scope="module")
def orientation(blender, tmp_path_factory):
    return blender("orientation.py", tmp_path_factory.mktemp("orientation"))


def test_each_direction_and_frame_shows_its_own_pixels_of_the_erp(orientation):
    num_frames = orientation["num_frames"]
    assert len(orientation["seen"]) == (8 + 2) * 6
    for key, (red, green, blue) in orientation["seen"].items():
        _, frame, direction = key.split("/")
        assert blue == pytest.approx(0.1 * ((int(frame) - 1) % num_frames), abs=2e-3), key
        assert green == pytest.approx(GREEN.get(direction, 0.2), abs=2e-3), key
        if direction in RED:
            assert red == pytest.approx(RED[direction], abs=2e-3), key
