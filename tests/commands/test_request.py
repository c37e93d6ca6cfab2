"""What the words of `panoloom generate` become."""

from __future__ import annotations

import argparse

import pytest

from panoloom.engine_server.commands.request import add_job_words, spec_from
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import JobSpec, Lora


def spec(*words: str) -> JobSpec:
    parser = argparse.ArgumentParser()
    add_job_words(parser)
    return spec_from(parser.parse_args(["a calm sea", "--model", "wan-1.3b", *words]))[0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("inks", {"id": "inks"}),
        ("inks:0.8", {"id": "inks", "weight": 0.8}),
        ("owner/inks@abc", {"id": "owner/inks", "revision": "abc"}),
        (
            "owner/inks@abc:-0.5:low",
            {"id": "owner/inks", "revision": "abc", "weight": -0.5, "expert": "low"},
        ),
    ],
)
def test_a_lora_is_named_with_revision_weight_and_expert(text, parts):
    assert spec("--lora", "oils", "--lora", text).loras == (Lora(id="oils"), Lora(**parts))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("inks:much", "'much'"),
        ("inks:", "''"),
        ("inks:9", "-4 to 4"),
        ("inks:1:middle", "no expert 'middle'. Known: high, low"),
        ("../inks", "owner/name"),
    ],
)
def test_a_lora_that_is_named_otherwise_is_refused(text, why):
    with pytest.raises(InvalidJob, match=why):
        spec("--lora", text)


def test_a_request_without_an_expert_has_the_hash_it_had_before_there_were_any():
    assert b"expert" not in spec("--lora", "inks:0.5").canonical()
    low, high = (spec("--lora", f"inks:0.5:{name}") for name in ("low", "high"))
    assert low.sha256() != high.sha256()


def test_steps_are_those_of_the_model_or_of_every_stage():
    assert spec().steps == 30
    assert spec("--steps", "12").stages == ()
    climb = spec("--size", "2048x1024", "--steps", "24,10")
    assert [stage.steps for stage in climb.stages] == [24, 10]
    with pytest.raises(InvalidJob, match="give one for each") as caught:
        spec("--size", "2048x1024", "--steps", "24,10,6")
    assert caught.value.details["nearest"] == 2


def test_guidance_and_what_to_avoid_are_the_jobs():
    assert spec().guidance_scale == 5.0
    made = spec("--guidance", "3.5", "--negative", "blurred")
    assert (made.guidance_scale, made.negative_prompt) == (3.5, "blurred")
