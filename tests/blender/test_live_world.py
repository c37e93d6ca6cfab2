"""From Generate to the World and back, in bpy, with the engine's words made up."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def stories(blender, tmp_path_factory):
    return blender("live_world.py", tmp_path_factory.mktemp("live"))


def test_world_changes_with_the_first_preview_and_is_tagged(stories):
    story = stories["story_of_a_job"]
    assert story["before_preview"] == "Mine"
    assert story["tagged"]


def test_importance_map_is_small_so_that_frames_render_fast(stories):
    assert stories["story_of_a_job"]["importance_map"] == ["MANUAL", 256]


def test_users_world_is_kept_untouched_and_comes_back(stories):
    story = stories["story_of_a_job"]
    assert story["mine_kept"] == [True, "untouched"]
    assert story["can_restore"]
    assert story["restored"] == "Mine"
    assert story["restore_is_off"]


def test_fifty_previews_leave_one_picture_and_no_file(stories):
    story = stories["story_of_a_job"]
    assert story["images_over_50_swaps"] == [1, 1]
    assert story["preview_files"] == 0


def test_finished_loop_plays_round_and_round_in_linear_light(stories):
    assert stories["story_of_a_job"]["loop"] == {
        "source": "SEQUENCE",
        "duration": 4,
        "cyclic": True,
        "refresh": True,
        "colour": "Linear Rec.709",
        "images": 1,
    }


def test_restore_leaves_nothing_of_ours_and_apply_brings_it_back(stories):
    story = stories["story_of_a_job"]
    assert story["left_behind"] == [1, 0]
    assert story["applied_again"] == "SEQUENCE"


def test_world_chosen_in_mid_job_is_left_alone_and_apply_is_offered(stories):
    story = stories["story_of_another_world"]
    assert story["kept"] == ["Other", "Other"]
    assert "in the history" in story["why"]
    assert story["applied"]
    assert story["restored"] == "Other"


def test_scene_without_a_world_gets_none_back(stories):
    assert stories["story_of_no_world"] == {"applied": True, "restored": True}


def test_second_job_replaces_the_first_and_the_users_world_is_still_known(stories):
    assert stories["story_of_a_second_job"] == {"worlds": 2, "restored": "Mine"}


def test_world_waits_for_the_end_of_sculpt_mode_whose_undo_would_crash(stories):
    story = stories["story_of_sculpting"]
    assert (story["meanwhile"], story["undone"], story["finished"]) == (
        "Mine",
        ["SCULPT", "Mine"],
        "Mine",
    )
    assert "waits for the end of Sculpt Mode" in story["notes"][0]
    assert story["after"]


def test_loop_applied_in_sculpt_mode_survives_undo(stories):
    story = stories["story_of_sculpting"]
    assert story["applied"] == "SEQUENCE"
    assert story["worlds"]
    assert story["out"] == ["OBJECT", "Mine"]


def test_undo_step_has_its_picture_and_comes_a_tick_later(stories):
    story = stories["story_of_undo_steps"]
    assert story["steps"] == [["Panoloom World", "FILE"], ["Panoloom loop", "SEQUENCE"]]
    assert story["counts"] == [0, 1, 1, 2, 2]


def test_preview_of_a_cancelled_job_is_saved_with_the_file(stories):
    story = stories["story_of_a_saved_preview"]
    assert story == {"size": [16, 8], "file": False, "calm": True}


def test_nothing_is_put_into_a_file_that_was_opened_since(stories):
    story = stories["story_of_a_gone_scene"]
    assert story["kept"] == "Mine"
    assert "not in this file" in story["why"]


def test_loop_on_another_computer_gives_a_sentence(stories):
    story = stories["story_of_missing_files"]
    assert "not on this computer" in story["problems"][0]
    assert story["dismissed"]


def test_nothing_changes_while_blender_renders(stories):
    assert stories["story_of_a_render"] == {
        "meanwhile": "Mine",
        "offered": False,
        "afterwards": "SEQUENCE",
    }


def test_what_is_seen_and_what_lights_have_strengths_of_their_own(stories):
    story = stories["story_of_two_strengths"]
    (sky, floor), (more_sky, same_floor), (same_sky, more_floor) = story.values()
    assert sky == pytest.approx(0.5, abs=1e-3)
    assert [more_sky, same_sky] == pytest.approx([3 * sky, sky], rel=1e-3)
    assert floor > 0.1
    assert [same_floor, more_floor] == pytest.approx([floor, 3 * floor], rel=1e-3)


def test_closed_room_changes_less_and_the_panel_says_so(stories):
    story = stories["story_of_a_closed_room"]
    assert story["strength"] == 0.6
    assert story["thumbnail"]
    assert "0.6 of it may change" in story["notes"][0]


def test_loop_too_long_for_the_model_is_refused_before_anything_is_rendered(stories):
    story = stories["story_of_a_long_loop"]
    assert "1 to 30 s" in story["problems"][0]
    assert (story["asked"], story["rendering"]) == (0, False)


def test_error_of_our_own_is_shown_and_the_timer_goes_on(stories):
    story = stories["story_of_an_inner_error"]
    assert story["again"] > 0
    assert "tripped" in story["problems"][0]
