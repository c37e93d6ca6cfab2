"""VR: what can be shown without a headset. A session with one: `window/vr.py`."""

from __future__ import annotations


def test_dome_shows_in_every_direction_what_the_world_shows(blender, tmp_path):
    facts = blender("vr_dome.py", tmp_path)
    assert facts["seen"] > 0.5
    assert facts["worst"] < 0.01  # of a picture that reaches from 0.1 to 0.7
    assert facts["gone"]


def test_vr_cannot_be_entered_without_a_viewport_or_a_loop_and_the_button_says_so(
    blender, tmp_path
):
    facts = blender("vr_button.py", tmp_path)
    assert facts["without_a_viewport"] == "Press it in a 3D viewport"
    assert not facts["pressed"]
    assert facts["landmarks"] == [["Panoloom", "CUSTOM", 1.0, 2.0, 3.0], 1, 0]


def test_page_for_a_headset_is_served_until_it_is_stopped_and_failure_is_told(blender, tmp_path):
    facts = blender("headset_page.py", tmp_path)
    assert facts["without_a_loop"] == "Apply a finished loop first"
    assert "online access" in facts["offline"]
    assert (facts["address"], facts["runs"]) == ("https://192.0.2.7:8443/secret/", True)
    assert facts["stopped"] == ["", False, False]
    assert facts["failed"][0] is False
    assert "no network" in facts["failed"][1]
