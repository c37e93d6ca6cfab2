"""What the panels say in each state; drawing asks for nothing that is not there, changes nothing.

The script itself fails when a field or a button does not exist, or when drawing changed anything.
"""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def drawn(blender, tmp_path_factory):
    return blender("drawing.py", tmp_path_factory.mktemp("drawing"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("connected", "Engine ready"),
        ("textbox", "Loops you make are listed here."),
        ("lines", "northern lights over a calm sea"),
        ("look", "The picture is sRGB and the display is"),
        ("queue", "Waits, 2 before it"),
        ("history", "A loop of the history, to look at."),
        ("error", "Too long."),
        ("no_engine", "No engine yet"),
        ("no_program", "sh packaging/install.sh"),
        ("surroundings", "Your scene, as the last loop saw it"),
    ],
)
def test_panel_says(drawn, state, words):
    assert words in drawn[state]


def test_sample_of_the_zip_is_in_the_world(drawn):
    assert "The scene shows your own World." not in drawn["sample"]


def test_reason_for_generate_being_off_stands_in_the_panel(drawn):
    assert "no engine" in " ".join(drawn["no_engine"])
    assert "no engine" not in " ".join(drawn["connected"])
