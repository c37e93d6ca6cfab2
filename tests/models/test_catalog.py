"""Plans: what is resolved, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from panoloom.engine_server.models import catalog
from panoloom.engine_server.panorama.views import plan_views
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobcheck import METHODS
from panoloom.shared.jobs import Base, JobSpec, Reference, Stage

SPEC = JobSpec(prompt="aurora")


@pytest.fixture
def plane_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    card = catalog.MODELS["preview"]
    monkeypatch.setitem(catalog.MODELS, "preview", replace(card, methods=("fused", "planar")))


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
    [(256, 128, [512, 256]), (640, 320, [512, 256]), (8192, 4096, [4096, 2048])],
)
def test_a_size_off_the_ladder_is_refused_with_the_nearest(width, height, nearest) -> None:
    assert refused(replace(SPEC, width=width, height=height)).details["nearest"] == nearest


def test_the_ladder_climbs_to_4096_from_ever_lower_noise_with_ever_narrower_views() -> None:
    stages = catalog.plan(replace(SPEC, width=4096, height=2048)).stages
    assert [stage.width for stage in stages] == [768, 1024, 2048, 4096]
    assert [stage.fov_deg for stage in stages] == [90.0, 53.0, 28.0, 14.0]
    for coarse, fine in pairwise(stages):
        assert fine.sigma_start < coarse.sigma_start
        assert fine.steps < coarse.steps


def test_the_number_of_views_that_estimates_count_is_that_of_the_layouts() -> None:
    for rung in catalog.MODELS["preview"].ladder[:2]:
        plan = plan_views(
            latent_width=rung.grid_width // 8,
            latent_height=rung.grid_height // 8,
            fov_deg=rung.fov_deg,
        )
        assert rung.views == plan.fixed.count


def test_a_larger_or_longer_job_is_estimated_to_take_longer() -> None:
    seconds = [
        catalog.estimate_s(catalog.plan(replace(SPEC, **changes)))
        for changes in (
            {"steps": 8},
            {},
            {"num_frames": 40},
            {"width": 1024, "height": 512, "num_frames": 40},
            {"width": 4096, "height": 2048, "num_frames": 40},
        )
    ]
    assert seconds == sorted(seconds)
    assert 10 < seconds[1] < 90


def test_a_job_with_a_base_enters_the_whole_climb_at_its_stage() -> None:
    base = Base(sha256="0" * 64, sigma=0.55, stage=1)
    spec = replace(SPEC, width=2048, height=1024)
    climb = catalog.plan(spec).stages
    entered = catalog.plan(replace(spec, base=base)).stages
    assert entered == (climb[0], replace(climb[1], sigma_start=0.55), climb[2])
    whole = catalog.plan(replace(spec, base=replace(base, stage=0, sigma=1.0))).stages
    assert whole == climb
    assert catalog.plan(replace(spec, base=base, stages=climb)).stages == climb
    assert refused(replace(spec, base=base, stages=climb[1:])).details["field"] == "stages"
    above = refused(replace(spec, base=replace(base, stage=3)))
    assert above.details == {"field": "base.stage", "largest": 2}


def plane(width: int, height: int) -> JobSpec:
    return replace(SPEC, method="planar", width=width, height=height)


def test_a_flat_picture_starts_about_as_short_as_a_window_and_doubles(plane_allowed) -> None:
    sizes = [(s.width, s.height) for s in catalog.plan(plane(3072, 768)).stages]
    assert sizes == [(768, 192), (1536, 384), (3072, 768)]
    sizes = [(s.width, s.height) for s in catalog.plan(plane(512, 4096)).stages]
    assert sizes == [(128, 1024), (256, 2048), (512, 4096)]
    fine = catalog.plan(plane(3072, 768)).stages[-1]
    assert fine.sigma_start < 1
    assert fine.fov_deg == pytest.approx(28.07, abs=0.01)


@pytest.mark.parametrize(
    ("width", "height", "key", "size"),
    [
        (1000, 250, "nearest", [1000, 248]),
        (512, 64, "nearest", [512, 128]),
        (16384, 4096, "largest", [5792, 1448]),
    ],
)
def test_a_flat_picture_of_wrong_sides_is_refused_with_the_nearest(
    width, height, key, size, plane_allowed
) -> None:
    assert refused(plane(width, height)).details[key] == size


def test_unknown_model_and_method_list_the_known() -> None:
    assert refused(replace(SPEC, model="sora")).details["known"] == sorted(catalog.MODELS)
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


def test_a_clip_with_ends_may_be_longer_than_any_loop():
    long = JobSpec(prompt="sea", num_frames=720, fps=8.0, loop=False)
    assert catalog.plan(long).num_frames == 720, "90 seconds"
    with pytest.raises(InvalidJob, match=r"loops of at most 30 s: ask for 240 frames"):
        catalog.plan(replace(long, loop=True))
    with pytest.raises(InvalidJob, match=r"clips of at most 600 s"):
        catalog.plan(replace(long, num_frames=2000, fps=2.0))
