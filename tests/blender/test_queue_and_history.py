"""Several jobs and scenes, the library's loops, and files without an engine, in bpy."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def stories(blender, tmp_path_factory):
    return blender("queue_and_history.py", tmp_path_factory.mktemp("queue"))


def test_jobs_are_made_one_by_one_in_the_order_the_artist_gave_them(stories):
    assert stories["story_of_a_queue"] == {
        "one_at_a_time": True,
        "titles": ["third", "second"],
        "sent_in_the_new_order": True,
        "took_over": True,
        "cancelled": "cancelled",
        "left": ["", 0],
        "restored": "Mine",
    }


def test_instead_cancels_what_is_made_and_what_waits(stories):
    story = stories["story_of_instead"]
    assert story["told_the_engine"]
    assert story["states"] == ["queued", "cancelled", "queued"]
    assert story["waits_for_the_first"]


def test_each_scenes_job_shows_in_its_own_scene(stories):
    assert stories["story_of_two_scenes"] == {
        "first": True,
        "kept_until_its_turn": "Of Two",
        "second": True,
        "sources": ["SEQUENCE", "SEQUENCE"],
        "restored": ["Mine", "Of Two"],
    }


def test_one_tick_makes_a_bounded_number_of_edits_and_the_next_ones_the_rest(stories):
    story = stories["story_of_many_at_once"]
    assert story == {"shown": [2, 4, 5, 5], "most": 2}


def test_loop_of_the_history_is_looked_at_and_taken_back_without_a_trace(stories):
    story = stories["story_of_the_history"]
    assert story["listed"] == ["sea-1", "sea-2"]
    assert story["off_without_a_choice"]
    assert story["looked_at"] == ["trial:sea-1", "SEQUENCE"]
    assert story["back"] == ["Mine", 1]


def test_loop_of_the_history_is_applied_and_not_deleted_while_in_use(stories):
    story = stories["story_of_the_history"]
    assert story["applied"] == ["loop:sea-1", 2]
    assert story["in_use"] == [False, False]
    assert story["restored"] == "Mine"


def test_model_is_chosen_with_its_own_steps_and_a_missing_one_is_refused_with_a_way_out(stories):
    story = stories["story_of_a_model"]
    assert story["chosen"] == ["large", 30, 5.0]
    assert story["asked"] == "large"
    assert "panoloom models install larger" in story["refused"][0]
    assert story["asked_more"] == 0
    assert story["mended"] == ["preview", 16, 4.0]


def test_words_of_a_loop_are_reused(stories):
    assert stories["story_of_the_history"]["reused"] == ["a red sea", 5, 2.0, "DRAFT"]


def test_starred_and_deleted_loops_are_known_at_once(stories):
    story = stories["story_of_the_history"]
    assert story["starred"]
    assert story["deleted"] == ["sea-2"]
    assert story["chosen"] == ""


def test_job_waits_while_a_loop_is_looked_at_and_goes_on_afterwards(stories):
    story = stories["story_of_a_trial_in_mid_job"]
    assert story == {"during": "trial:sea-3", "after": True, "restored": "Mine"}


def test_any_sequence_becomes_a_looping_world_without_an_engine(stories):
    story = stories["story_of_a_loaded_sequence"]
    assert story["source"] == "SEQUENCE"
    assert story["frames"] == [4, 9, True]
    assert story["colour"] == "Linear Rec.709"
    assert "none.exr" in story["missing"]
    assert story["restored"] == "Mine"


def test_missing_colour_space_is_a_sentence_and_no_grey_picture(stories):
    story = stories["story_of_a_strange_colour_configuration"]
    assert "'No Such Space'" in story["said"]
    assert story["shown"]


def test_job_of_an_earlier_run_is_picked_up_and_finds_its_world(stories):
    assert stories["story_of_an_earlier_run"] == {"again": True, "shown": "SEQUENCE", "left": ""}


def test_job_that_waited_with_a_picture_of_its_scene_is_made_by_the_next_run(stories):
    assert stories["story_of_a_waiting_picture"] == {
        "again": True,
        "is_sent": True,
        "is_its_picture": True,
        "left": [],
    }


def test_engine_elsewhere_is_not_reached_without_online_access(stories):
    story = stories["story_of_another_computer"]
    assert not story["allowed"]
    assert "online access" in story["said"]
    assert story["mended_by"] == "network"
    assert "another computer, 192.0.2.1:5555" in story["start_is_off"]
    assert "is not an address" in story["wrong"]


def test_prompt_of_several_lines_is_one_request(stories):
    assert stories["story_of_lines"] == {"asked": "a sea under stars", "line": "a sea under stars"}
