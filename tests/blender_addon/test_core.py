"""What the buttons do, over plain values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from panoloom.blender_addon import core
from panoloom.engine_server.models.catalog import MODELS
from panoloom.shared.errors import InvalidJob, PanoloomError
from panoloom.shared.jobs import JobSpec, Reference
from panoloom.shared.jobview import JobView

WORDS = core.SceneSettings(prompt="  northern lights ", seconds=2.5, scene_fps=24.0)


def rotation(heading_deg: float, pitch_deg: float) -> list[list[float]]:
    """Matrix of a camera turned to a heading from +x and up by a pitch; columns are its axes."""
    h, p = math.radians(heading_deg), math.radians(pitch_deg)
    right = (math.sin(h), -math.cos(h), 0.0)
    ahead = (math.cos(h) * math.cos(p), math.sin(h) * math.cos(p), math.sin(p))
    up = (-math.cos(h) * math.sin(p), -math.sin(h) * math.sin(p), math.cos(p))
    return [[right[i], up[i], -ahead[i]] for i in range(3)]


def job(**changes: object) -> core.Job:
    values = {
        "view": JobView(job_id="a" * 32),
        "spec": JobSpec(prompt="sea"),
        "scene_uid": 1,
        "world_uid": 7,
        "heading": 0.0,
    }
    return core.Job(**(values | changes))


def test_spec_has_a_frame_for_each_frame_of_the_scene():
    spec = core.job_spec(WORDS)
    assert (spec.prompt, spec.num_frames, spec.fps) == ("northern lights", 60, 24.0)
    assert (spec.width, spec.height) == (512, 256)


def test_fractional_frame_rate_rounds_to_whole_frames():
    assert core.frames_of_loop(2.0, 30000 / 1001) == 60


def test_loop_has_at_least_two_frames():
    assert core.frames_of_loop(0.01, 24.0) == 2


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_length_that_is_no_number_is_refused(seconds):
    with pytest.raises(InvalidJob) as caught:
        core.job_spec(replace(WORDS, seconds=seconds))
    assert caught.value.details["field"] == "seconds"


@pytest.mark.parametrize(("seconds", "nearest"), [(0.5, 1.0), (31.0, 30.0)])
def test_length_the_model_cannot_make_is_refused_with_its_limits(seconds, nearest):
    models = [{"name": "other"}, MODELS["preview"].to_plain()]
    with pytest.raises(InvalidJob, match=r"preview.* 1 to 30 s") as caught:
        core.check_length(replace(WORDS, seconds=seconds), models)
    assert caught.value.details == {"field": "seconds", "nearest": nearest}


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_limits_themselves_are_taken(seconds):
    core.check_length(replace(WORDS, seconds=seconds), [MODELS["preview"].to_plain()])


@pytest.mark.parametrize("models", [[], [{"name": "preview"}], [{"name": "other"}]])
def test_length_is_left_to_an_engine_that_tells_no_limits(models):
    core.check_length(replace(WORDS, seconds=0.1), models)


def test_empty_prompt_is_refused_without_a_reference_and_taken_with_one():
    with pytest.raises(InvalidJob):
        core.job_spec(replace(WORDS, prompt="  "))
    assert core.job_spec(replace(WORDS, prompt=""), Reference(sha256="0" * 64)).prompt == ""


def test_reference_is_named_by_the_hash_of_its_bytes():
    spec, remark = core.with_reference(JobSpec(prompt="sea"), b"abc", 1.0, is_opaque=False)
    assert spec.reference is not None
    assert spec.reference.sha256.startswith("ba7816bf")
    assert spec.reference.strength == 1.0
    assert remark == ""


def test_reference_without_an_open_part_is_weakened_and_says_so():
    spec, remark = core.with_reference(JobSpec(prompt="sea"), b"abc", 1.0, is_opaque=True)
    assert spec.reference is not None
    assert spec.reference.strength == 0.6
    assert "0.6 of it may change" in remark


@pytest.mark.parametrize("is_opaque", [False, True])
def test_strength_below_one_is_the_users_own(is_opaque):
    spec, remark = core.with_reference(JobSpec(prompt="sea"), b"abc", 0.3, is_opaque=is_opaque)
    assert spec.reference is not None
    assert (spec.reference.strength, remark) == (0.3, "")


@pytest.mark.parametrize("pitch_deg", [-89, -20, 0, 45, 89])
@pytest.mark.parametrize("heading_deg", [-170, -90, 0, 37, 90, 179])
def test_heading_is_the_cameras_yaw_whatever_its_pitch(heading_deg, pitch_deg):
    found = math.degrees(core.heading_of(rotation(heading_deg, pitch_deg)))
    assert found == pytest.approx(heading_deg, abs=1e-6)


@pytest.mark.parametrize("pitch_deg", [-90, 90])
def test_heading_of_a_camera_that_looks_straight_up_or_down_is_the_same(pitch_deg):
    assert math.degrees(core.heading_of(rotation(37, pitch_deg))) == pytest.approx(37)


def test_camera_along_y_turns_the_texture_back_by_a_quarter():
    assert core.mapping_rotation(math.pi / 2) == pytest.approx(-math.pi / 2)


def test_job_makes_its_world_while_the_scene_has_the_one_of_generate():
    assert core.standing(job(), core.WorldNow(7, None)) is core.Standing.CREATE


def test_job_makes_its_world_in_a_scene_without_one():
    assert core.standing(job(world_uid=None), core.WorldNow()) is core.Standing.CREATE


def test_job_swaps_pictures_in_its_own_world():
    assert core.standing(job(is_applied=True), core.WorldNow(9, "a" * 32)) is core.Standing.SWAP


@pytest.mark.parametrize("now", [core.WorldNow(8, None), core.WorldNow(8, "b" * 32)])
def test_job_leaves_a_world_chosen_since_alone(now):
    assert core.standing(job(), now) is core.Standing.LEAVE


def test_job_whose_world_was_undone_or_restored_leaves_the_scene_alone():
    assert core.standing(job(is_applied=True), core.WorldNow(7, None)) is core.Standing.LEAVE


def test_loop_is_the_first_exr_or_the_movie_by_choice_and_either_when_one_is_missing(tmp_path):
    with pytest.raises(PanoloomError, match="not on this computer"):
        core.loop_file(tmp_path)
    (tmp_path / "loop.mp4").touch()
    assert core.loop_file(tmp_path).name == "loop.mp4"
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "loop_0001.exr").touch()
    assert core.loop_file(tmp_path).name == "loop_0001.exr"
    assert core.loop_file(tmp_path, prefer_movie=True).name == "loop.mp4"
    for prefer_movie in (False, True):
        file = core.loop_file(tmp_path, prefer_movie=prefer_movie)
        assert core.folder_of_loop(file) == tmp_path


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "about 1 s left"), (40.4, "about 40 s left"), (150, "about 2 min left")],
)
def test_time_left_reads_as_words(seconds, text):
    assert core.time_left(seconds) == text


def test_world_is_named_after_the_first_words():
    assert core.world_name("a  calm sea,\nwith stars") == "Panoloom a calm sea, with stars"
    assert len(core.world_name("word " * 100)) < 60
