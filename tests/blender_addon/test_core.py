"""What the buttons do, over plain values."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from panoloom.blender_addon import core
from panoloom.engine_server.models.catalog import MODELS, to_plain
from panoloom.engine_server.models.preview.text import tokenize
from panoloom.shared.errors import InvalidJob, ModelNotInstalled
from panoloom.shared.jobs import JobSpec, Reference

WORDS = core.SceneSettings(prompt="  northern lights ", seconds=2.5, scene_fps=24.0)


def rotation(heading_deg: float, pitch_deg: float) -> list[list[float]]:
    """Matrix of a camera turned to a heading from +x and up by a pitch; columns are its axes."""
    h, p = math.radians(heading_deg), math.radians(pitch_deg)
    right = (math.sin(h), -math.cos(h), 0.0)
    ahead = (math.cos(h) * math.cos(p), math.sin(h) * math.cos(p), math.sin(p))
    up = (-math.cos(h) * math.sin(p), -math.sin(h) * math.sin(p), math.cos(p))
    return [[right[i], up[i], -ahead[i]] for i in range(3)]


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
    models = [{"name": "other"}, to_plain(MODELS["preview"])]
    with pytest.raises(InvalidJob, match=r"preview.* 1 to 30 s") as caught:
        core.check_model(replace(WORDS, seconds=seconds), models)
    assert caught.value.details == {"field": "seconds", "nearest": nearest}


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_limits_themselves_are_taken(seconds):
    core.check_model(replace(WORDS, seconds=seconds), [to_plain(MODELS["preview"])])


@pytest.mark.parametrize("models", [[], [{"name": "preview"}], [{"name": "other"}]])
def test_length_is_left_to_an_engine_that_tells_no_limits(models):
    core.check_model(replace(WORDS, seconds=0.1), models)


def test_model_without_weights_is_refused_with_the_command_that_brings_them():
    models = [to_plain(MODELS["preview"]), to_plain(MODELS["wan-1.3b"]) | {"installed": False}]
    with pytest.raises(ModelNotInstalled, match=r"panoloom models install wan-1\.3b"):
        core.check_model(replace(WORDS, model="wan-1.3b"), models)
    core.check_model(WORDS, models)


def test_depth_is_followed_by_models_that_take_control_and_the_others_say_so():
    models = [to_plain(MODELS[name]) for name in ("preview", "wan-vace-1.3b")]
    assert core.why_no_depth("wan-vace-1.3b", models) == ""
    assert core.why_no_depth("preview", models) == "model 'preview' cannot follow it"
    assert core.why_no_depth("wan-vace-1.3b", [{"name": "wan-vace-1.3b"}]), "an engine from before"
    assert core.why_no_depth("wan-vace-1.3b", []) == "needs an engine"


def test_what_is_followed_has_a_hash_once_it_was_rendered():
    assert core.job_spec(WORDS).follow_sha256 is None
    asked = core.job_spec(replace(WORDS, follow_depth=True))
    assert asked.follow_sha256 == core.PENDING
    assert core.with_depth(asked, b"").follow_sha256 == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


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


def test_world_is_named_after_the_first_words():
    assert core.world_name("a  calm sea,\nwith stars") == "Panoloom a calm sea, with stars"
    assert len(core.world_name("word " * 100)) < 60


def test_style_adds_its_words_and_lines_become_one():
    spec = core.job_spec(replace(WORDS, prompt="a sea\n  and stars", style="NIGHT"))
    assert spec.prompt == "a sea and stars, at night under the stars, dark"
    assert core.job_spec(replace(WORDS, style="NONE")).prompt == "northern lights"


def test_directions_reach_the_request_and_are_words_of_their_own():
    words = replace(WORDS, prompt="", sky=" stars ", ground="snow")
    spec = core.job_spec(words)
    assert (spec.sky, spec.horizon, spec.ground) == ("stars", "", "snow")
    assert words.has_words
    assert not replace(words, sky="", ground=" ").has_words


def test_engine_of_the_first_protocol_is_not_asked_for_directions():
    with pytest.raises(InvalidJob, match="too old") as caught:
        core.check_model(replace(WORDS, sky="stars"), [], (1, 0))
    assert caught.value.details["field"] == "directions"
    core.check_model(WORDS, [], (1, 0))


def test_size_the_model_does_not_make_is_refused_with_the_nearest():
    models = [{"name": "preview", "sizes": [[512, 256], [1024, 512]]}]
    with pytest.raises(InvalidJob, match="1024x512 is the nearest") as caught:
        core.check_model(replace(WORDS, size="4096x2048"), models)
    assert caught.value.details == {"field": "size", "nearest": [1024, 512]}


@pytest.mark.parametrize("size", core.SIZES)
def test_every_size_of_the_panel_is_one_of_the_models(size):
    core.check_model(replace(WORDS, size=size), [to_plain(MODELS["preview"])])


def test_quality_names_a_number_of_steps():
    assert core.quality_of(16) == "NORMAL"
    assert core.quality_of(17) == core.CUSTOM


def test_words_of_every_style_are_known_to_the_preview_model():
    for title, words in core.STYLES.values():
        _, ignored = tokenize(words)
        assert ignored == (), title


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.999, 1.25, 30 / 23.976, 2.5])
@pytest.mark.parametrize(("num_frames", "offset"), [(1 + 7, 0), (150, 6), (7, 0)])
def test_retimed_scene_frame_shows_the_loop_frame_of_its_moment(rate, num_frames, offset):
    formula = core.retiming(rate, num_frames, offset)
    exact = Fraction(repr(rate))
    for frame in (-1000, -7, 0, 1, 2, 3, 6, 11, num_frames + 1, 5 * num_frames + 3, 4001):
        words = {"frame": float(frame), "floor": math.floor, "fmod": math.fmod}
        added = eval(formula, {"__builtins__": {}}, words)  # as Blender's driver does
        shown = (frame - 1) % num_frames + added - offset  # counted from 0
        assert shown == math.floor((frame - 1) * exact + Fraction(1, 10**6)) % num_frames
    assert len(formula) < 256  # all that a driver holds
