from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobcheck import METHODS, nearest_2_to_1
from panoloom.shared.jobs import (
    ArtifactRef,
    Base,
    JobSpec,
    JobState,
    Lora,
    Part,
    Place,
    Reference,
    Stage,
)

SHA = "0123456789abcdef" * 4
PART = Part(yaw_deg=-40, pitch_deg=20, radius_deg=15, feather_deg=6, manifest_sha256=SHA[::-1])
FULL = JobSpec(
    prompt="northern lights",
    negative_prompt="people",
    seed=7,
    width=1024,
    height=512,
    num_frames=24,
    fps=12,
    loop=False,
    reference=Reference(sha256=SHA, mask_sha256=SHA[::-1], strength=0.5),
    stages=(Stage(width=512, height=256, steps=8), Stage(width=1024, height=512, steps=4)),
    sky="stars",
    places=(Place(text="a moon", yaw_deg=-90, pitch_deg=20, radius_deg=30),),
    base=Base(sha256=SHA, sigma=0.6, stage=1, part=PART),
)
PLANE = JobSpec(prompt="sea", method="planar", width=3072, height=768, ring=False)


def place(**changes) -> Place:
    return Place(**({"text": "a moon", "yaw_deg": 0, "pitch_deg": 0, "radius_deg": 30} | changes))


def part(**changes) -> Part:
    return dataclasses.replace(PART, **changes)


def refused(spec: JobSpec) -> InvalidJob:
    with pytest.raises(InvalidJob) as caught:
        spec.validate()
    return caught.value


@pytest.mark.parametrize(
    "spec", [JobSpec(prompt="sea"), FULL, PLANE], ids=["plain", "full", "plane"]
)
def test_spec_comes_back_from_plain_data_and_from_its_canonical_form(spec):
    spec.validate()
    assert JobSpec.from_plain(spec.to_plain()) == spec
    assert JobSpec.from_plain(json.loads(spec.canonical())) == spec


def test_a_job_says_what_it_does():
    assert JobSpec(prompt="sea").kind == "generate"
    assert JobSpec(prompt="sea", base=Base(sha256=SHA, sigma=0.6)).kind == "refine"
    assert FULL.kind == "repaint"


def test_a_job_is_known_by_its_words():
    assert JobSpec(prompt="sea").title == "sea"
    assert JobSpec(prompt=" ", ground="waves").title == "waves"
    assert JobSpec(prompt="", places=(place(),)).title == "a moon"
    assert FULL.title == "a moon", "a repaint by what is painted"
    assert JobSpec(prompt="").title == ""


def test_canonical_form_is_sorted_compact_json():
    text = JobSpec(prompt="sea").canonical().decode()
    assert text.startswith('{"fps":8.0,"guidance_scale":4.0,"height":256,"loop":true,')
    assert " " not in text


def test_equal_requests_have_equal_hashes_whatever_the_number_was_written_as():
    assert JobSpec(prompt="sea", fps=8).sha256() == JobSpec(prompt="sea", fps=8.0).sha256()
    assert JobSpec(prompt="sea", seed=1).sha256() != JobSpec(prompt="sea", seed=2).sha256()


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(JobSpec)])
def test_every_field_shapes_the_hash(field):
    records = {
        "stages": (Stage(width=64, height=32, steps=1),),
        "places": (Place(text="x", yaw_deg=0, pitch_deg=0, radius_deg=9),),
        "reference": Reference(sha256=SHA),
        "base": Base(sha256=SHA, sigma=0.5),
        "follow_sha256": SHA,
        "loras": (Lora(id="inks"),),
        "ring_rope": ("time",),
    }
    other = {
        str: "other",
        int: 99,
        float: 2.5,
        bool: False,
    }
    spec = JobSpec(prompt="sea")
    value = records.get(field, other.get(type(getattr(spec, field))))
    assert dataclasses.replace(spec, **{field: value}).sha256() != spec.sha256()


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "animate"},
        {"yaw_deg": 0.0, "fov_deg": 60.0},
        {"pitch_deg": 5.0},
        {"strength": 0.5},
        {"mask_sha256": SHA},
    ],
    ids=str,
)
def test_every_field_of_a_reference_shapes_the_hash(changes):
    spec = JobSpec(prompt="sea", reference=Reference(sha256=SHA))
    other = dataclasses.replace(spec, reference=Reference(**({"sha256": SHA} | changes)))
    assert other.sha256() != spec.sha256()


