"""Methods on a plane against models whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import (
    CHANNELS,
    Deviation,
    FunctionAdapter,
    PlaceAdapter,
    Torus,
    TorusAdapter,
    moving_sphere,
    posterior,
    propagated,
    white_gaussian,
)

from panoloom.engine_server.denoise.loop import Cancelled, Keep
from panoloom.engine_server.denoise.methods import METHODS, plan_method
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.planar import PlanarMethod, denoise_planar
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.denoise.stages import denoise_stages
from panoloom.engine_server.denoise.windows import WindowModel
from panoloom.engine_server.models.adapter import Cond, LatentSpec
from panoloom.engine_server.panorama import erp
from panoloom.engine_server.panorama.plane import PlanePlan
from panoloom.shared.errors import GenerationFailed, InvalidJob
from panoloom.shared.jobs import Stage

ON_A_PLANE = ("planar", "whole", "multidiffusion", "independent")
STEPS = 4
SMALL = LatentSpec(channels=CHANNELS, ratio_s=8, ratio_t=1, window_hw=(8, 8), window_frames=4)


def placed(frames=5):
    return PlaceAdapter(num_frames=frames, spec=SMALL)


def pointwise():
    return FunctionAdapter(num_frames=5, function=white_gaussian, spec=SMALL)


def plan(method, adapter, *, height=16, width=32, ring=True):
    return plan_method(
        method,
        latent_width=width,
        latent_height=height,
        spec=adapter.spec,
        fov_deg=90.0,
        ring=ring,
    )


def run(method, adapter, *, height=16, width=32, frames=5, ring=True, steps=STEPS, **options):
    return METHODS[method](
        options.pop("x_init", None),
        adapter=adapter,
        cond=Cond(),
        uncond=options.pop("uncond", None),
        guidance_scale=options.pop("guidance_scale", 1.0),
        sigmas=flow_sigmas(steps),
        shape=(adapter.spec.channels, frames, height, width),
        seed=options.pop("seed", 1),
        plan=options.pop("plan", None)
        or plan(method, adapter, height=height, width=width, ring=ring),
        **options,
    )


def truth(plane, frames):
    azimuth, elevation = np.meshgrid(
        plane.azimuth_rad().double().numpy(), plane.elevation_rad().double().numpy()
    )
    directions = erp.angles_to_directions(azimuth, elevation)
    return moving_sphere(directions, np.arange(frames) / frames)


@pytest.mark.parametrize("method", ON_A_PLANE)
@pytest.mark.parametrize(("frames", "loop"), [(4, True), (7, True), (7, False)])
def test_model_that_knows_the_scene_comes_out_as_the_scene(method, frames, loop):
    adapter = placed(frames)
    out = run(method, adapter, frames=frames, loop=loop)
    assert (out - truth(plan(method, adapter), frames)).abs().max() < 1e-5


@pytest.mark.parametrize("ring", [True, False])
@pytest.mark.parametrize(("height", "width"), [(8, 45), (60, 10), (19, 27)])
def test_planar_makes_any_size_ring_or_not(height, width, ring):
    adapter = placed()
    out = run("planar", adapter, height=height, width=width, ring=ring)
    plane = plan("planar", adapter, height=height, width=width, ring=ring)
    assert out.shape == (CHANNELS, 5, height, width)
    assert (out - truth(plane, 5)).abs().max() < 1e-5


def test_pointwise_model_gives_the_same_bytes_under_every_plan():
    """Where a cell's answer depends on the cell alone, no plan of windows may show."""
    outs = [run(method, pointwise()) for method in ("planar", "whole", "independent")]
    outs.append(run("planar", pointwise(), view_batch=1))
    usual = {"latent_width": 32, "latent_height": 16, "window_hw": (8, 8)}
    for changes in ({"margin": 2}, {"moves": False}, {"window_hw": (11, 9)}, {"ring": False}):
        outs.append(run("planar", pointwise(), plan=PlanePlan(**{**usual, **changes})))
    assert all(torch.equal(out, outs[0]) for out in outs)
    assert torch.allclose(run("multidiffusion", pointwise()), outs[0], atol=1e-5)


def test_whole_sees_the_panorama_once_a_step_and_turns_it():
    seen = []

    class Watching(PlaceAdapter):
        def denoised(self, x, sigma, cond, views):
            seen.append((tuple(x.shape), float(views.azimuth_rad[0, 0, 0])))
            return super().denoised(x, sigma, cond, views)

    run("whole", Watching(num_frames=5, spec=SMALL), view_batch=8)
    assert {shape[2:] for shape, _ in seen} == {(4, 16, 32)}
    assert len({round(azimuth, 4) for _, azimuth in seen}) == STEPS


def torus_adapter(torus, window, channels=4):
    spec = LatentSpec(
        channels=channels, ratio_s=8, ratio_t=1, window_hw=window[1:], window_frames=window[0]
    )
    return TorusAdapter(num_frames=torus.frames, torus=torus, spec=spec)


def torus_method(torus, window, changes, noise):
    plane = PlanePlan(
        latent_width=torus.width,
        latent_height=torus.height,
        window_hw=window[1:],
        ring_rows=True,
        **changes,
    )
    model = WindowModel(
        adapter=torus_adapter(torus, window), cond=Cond(), uncond=None, guidance_scale=1.0
    )
    return PlanarMethod(
        model=model, plan=plane, noise=noise, seed=5, stage=0, loop=True, view_batch=8
    )


