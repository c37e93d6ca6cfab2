"""The 360 picture of the scene: made elsewhere, level, centred on the camera's heading."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def reference(blender, tmp_path_factory):
    return blender("reference.py", tmp_path_factory.mktemp("reference"))


def test_scene_is_not_changed_and_nobody_waits_for_the_render(reference):
    assert reference["unchanged"]
    assert not reference["waited"]


def test_centre_is_the_heading_and_right_is_right(reference):
    assert reference["pixels"]["ahead"] == pytest.approx([1, 0, 0, 1], abs=0.01)
    assert reference["pixels"]["right"] == pytest.approx([0, 1, 0, 1], abs=0.01)
    assert reference["pixels"]["up"] == pytest.approx([0, 0, 1, 1], abs=0.01)


def test_picture_out_of_the_inside_of_something_has_no_open_part(reference):
    assert reference["is_opaque"] == {"among": False, "inside": True}


def test_alpha_is_zero_where_nothing_stands(reference):
    assert reference["pixels"]["behind"][3] == 0
    assert reference["pixels"]["down"][3] == 0
