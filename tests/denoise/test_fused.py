"""The whole method against models whose answer is known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from oracles import (
    CHANNELS,
    FieldAdapter,
    FunctionAdapter,
    OracleAdapter,
    moving_erp,
    white_gaussian,
)

from panoloom.engine_server.denoise import fused as fused_module
from panoloom.engine_server.denoise.fuse import noise_rows
from panoloom.engine_server.denoise.fused import FusedMethod
from panoloom.engine_server.denoise.loop import (
    Cancelled,
    Keep,
    denoise_panorama,
    packed_start,
    sample,
)
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.denoise.stages import StageState, plan_stage
from panoloom.engine_server.denoise.stages import denoise_stages as finish_stages
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.panorama.tables import build_table
from panoloom.engine_server.panorama.views import plan_views
from panoloom.shared.errors import GenerationFailed, InvalidJob
from panoloom.shared.jobs import Stage

COARSE = Stage(width=512, height=256, steps=4)
FINE = Stage(width=1024, height=512, steps=3, sigma_start=0.6, fov_deg=53.0)
STEPS = 5
ONE_VIEW = {"elevation_rad": torch.zeros(10, 16, 16), "fov_deg": 90.0}
INTERPOLATION = 6e-3
"""Bilinear error of the moving function on the cells of a 90-degree view."""


def denoise_stages(*args, **options):
    return finish_stages(*args, **options).latents


def run(adapter, **options):
    return finish(adapter, **options).latents


def finish(adapter, *, frames=8, steps=STEPS, guidance_scale=1.0, uncond=None, **options):
    return denoise_panorama(
        options.pop("x_init", None),
        adapter=adapter,
        cond=adapter.encode_prompt(["sea"]),
        uncond=uncond,
        guidance_scale=guidance_scale,
        sigmas=flow_sigmas(steps),
        shape=(adapter.spec.channels, frames, 32, 64),
        seed=options.pop("seed", 1),
        **options,
    )


@pytest.mark.parametrize(("frames", "loop"), [(8, True), (11, True), (16, True), (11, False)])
def test_oracle_comes_out_as_the_moving_function_everywhere(frames, loop):
    error = (
        run(OracleAdapter(num_frames=frames), frames=frames, loop=loop) - moving_erp(32, frames)
    ).abs()
    assert error.max() < INTERPOLATION
    assert error.mean() < 2e-3, "no noise is left over"
    assert error[..., [0, -1]].max() < INTERPOLATION, "seam columns"
    assert error[:, :, [0, -1]].max() < INTERPOLATION, "pole rows"
    assert error[:, [0, -1]].max() < INTERPOLATION, "loop join"


def test_oracle_has_no_step_at_the_seam_the_poles_or_the_loop_join():
    out, truth = run(OracleAdapter(num_frames=8)), moving_erp(32, 8)
    for name, across in {
        "seam": lambda z: z[..., 0] - z[..., -1],
        "zenith": lambda z: z[:, :, 0] - z[:, :, 0].roll(32, dims=-1),
        "loop join": lambda z: z[:, 0] - z[:, -1],
    }.items():
        assert (across(out) - across(truth)).abs().max() < 2 * INTERPOLATION, name


def test_oracle_in_two_stages_is_the_function_at_the_finer_size():
    adapter = OracleAdapter(num_frames=8)
    out = denoise_stages(
        [COARSE, FINE],
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=8,
        seed=3,
    )
    error = (out - moving_erp(64, 8)).abs()
    assert out.shape == (CHANNELS, 8, 64, 128)
    assert error.max() < INTERPOLATION / 2
    assert error[..., [0, -1]].max() < INTERPOLATION / 2, "seam columns"
    assert error[:, :, [0, -1]].max() < INTERPOLATION / 2, "pole rows"


def test_constant_model_gives_exactly_that_constant():
    adapter = FunctionAdapter(num_frames=8, function=lambda x, sigma, cond: 0 * x + 2)
    assert torch.allclose(run(adapter), torch.full((CHANNELS, 8, 32, 64), 2.0), atol=1e-6)


def test_zero_model_leaves_nothing():
    adapter = FunctionAdapter(num_frames=8, function=lambda x, sigma, cond: 0 * x)
    assert torch.equal(run(adapter), torch.zeros(CHANNELS, 8, 32, 64))


def test_views_carry_noise_of_the_level_of_the_step_and_nothing_else_at_the_start():
    stds = []

    def function(x, sigma, cond):
        stds.append((sigma, x.std()))
        return 0 * x

    run(FunctionAdapter(num_frames=8, function=function))
    assert all(float(std) == pytest.approx(sigma, rel=0.05) for sigma, std in stds)


def test_white_gaussian_data_keep_their_variance_everywhere():
    """White data are the hardest case: what a view's cells cannot carry is lost, and no more.

    What matters is that no latitude loses more than another.
    """
    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    out = run(adapter, steps=16)
    rows = (out**2).mean(dim=(0, 1, 3))
    assert float(rows[:4].mean()) == pytest.approx(float(rows[14:18].mean()), rel=0.35)


def test_field_made_of_views_is_as_lively_as_one_view_and_shows_no_borders():
    """Moving views must not average the picture away: the reference is one view, sampled alone.

    Read by nearest cell, the noise left 0.45 of the reference's variance, 0.1 of it at the poles.
    """
    adapter = FieldAdapter(num_frames=8, spec=LatentSpec(channels=24, ratio_s=8, ratio_t=1))
    sigmas = flow_sigmas(16)
    alone = sample(
        lambda x, sigma, step: adapter.denoised(x, sigma, Cond(), ViewGeometry(**ONE_VIEW)),
        normal_noise((240, 8, 16, 16), seed=9).unflatten(0, (10, 24)),
        sigmas=sigmas,
    )
    out = run(adapter, steps=16, view_batch=20)
    whole, reference = float((out**2).mean()), float((alone**2).mean())
    assert whole > 0.75 * reference
    for rows in (slice(0, 6), slice(13, 19), slice(26, 32)):
        assert float((out[:, :, rows] ** 2).mean()) > 0.6 * reference
    owner = plan_views(latent_width=64, latent_height=32).table(15).owner.view(32, 64)
    border = (owner != owner.roll(1, 1))[6:26]
    change = ((out - out.roll(1, dims=3)) ** 2).mean(dim=(0, 1))[6:26]
    scale = change.mean(dim=1, keepdim=True)
    assert (change / scale)[border].mean() < 1.15 * (change / scale)[~border].mean()
    seam = ((out[..., 0] - out[..., -1]) ** 2).mean(dim=(0, 1))[6:26]
    assert (seam / scale[:, 0]).mean() < 1.25
    joins = ((out - out.roll(-1, dims=1)) ** 2).mean(dim=(0, 2, 3))
    assert joins.max() < 1.3 * joins.median()


def test_guidance_at_scale_one_is_the_conditional_model_and_asks_nothing_else():
    adapter = OracleAdapter(num_frames=8)
    alone = run(adapter)
    calls = adapter.calls
    assert torch.equal(run(adapter, uncond=Cond()), alone)
    assert adapter.calls == 2 * calls


def test_guidance_leads_away_from_the_unconditional_model():
    def function(x, sigma, cond):
        return 0 * x + (1.0 if "texts" in cond.tensors else 0.25)

    adapter = FunctionAdapter(num_frames=8, function=function)
    out = run(adapter, uncond=Cond(), guidance_scale=3.0)
    assert torch.allclose(out, torch.full_like(out, 0.25 + 3 * 0.75), atol=1e-5)


@pytest.mark.parametrize("done", range(STEPS + 1))
def test_run_resumed_after_any_step_gives_the_same_bytes(done):
    adapter = FunctionAdapter(num_frames=9, function=white_gaussian)
    states = [packed_start(None, (CHANNELS, 9, 32, 64), 1.0)]
    whole = run(adapter, frames=9, on_step=lambda step, n, denoised, x: states.append(x))
    resumed = run(adapter, frames=9, x_init=states[done], start_step=done)
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize("done", [1, 4, 6])
def test_ladder_resumed_in_either_stage_gives_the_same_bytes(done):
    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    states: list[StageState] = []

    def ladder(resume=None):
        return denoise_stages(
            [COARSE, FINE],
            adapter=adapter,
            cond=Cond(),
            uncond=None,
            guidance_scale=1.0,
            num_frames=8,
            seed=3,
            on_step=lambda done: states.append(done.state),
            resume=resume,
        )

    whole = ladder()
    assert torch.equal(ladder(states[done - 1]), whole)


def test_steps_are_counted_over_all_stages():
    told = []
    denoise_stages(
        [COARSE, FINE],
        adapter=FunctionAdapter(num_frames=8, function=white_gaussian),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=8,
        seed=3,
        on_step=told.append,
    )
    assert [done.steps_done for done in told] == list(range(1, 8))
    assert {done.steps_total for done in told} == {7}
    assert told[0].state.x.shape == (2 * CHANNELS, 8, 32, 64), "the panorama's"
    assert told[0].views is None
    assert told[4].state.x.shape == (2 * CHANNELS, 8, len(told[4].views.views) * 16, 16)
    assert told[4].denoised.shape == (CHANNELS, 8, 64, 128)


@pytest.mark.parametrize("limit", [0, 3, 4])
def test_cancel_is_honoured_before_the_next_model_call(limit):
    adapter = OracleAdapter(num_frames=8)
    with pytest.raises(Cancelled):
        run(adapter, guidance_scale=2.0, uncond=Cond(), cancelled=lambda: adapter.calls >= limit)
    assert adapter.calls == limit


def test_model_is_called_with_batches_of_the_asked_size():
    adapter = OracleAdapter(num_frames=8)
    run(adapter, steps=1, view_batch=4)
    assert adapter.batch_sizes == [4] * 6, "12 standing views in 2 time windows"


@pytest.mark.parametrize("view_batch", [1, 7, 100])
def test_size_of_batches_changes_nothing(view_batch):
    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    assert torch.allclose(run(adapter, view_batch=view_batch), run(adapter), atol=1e-6)


def test_order_of_views_changes_nothing():
    plan = plan_views(latent_width=64, latent_height=32)
    table = plan.table(0)
    order = torch.randperm(len(table.views), generator=torch.Generator().manual_seed(0))
    shuffled = build_table(
        tuple(table.views[k] for k in order), height=table.height, width=table.width
    )

    @dataclasses.dataclass(frozen=True)
    class OneTable:
        used: object

        def table(self, step):
            return self.used

    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    q = normal_noise((CHANNELS, 8, 32, 64), seed=1)
    outs = [method(adapter, OneTable(t)).denoised(q, sigma=0.7, step=0) for t in (table, shuffled)]
    same = (outs[0] - outs[1]).abs().amax(dim=(0, 1)) < 1e-5
    assert same.float().mean() > 0.97, "only cells at equal depth in two views may change hands"


def method(adapter, plan, frames=8, turn=0):
    noise = noise_rows((CHANNELS, frames, 32, 64), seed=1, stage=0)
    noise = noise.unflatten(0, (64, 128)).roll(2 * turn, dims=1).flatten(0, 1)
    return FusedMethod(
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        plan=plan,
        noise=noise,
        seed=1,
        stage=0,
        loop=True,
        view_batch=6,
    )


def test_turning_the_noise_and_the_views_turns_the_result():
    plan = plan_views(latent_width=64, latent_height=32)

    @dataclasses.dataclass(frozen=True)
    class Turned:
        columns: int

        def table(self, step):
            return plan.table(step).turned(self.columns)

    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    x = normal_noise((CHANNELS, 8, 32, 64), seed=1)
    straight = method(adapter, Turned(0)).denoised(x, sigma=0.7, step=1)
    turned = method(adapter, Turned(11), turn=11).denoised(x.roll(11, dims=-1), sigma=0.7, step=1)
    assert torch.allclose(turned, straight.roll(11, dims=-1), atol=1e-6)


def test_shifting_the_frames_and_the_windows_shifts_the_result(monkeypatch):
    """The model smooths along time inside a window, so a wrong frame would show."""

    def smooth(x, sigma, cond):
        inner = torch.nn.functional.pad(x, (0, 0, 0, 0, 1, 1), mode="replicate")
        return (inner[:, :, :-2] + inner[:, :, 1:-1] + inner[:, :, 2:]) / 3

    plan = plan_views(latent_width=64, latent_height=32)
    fused = method(FunctionAdapter(num_frames=11, function=smooth), plan, frames=11)
    x = normal_noise((CHANNELS, 11, 32, 64), seed=1)
    straight = fused.denoised(x, sigma=0.7, step=0)
    windows = fused.time_windows(11, 0)
    shifted = tuple(
        dataclasses.replace(w, frames=tuple((f + 4) % 11 for f in w.frames)) for w in windows
    )
    monkeypatch.setattr(fused_module, "plan_time_windows", lambda *args, **kwargs: shifted)
    rolled = fused.noise.unflatten(1, (11, CHANNELS)).roll(4, dims=1).flatten(1)
    fused = dataclasses.replace(fused, noise=rolled)
    moved = fused.denoised(x.roll(4, dims=1), sigma=0.7, step=0)
    assert torch.allclose(moved, straight.roll(4, dims=1), atol=1e-6)


def test_kept_part_of_a_picture_survives_both_stages():
    given = torch.full((CHANNELS, 1, 128, 256), -0.5)
    mask = torch.zeros(128, 256)
    mask[64:] = 1
    out = denoise_stages(
        [COARSE, FINE],
        adapter=OracleAdapter(num_frames=8),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=8,
        seed=3,
        reference=Keep(latents=given, mask=mask),
    )
    assert torch.allclose(out[:, :, 34:], torch.full_like(out[:, :, 34:], -0.5), atol=1e-4)
    assert (out - moving_erp(64, 8))[:, :, :30].abs().max() < INTERPOLATION


def test_start_picture_at_low_noise_is_nearly_kept_by_a_faithful_model():
    seen = []
    picture = moving_erp(32, 8)
    denoise_panorama(
        packed_start(picture, picture.shape, 0.1),
        adapter=OracleAdapter(num_frames=8),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(2, sigma_start=0.1),
        shape=tuple(picture.shape),
        seed=3,
        finish_sigma=0.0,
        on_step=lambda step, n, denoised, x: seen.append(x),
    )
    assert (seen[0][:CHANNELS] - (1 - 0.05) * picture).abs().max() < 0.01


def test_stage_below_full_noise_needs_a_picture():
    with pytest.raises(InvalidJob, match="picture to start from"):
        denoise_stages(
            [FINE],
            adapter=OracleAdapter(num_frames=8),
            cond=Cond(),
            uncond=None,
            guidance_scale=1.0,
            num_frames=8,
            seed=3,
        )


def test_stage_that_is_not_whole_cells_is_refused_with_the_nearest():
    with pytest.raises(InvalidJob, match="multiple of 8") as caught:
        plan_stage(Stage(width=516, height=258, steps=4), OracleAdapter(num_frames=8).spec)
    assert caught.value.details["nearest"] in (512, 520)


def test_model_that_returns_no_numbers_fails_with_the_step():
    adapter = FunctionAdapter(
        num_frames=8, function=lambda x, sigma, cond: x * (float("nan") if sigma < 0.9 else 1.0)
    )
    with pytest.raises(GenerationFailed, match="not finite") as caught:
        run(adapter)
    assert caught.value.details["step"] == 1


def test_same_seed_gives_the_same_bytes_and_another_does_not():
    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    assert torch.equal(run(adapter), run(adapter))
    assert not torch.allclose(run(adapter), run(adapter, seed=2))
