"""Plans: what is resolved, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from panoloom.engine_server.models import catalog
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobcheck import METHODS
from panoloom.shared.jobs import JobSpec, Reference, Stage

SPEC = JobSpec(prompt="aurora")


def refused(spec: JobSpec) -> InvalidJob:
    with pytest.raises(InvalidJob) as caught:
        catalog.plan(spec)
    return caught.value


def test_plan_fills_in_the_revision_and_one_stage() -> None:
    planned = catalog.plan(SPEC)
    assert planned.model_revision == catalog.revision(catalog.MODELS["preview"])
    assert planned.stages == (Stage(width=768, height=384, steps=SPEC.steps),)


def test_planning_a_plan_changes_nothing() -> None:
    planned = catalog.plan(replace(SPEC, width=1024, height=512))
    assert catalog.plan(planned) == planned


def test_twice_the_size_is_a_second_stage_with_narrower_views_from_lower_noise() -> None:
    coarse, fine = catalog.plan(replace(SPEC, width=1024, height=512)).stages
    assert (fine.width, fine.height) == (1024, 512)
    assert coarse.sigma_start == 1.0
    assert fine.fov_deg < coarse.fov_deg
    assert 0 < fine.sigma_start < 1


@pytest.mark.parametrize(
    ("width", "height", "nearest"),
    [(256, 128, [512, 256]), (640, 320, [512, 256]), (2048, 1024, [1024, 512])],
)
def test_a_size_off_the_ladder_is_refused_with_the_nearest(width, height, nearest) -> None:
    assert refused(replace(SPEC, width=width, height=height)).details["nearest"] == nearest


def test_unknown_model_and_method_list_the_known() -> None:
    assert refused(replace(SPEC, model="sora")).details["known"] == ["preview"]
    assert refused(replace(SPEC, method="magic")).details["known"] == list(METHODS)


def test_a_loop_shorter_than_the_models_window_is_refused_with_the_least() -> None:
    error = refused(replace(SPEC, num_frames=12, fps=24.0))
    assert (error.details["field"], error.details["nearest"]) == ("num_frames", 24)
    assert catalog.plan(replace(SPEC, num_frames=24, fps=24.0))


def test_a_loop_longer_than_the_model_makes_is_refused_with_the_most() -> None:
    error = refused(replace(SPEC, num_frames=1000, fps=24.0))
    assert error.details["nearest"] == 720


def test_another_revision_than_the_installed_is_refused() -> None:
    error = refused(replace(SPEC, model_revision="0123456789abcdef"))
    assert error.details["field"] == "model_revision"


def test_strength_is_the_noise_level_of_the_first_stage() -> None:
    spec = replace(SPEC, reference=Reference(sha256="0" * 64, strength=0.5))
    assert catalog.plan(spec).stages[0].sigma_start == 0.5


def test_stages_written_out_must_climb_the_ladder() -> None:
    wrong = (Stage(width=512, height=256, steps=4, fov_deg=30.0),)
    assert refused(replace(SPEC, stages=wrong)).details["field"] == "stages"