def denoisers(method, torus, sigmas):
    """Each step's `denoised` as a matrix, from the windows' cells and the exact posterior."""
    true = torus.covariance()
    for step, sigma in enumerate(sigmas[:-1]):
        matrix = np.zeros_like(true)
        count = np.zeros(len(true))
        for span in method.time_windows(torus.frames, step):
            for window in method.plan.windows(step):
                every = torus.cells(span.cells, window.rows.cells, window.columns.cells)
                wiener = posterior(true[np.ix_(every, every)], sigma)
                if method.plan.averages:
                    used = np.arange(len(every))
                else:
                    owned = torus.cells(span.owned, window.rows.owned, window.columns.owned)
                    used = np.flatnonzero(np.isin(every, owned))
                matrix[np.ix_(every[used], every)] += wiener[used]
                count[every[used]] += 1
        yield matrix / count[:, None]


SPACE = (Torus(1, 16, 24), (1, 8, 8))
TIME = (Torus(10, 4, 8), (6, 4, 4))


@pytest.mark.parametrize(("torus", "window"), [SPACE, TIME], ids=["space", "time"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"margin": 1}, {"moves": False}, {"moves": False, "overlap": 0.5, "averages": True}],
    ids=["moving", "margin", "still", "averaged"],
)
def test_gaussian_field_on_a_torus_is_what_the_matrices_say(torus, window, changes):
    sigmas = flow_sigmas(6)
    noise = normal_noise((4, *torus.shape), seed=5)
    method = torus_method(torus, window, changes, noise)
    out = denoise_planar(
        None,
        adapter=method.model.adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=sigmas,
        shape=(4, *torus.shape),
        seed=5,
        plan=method.plan,
        view_batch=8,
    )
    matrix = propagated(list(denoisers(method, torus, sigmas)), sigmas)
    expected = noise.flatten(1).numpy() @ matrix.T
    assert np.abs(out.flatten(1).numpy() - expected).max() < 2e-4


def test_window_as_large_as_the_torus_brings_out_its_covariance():
    torus = Torus(1, 8, 12)
    method = torus_method(torus, (1, 8, 12), {}, torch.empty(0))
    deviations = []
    for steps in (32, 128):
        sigmas = flow_sigmas(steps)
        matrix = propagated(list(denoisers(method, torus, sigmas)), sigmas)
        deviations.append(Deviation.on_torus(matrix @ matrix.T, torus))
    assert deviations[1].variance == pytest.approx(1, abs=0.01)
    assert abs(deviations[1].variance - 1) < abs(deviations[0].variance - 1)
    assert deviations[1].spectrum[:3] == pytest.approx((1, 1, 1), abs=0.05)


def torus_deviation(changes, steps=16):
    torus, window = SPACE
    method = torus_method(torus, window, changes, torch.empty(0))
    sigmas = flow_sigmas(steps)
    matrix = propagated(list(denoisers(method, torus, sigmas)), sigmas)
    return Deviation.on_torus(matrix @ matrix.T, torus)


def test_moving_windows_leave_no_border_where_still_and_averaged_ones_do():
    moving, still = torus_deviation({}), torus_deviation({"moves": False})
    averaged = torus_deviation({"moves": False, "overlap": 0.5, "averages": True})
    assert still.worst_step > 2 * moving.worst_step, "a step where windows meet"
    assert averaged.worst_step > 1.5 * moving.worst_step
    assert moving.worst_step < 1.2 * moving.step


@pytest.mark.parametrize("method", ON_A_PLANE)
@pytest.mark.parametrize("done", [0, 1, 3, STEPS])
def test_run_resumed_after_any_step_gives_the_same_bytes(method, done):
    adapter = pointwise()
    states = [torch.zeros(2 * CHANNELS, 5, 16, 32)]
    whole = run(method, adapter, on_step=lambda step, n, denoised, x: states.append(x))
    resumed = run(method, adapter, x_init=states[done], start_step=done)
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize("limit", [0, 3])
def test_cancel_is_honoured_before_the_next_model_call(limit):
    adapter = placed()
    options = {"guidance_scale": 2.0, "uncond": Cond()}
    with pytest.raises(Cancelled):
        run("planar", adapter, cancelled=lambda: adapter.calls >= limit, **options)
    assert adapter.calls == limit


def test_kept_part_of_a_flat_picture_survives_both_stages():
    mask = torch.zeros(32, 48)
    mask[16:] = 1
    stages = [
        Stage(width=192, height=128, steps=3),
        Stage(width=384, height=256, steps=2, sigma_start=0.6),
    ]
    out = denoise_stages(
        stages,
        adapter=placed(),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=5,
        seed=3,
        reference=Keep(latents=torch.full((CHANNELS, 1, 32, 48), -0.5), mask=mask),
        method="planar",
        ring=False,
    ).latents
    assert torch.allclose(out[:, :, 18:], torch.full_like(out[:, :, 18:], -0.5), atol=1e-4)
    plane = plan("planar", placed(), height=32, width=48, ring=False)
    assert (out - truth(plane, 5))[:, :, :14].abs().max() < 1e-4


def test_size_below_a_window_and_unknown_methods_are_refused():
    with pytest.raises(InvalidJob, match="8 latent cells of height, the job has 6"):
        plan("planar", placed(), height=6)
    with pytest.raises(InvalidJob, match="no method 'sideways'"):
        plan("sideways", placed())
    with pytest.raises(InvalidJob, match="4 latent frames, the job has 3"):
        run("planar", placed(), frames=3)


def test_model_that_returns_no_numbers_fails_with_the_level():
    adapter = FunctionAdapter(
        num_frames=5, spec=SMALL, function=lambda x, sigma, cond: x * float("nan")
    )
    with pytest.raises(GenerationFailed, match="not finite"):
        run("planar", adapter)
