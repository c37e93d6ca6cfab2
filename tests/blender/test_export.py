"""Exports from the panel."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def facts(blender, tmp_path_factory):
    return blender("export.py", tmp_path_factory.mktemp("export"))


def test_button_says_why_it_is_off(facts):
    assert "Apply a finished loop first" in facts["without_a_loop"]
    assert "its program was not found" in facts["without_an_engine"]
    assert "An export is being made" in facts["twice"]
    assert "Nothing was exported yet" in facts["reveal_before"]
    assert "is no longer there" in facts["gone"]


def test_panel_says_what_the_choice_is_for_and_where_it_goes(facts):
    said = " ".join(facts["idle"])
    assert "Meta Quest 3 and 3S." in said
    assert "exports." in said


def test_what_was_made_is_named_with_its_notes_and_replace_holds_once(facts):
    assert facts["made"] == "sea_quest3_360.mp4"
    assert "sea_quest3_360.mp4 is there." in " ".join(facts["after"])
    assert "“Seconds” plays the loop on." in " ".join(facts["after"])
    words = json.loads(facts["words"])
    assert words[0] == "export"
    assert words[words.index("--preset") + 1] == "quest3"
    assert words[words.index("--seconds") + 1] == "60"
    assert words[words.index("--size") + 1] == "4096x2048"
    assert "--sun" not in words  # of this preset's film there is no light to place
    assert "--force" in words
    assert facts["tick_is_taken_back"]


def test_progress_is_drawn_and_a_cancelled_export_leaves_nothing(facts):
    assert any(text.startswith("Encoding 25%, about ") for text in facts["running"])
    assert facts["left"] == ["words.txt"]
    assert "nothing of it is left" in " ".join(facts["cancelled"])
    assert facts["problems"] == 0


def test_failure_is_a_sentence_in_the_panels_words_with_details_to_copy(facts):
    text, details = facts["failed"]
    assert text == "too large; “Shrink to Fit” makes it that size."
    assert details == {"largest": "4096x2048"}


def test_export_ends_with_the_extension(facts):
    assert facts["ends_with_the_extension"]
