from __future__ import annotations

import json
import math

import pytest

from panoloom.blender_addon import core
from panoloom.blender_addon.sun import is_known, read_sun, towards
from panoloom.shared.errors import InvalidJob

SUN = {
    "direction": [0.0, 0.8, 0.6],
    "colour": [1.0, 0.9, 0.7],
    "angle_deg": 0.526,
    "illuminance": 5.0,
    "lamp_strength": 4.0,
}


def sidecar(tmp_path, **hdr):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"format": "panoloom.export", "hdr": hdr}))
    return path


def test_the_lamp_makes_up_for_what_the_picture_lacks(tmp_path):
    sun = read_sun(sidecar(tmp_path, sun=SUN))
    assert (sun.direction, sun.strength) == ((0.0, 0.8, 0.6), 4.0)


def test_the_sun_of_a_loop_stands_in_its_manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"format": "panoloom.artifact", "sun": SUN}))
    assert read_sun(path).strength == 4.0
    assert is_known(path)
    path.write_text(json.dumps({"format": "panoloom.artifact", "sun": None}))
    assert not is_known(path)
    path.write_text(json.dumps({"format": "panoloom.artifact"}))  # of an older engine
    with pytest.raises(InvalidJob, match="no sun"):
        read_sun(path)


@pytest.mark.parametrize(
    ("yaw", "heading", "expected"),
    [
        (0, 0, (1, 0)),  # the panorama's middle lies at +x when the camera looks there
        (90, 0, (0, -1)),  # right of +x is -y
        (0, 90, (0, 1)),
        (90, 90, (1, 0)),  # right of +y is +x
        (180, 90, (0, -1)),
    ],
)
def test_the_sun_stands_in_the_scene_where_the_world_shows_it(yaw, heading, expected):
    direction = (math.cos(math.radians(yaw)), math.sin(math.radians(yaw)), 0.0)
    turn = core.mapping_rotation(math.radians(heading))
    assert towards(direction, turn) == pytest.approx((*expected, 0.0), abs=1e-9)


def test_turning_the_world_to_the_right_turns_the_sun_with_it():
    turn = core.mapping_rotation(math.radians(90), yaw=math.radians(90))
    assert towards((1.0, 0.0, 0.0), turn) == pytest.approx((1.0, 0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("hdr", "said"),
    [
        ({}, "no sun"),
        ({"sun": None}, "no sun"),
        ({"sun": SUN | {"lamp_strength": 0.0}}, "double"),
        ({"sun": {"direction": [1, 2]}}, "damaged"),
        ({"sun": SUN | {"colour": [math.nan, 1, 1]}}, "damaged"),
    ],
)
def test_a_sun_that_is_none_is_refused_with_the_way_out(hdr, said, tmp_path):
    with pytest.raises(InvalidJob, match=said):
        read_sun(sidecar(tmp_path, **hdr))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(InvalidJob, match="does not describe an export"):
        read_sun(tmp_path / "b.json")
    with pytest.raises(InvalidJob, match="cannot be read"):
        read_sun(tmp_path / "none.json")