def test_a_request_in_the_words_of_version_1_0_has_the_hash_it_had_then():
    sea = JobSpec(prompt="sea")
    kept = JobSpec(prompt="", reference=Reference(sha256=SHA, strength=0.5))
    assert sea.sha256() == "ddd3a85f72c8d8d3fed21f2363b80b83501093f35b381287eae7f3678261c51f"
    assert kept.sha256() == "28df416e0bac190e5ee7bf9d0c52ef972132114cd8fa657889f218936d656365"


def test_unknown_fields_are_ignored_and_missing_ones_take_their_defaults():
    assert JobSpec.from_plain({"prompt": "sea", "from_the_future": 1}) == JobSpec(prompt="sea")
    assert JobSpec.from_plain({}) == JobSpec(prompt="")


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        ({"prompt": 3}, "prompt"),
        ({"prompt": "sea", "seed": "7"}, "seed"),
        ({"prompt": "sea", "seed": True}, "seed"),
        ({"prompt": "sea", "steps": 4.0}, "steps"),
        ({"prompt": "sea", "loop": 1}, "loop"),
        ({"prompt": "sea", "fps": None}, "fps"),
        ({"prompt": "sea", "fps": float("nan")}, "fps"),
        ({"prompt": "sea", "reference": "file.png"}, "reference"),
        ({"prompt": "sea", "reference": {}}, "reference.sha256"),
        ({"prompt": "sea", "stages": [{"width": 64, "height": 32}]}, "stages[0].steps"),
        ({"prompt": "sea", "stages": {}}, "stages"),
        ("sea", ""),
        (None, ""),
    ],
)
def test_wrong_types_are_refused_by_the_name_of_the_field(plain, field):
    with pytest.raises(InvalidJob) as caught:
        JobSpec.from_plain(plain)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\t"}, "prompt"),
        ({"prompt": "x" * 4001}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"negative_prompt": "x" * 4001}, "negative_prompt"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"width": 500}, "width"),
        ({"width": 0, "height": 0}, "width"),
        ({"width": -512, "height": -256}, "width"),
        ({"width": 2**20, "height": 2**19}, "width"),
        ({"num_frames": 0}, "num_frames"),
        ({"num_frames": 1}, "num_frames"),
        ({"num_frames": 2001}, "num_frames"),
        ({"fps": 0.0}, "fps"),
        ({"fps": 241.0}, "fps"),
        ({"fps": float("inf")}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"steps": 0}, "steps"),
        ({"steps": 201}, "steps"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"guidance_scale": 31.0}, "guidance_scale"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"method": ""}, "method"),
        ({"model": " "}, "model"),
        ({"view_batch": 0}, "view_batch"),
        ({"reference": Reference(sha256="../../etc/passwd")}, "reference.sha256"),
        ({"reference": Reference(sha256=SHA, mask_sha256="")}, "reference.mask_sha256"),
        ({"reference": Reference(sha256=SHA, strength=1.5)}, "reference.strength"),
        ({"stages": (Stage(width=64, height=64, steps=1),)}, "stages[0].width"),
        ({"stages": (Stage(width=64, height=32, steps=1, sigma_start=0.0),)},
         "stages[0].sigma_start"),
        ({"stages": (Stage(width=64, height=32, steps=1, fov_deg=180.0),)}, "stages[0].fov_deg"),
        ({"stages": (Stage(width=64, height=32, steps=1),) * 9}, "stages"),
        ({"stages": (Stage(width=64, height=32, steps=1, fov_deg=4.0),)}, "stages[0].fov_deg"),
        ({"reference": Reference(sha256=SHA, mode="erase")}, "reference.mode"),
        ({"reference": Reference(sha256=SHA, yaw_deg=0.0)}, "reference.fov_deg"),
        ({"reference": Reference(sha256=SHA, fov_deg=60.0)}, "reference.yaw_deg"),
        ({"reference": Reference(sha256=SHA, yaw_deg=361.0, fov_deg=60.0)}, "reference.yaw_deg"),
        ({"reference": Reference(sha256=SHA, yaw_deg=0.0, fov_deg=180.0)}, "reference.fov_deg"),
        ({"reference": Reference(sha256=SHA, pitch_deg=91.0)}, "reference.pitch_deg"),
        ({"method": "magic"}, "method"),
        ({"ring": False}, "ring"),
        ({"sky": "x" * 4001}, "sky"),
        ({"ground": "\ud800"}, "ground"),
        ({"places": (place(text=" "),)}, "places[0].text"),
        ({"places": (place(), place(text="\ud800"))}, "places[1].text"),
        ({"places": (place(yaw_deg=400.0),)}, "places[0].yaw_deg"),
        ({"places": (place(pitch_deg=-91.0),)}, "places[0].pitch_deg"),
        ({"places": (place(radius_deg=0.0),)}, "places[0].radius_deg"),
        ({"places": (place(radius_deg=float("nan")),)}, "places[0].radius_deg"),
        ({"places": (place(),) * 17}, "places"),
        ({"places": [1]}, "places[0]"),
        ({"base": Base(sha256="x", sigma=0.5)}, "base.sha256"),
        ({"base": Base(sha256=SHA, sigma=0.0)}, "base.sigma"),
        ({"base": Base(sha256=SHA, sigma=0.5, stage=8)}, "base.stage"),
        ({"base": Base(sha256=SHA, sigma=1, part=part(radius_deg=0))}, "base.part.radius_deg"),
        ({"base": Base(sha256=SHA, sigma=1, part=part(feather_deg=-1))}, "base.part.feather_deg"),
        (
            {"base": Base(sha256=SHA, sigma=1, part=part(manifest_sha256="x"))},
            "base.part.manifest_sha256",
        ),
        ({"base": 3}, "base"),
        ({"steps": "many"}, "steps"),
        ({"stages": [1]}, "stages[0]"),
        ({"reference": 3}, "reference"),
    ],
    ids=str,
)  # fmt: skip
def test_what_no_model_could_make_is_refused_by_the_name_of_the_field(changes, field):
    error = refused(dataclasses.replace(JobSpec(prompt="sea"), **changes))
    assert error.details["field"] == field
    assert str(error).endswith(".")


def test_a_reference_can_stand_in_for_the_prompt():
    JobSpec(prompt="", reference=Reference(sha256=SHA)).validate()


@pytest.mark.parametrize("words", [{"sky": "stars"}, {"places": (place(),)}], ids=str)
def test_words_for_a_direction_can_stand_in_for_the_prompt(words):
    JobSpec(prompt="", **words).validate()


@pytest.mark.parametrize("size", [(512, 4096), (3072, 768), (100, 32)])
def test_a_flat_picture_has_any_width_and_height(size):
    dataclasses.replace(PLANE, width=size[0], height=size[1]).validate()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"width": 16}, "width"),
        ({"height": 16400}, "height"),
        ({"stages": (Stage(width=64, height=8, steps=1),)}, "stages[0].height"),
        ({"sky": "stars"}, "sky"),
        ({"places": (place(),)}, "places"),
        ({"reference": Reference(sha256=SHA, yaw_deg=0.0, fov_deg=60.0)}, "reference.yaw_deg"),
    ],
    ids=str,
)
def test_a_flat_picture_has_limits_and_no_directions(changes, field):
    assert refused(dataclasses.replace(PLANE, **changes)).details["field"] == field


def test_an_unknown_method_lists_the_known():
    assert refused(JobSpec(prompt="sea", method="magic")).details["known"] == list(METHODS)


def test_a_wrong_size_names_the_nearest_possible_one():
    error = refused(JobSpec(prompt="sea", width=1000, height=512))
    assert error.details["nearest"] == [1004, 502]
    assert "1004x502" in str(error)


@given(width=st.integers(-10, 60000), height=st.integers(-10, 60000))
def test_the_nearest_size_is_always_a_possible_one(width, height):
    near = nearest_2_to_1(width, height)
    JobSpec(prompt="sea", width=near[0], height=near[1]).validate()


def test_ended_states_are_terminal_and_no_others():
    assert [state for state in JobState if state.is_terminal] == [
        JobState.FINISHED,
        JobState.FAILED,
        JobState.CANCELLED,
    ]


def test_specs_and_artifacts_cannot_be_changed():
    artifact = ArtifactRef(
        job_id="a",
        folder="b",
        manifest_sha256=SHA,
        width=2,
        height=1,
        num_frames=2,
        fps=1.0,
        loop=True,
    )
    for value, field in ((FULL, "seed"), (artifact, "folder")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, 0)
