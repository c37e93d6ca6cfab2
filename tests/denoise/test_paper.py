"""The method `paper` against models whose answer is known, and its equations one by one."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import (
    CHANNELS,
    FunctionAdapter,
    PlaceAdapter,
    Torus,
    TorusAdapter,
    moving_erp,
    posterior,
    white_gaussian,
)

from panoloom.engine_server.denoise.loop import Cancelled, Keep
from panoloom.engine_server.denoise.methods import METHODS, plan_method
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.paper import PaperMethod, PaperPlan
from panoloom.engine_server.denoise.schedule import flow_sigmas, renoise
from panoloom.engine_server.denoise.stages import denoise_stages, first_state
from panoloom.engine_server.denoise.windows import WindowModel
from panoloom.engine_server.models.adapter import Cond, LatentSpec
from panoloom.engine_server.panorama import erp
from panoloom.engine_server.panorama.patches import LEAST_FOV_DEG, VIEWS, view_patches
from panoloom.engine_server.panorama.plane import PlanePlan
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import Stage

ROOT = Path(__file__).resolve().parents[2]
VIEW = {"fov_deg": 90.0, "window": 8, "height": 16, "width": 32}
SMALL = LatentSpec(channels=CHANNELS, ratio_s=8, ratio_t=1, window_hw=(8, 8), window_frames=4)
STEPS = 6


def plan(adapter, *, height=16, width=32, fov_deg=90.0, ring=True):
    return plan_method(
        "paper" if width == 2 * height else "paper-planar",
        latent_width=width,
        latent_height=height,
        spec=adapter.spec,
        fov_deg=fov_deg,
        ring=ring,
    )


def run(adapter, *, height=16, width=32, frames=5, steps=STEPS, fov_deg=90.0, **options):
    return METHODS["paper"](
        options.pop("x_init", None),
        adapter=adapter,
        cond=Cond(),
        uncond=options.pop("uncond", None),
        guidance_scale=options.pop("guidance_scale", 1.0),
        sigmas=flow_sigmas(steps),
        shape=(adapter.spec.channels, frames, height, width),
        seed=options.pop("seed", 1),
        plan=plan(adapter, height=height, width=width, fov_deg=fov_deg),
        **options,
    )


def placed(frames=5):
    return PlaceAdapter(num_frames=frames, spec=SMALL)


def pointwise(function=white_gaussian):
    return FunctionAdapter(num_frames=5, spec=SMALL, function=function)


def stepper(adapter, *, steps=STEPS, seed=1, **options):
    model = WindowModel(adapter=adapter, cond=Cond(), uncond=None, guidance_scale=1.0)
    usual = {"sigmas": flow_sigmas(steps), "stage": 0, "loop": True, "plan": plan(adapter)}
    return PaperMethod(model=model, seed=seed, **{**usual, **options})


def test_views_are_the_forty_four_of_the_published_settings():
    assert VIEWS.count == 44
    assert [(row.pitch_deg, row.count) for row in VIEWS.rows] == [
        (90, 1),
        (-90, 1),
        (75, 6),
        (-75, 6),
        (60, 6),
        (-60, 6),
        (45, 6),
        (-45, 6),
        (0, 6),
    ]


@pytest.mark.parametrize("step", range(30))
def test_every_cell_is_written_by_some_view_at_every_offset(step):
    written = torch.zeros(32 * 64)
    for patch in view_patches(step, fov_deg=LEAST_FOV_DEG, window=16, height=32, width=64):
        written[patch.cells] += 1
    assert written.min() >= 1, "the published mapping leaves 13 % of the cells and column W - 1"


def test_view_reads_a_cell_whose_middle_is_nearest_and_writes_it_back_to_itself():
    numbers = torch.arange(48.0 * 96)
    patch = list(view_patches(0, fov_deg=60.0, window=16, height=48, width=96))[-3]
    seen = numbers[patch.reads]
    back = seen.flatten()[patch.taps]
    rows, columns = np.divmod(patch.cells.numpy(), 96)
    found = np.divmod(back.numpy().astype(int), 96)
    assert np.abs(rows - found[0]).max() <= 1
    assert np.abs((columns - found[1] + 48) % 96 - 48).max() <= 1


def test_every_equation_and_every_figure_of_the_method_is_named_in_code_and_document():
    code = "".join(path.read_text() for path in sorted((ROOT / "engine_server").rglob("*.py")))
    page = (ROOT / "docs" / "method.md").read_text()
    for number in range(1, 6):
        assert f"DynamicScaler eq. {number}" in code
        assert f"eq. {number}" in page
    for number in range(1, 8):
        assert f"DynamicScaler fig. {number}" in code
        assert f"fig. {number}" in page


def test_every_name_in_the_map_from_paper_to_code_is_there():
    page = (ROOT / "docs" / "method.md").read_text()
    rows = page.partition("## From the paper to the code")[2].partition("## ")[0].splitlines()[4:]
    words = {word for row in rows for word in re.findall(r"`([^`]+)`", row)} - set(METHODS)
    paths = {word for word in words if "/" in word}
    assert {path for path in paths if not (ROOT / "engine_server" / path).is_file()} == set()
    code = "".join(path.read_text() for path in sorted((ROOT / "engine_server").rglob("*.py")))
    defined = set(re.findall(r"^ *(?:def |class )?(\w+)(?=[(:]|: | = )", code, re.MULTILINE))
    modules = {path.stem for path in (ROOT / "engine_server").rglob("*.py")}
    names = {part for word in words - paths if " " not in word for part in word.split(".")}
    assert len(names) > 20
    assert names - defined - modules == set()


def test_eq_1_split_and_merge_are_inverse_and_cover_everything():
    shifting = plan(placed())
    for step in range(STEPS):
        numbers, back = torch.arange(16 * 32), torch.full((16 * 32,), -1)
        for patch in shifting.patches(step, STEPS, is_early=False):
            back[patch.cells] = numbers[patch.reads].flatten()[patch.taps]
        assert torch.equal(back, numbers)


def test_eq_2_enlarged_picture_enters_a_stage_with_the_share_its_level_leaves():
    picture = torch.full((CHANNELS, 1, 8, 16), 2.0)
    stage = Stage(width=256, height=128, steps=2, sigma_start=0.7)
    state = first_state(stage, SMALL, num_frames=5, init=picture, method="paper")
    assert torch.allclose(state.x[:CHANNELS], torch.tensor(0.3 * 2.0), atol=1e-5)


@pytest.mark.parametrize("method", ["fused", "paper", "planar"])
def test_eq_2_each_of_three_stages_starts_from_the_picture_of_the_one_below(method):
    """The model paints stage k in colour k; stage k + 1 is to see that under its first noise."""
    starts, fovs = (1.0, 0.7, 0.5), (90.0, 90.0, 53.0)
    seen = {}

    def function(x, sigma, cond):
        seen.setdefault(sigma, float(x.mean()))
        return torch.full_like(x, 1.0 + starts.index(sigma))

    stages = [
        Stage(width=width, height=width // 2, steps=1, sigma_start=start, fov_deg=fov)
        for width, start, fov in zip((256, 384, 512), starts, fovs, strict=True)
    ]
    usual = {"cond": Cond(), "uncond": None, "guidance_scale": 1.0, "num_frames": 5, "seed": 1}
    adapter = pointwise(function)
    out = denoise_stages(stages, adapter=adapter, method=method, **usual).latents
    assert out.shape == (CHANNELS, 5, 32, 64)
    assert torch.allclose(out, torch.tensor(3.0), atol=1e-5)
    expected = [(1 - start) * k for k, start in enumerate(starts)]
    assert [seen[start] for start in starts] == pytest.approx(expected, abs=0.15)


def test_eq_3_as_printed_is_not_the_inverse_of_its_own_definition():
    """d = (sin t cos p, sin t sin p, cos t): the coordinates are (t / pi, p / 2 pi)."""
    polar, longitude = np.meshgrid(np.linspace(0.1, 3.0, 9), np.linspace(-3.0, 3.0, 9))
    x, y, z = np.sin(polar) * np.cos(longitude), np.sin(polar) * np.sin(longitude), np.cos(polar)
    yaw, pitch = erp.directions_to_angles(np.stack([x, y, z], axis=-1))
    assert np.allclose(np.pi / 2 - pitch, polar)
    assert np.allclose(yaw, longitude)
    assert not np.allclose(np.arccos(y), polar, atol=0.5)
    assert not np.allclose(np.arcsin(z), longitude, atol=0.5)


def test_eq_4_view_angles_have_an_offset_at_every_step():
    seen = {float(next(iter(view_patches(step, **VIEW))).azimuth_rad[0, 0]) for step in range(10)}
    assert len(seen) == 10


def test_eq_5_brings_what_is_denoised_back_to_the_level_of_the_step():
    """Both cases of the equation: M_d = 0 stays what it is, M_d = 1 has the step's level again."""
    levels = defaultdict(list)

    def function(x, sigma, cond):
        levels[sigma].append(float((x**2).mean()))
        return 0 * x

    run(pointwise(function), frames=4, steps=5)
    for sigma, squares in levels.items():
        assert np.sqrt(np.mean(squares)) == pytest.approx(sigma, rel=0.03)
        assert min(squares) > 0.6 * sigma**2
    assert len(levels) == 5


def test_eq_5_is_one_step_of_the_forward_process():
    clean, noise, more = (normal_noise((4, 8, 32, 64), seed=k) for k in range(3))
    at = 0.4 * noise + 0.6 * clean
    back = renoise(at, more, sigma_from=0.4, sigma_to=0.7)
    assert torch.allclose((back * clean).mean() / (clean**2).mean(), torch.tensor(0.3), atol=0.01)
    assert float((back - 0.3 * clean).std()) == pytest.approx(0.7, rel=0.01)


def test_model_that_knows_the_scene_comes_out_as_the_scene():
    out = run(placed(5))
    assert (out - moving_erp(16, 5)).abs().max() < 1e-5, "its last steps read cells as they are"


def test_projecting_step_puts_the_scene_where_it_is():
    adapter = PlaceAdapter(num_frames=4, spec=replace(SMALL, window_hw=(16, 16)))
    method = stepper(adapter, plan=plan(adapter, height=48, width=96), loop=False)
    assert method.is_early(0)
    _, denoised = method.step(normal_noise((CHANNELS, 4, 48, 96), seed=1), 0)
    error = (denoised - moving_erp(48, 4)).abs()
    assert error.max() < 0.16, "nearest cells: half a cell of a view, 4 degrees, is 0.07 a function"
    assert error[..., [0, -1]].max() < 0.16
    assert error[:, :, [0, -1]].max() < 0.16


def test_early_steps_project_and_the_others_shift_on_the_ring():
    shapes = []

    class Watching(PlaceAdapter):
        def denoised(self, x, sigma, cond, views):
            elevation = views.elevation_rad[0]
            shapes.append((sigma, bool((elevation[0] == elevation[0, 0]).all())))
            return super().denoised(x, sigma, cond, views)

    run(Watching(num_frames=5, spec=SMALL), steps=16)
    sigmas = flow_sigmas(16)
    early = [is_flat for sigma, is_flat in shapes if sigma >= sigmas[4]]
    assert not all(early)
    assert all(is_flat for sigma, is_flat in shapes if sigma < sigmas[4])
    assert round(15 / 48 * 16) == 5


def test_regular_panorama_overlaps_in_the_early_steps_only():
    adapter = placed()
    method = stepper(adapter, plan=plan(adapter, height=16, width=40), steps=6)
    counts = [len(list(method.plan.patches(k, 6, is_early=method.is_early(k)))) for k in range(6)]
    assert counts[0] >= 2 * min(counts[2:])
    assert counts[0] > max(counts[2:])
    out = run(adapter, height=16, width=40)
    assert out.shape == (CHANNELS, 5, 16, 40)


def test_top_and_bottom_have_padding_windows_and_the_join_is_crossed():
    patches = list(plan(placed()).patches(1, STEPS, is_early=False))
    rows = {int(patch.reads[0, 0]) // 32 for patch in patches}
    assert {0, 8} < rows, "docked windows, and one between them"
    assert any({0, 31} <= set((patch.reads[0] % 32).tolist()) for patch in patches)


def test_windows_in_time_move_on_by_one_frame_and_overlap_more_at_first():
    method = stepper(placed())
    starts = [[span.cells[0] for span in method.time_windows(8, step)] for step in range(STEPS)]
    assert starts[0] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert starts[3] == [3, 5, 7, 1]
    assert starts[4] == [4, 6, 0, 2]


@pytest.mark.parametrize("done", [0, 1, 3, STEPS])
def test_run_resumed_after_any_step_gives_the_same_bytes(done):
    states = [torch.zeros(2 * CHANNELS, 5, 16, 32)]
    whole = run(pointwise(), on_step=lambda step, n, denoised, x: states.append(x))
    assert torch.equal(run(pointwise(), x_init=states[done], start_step=done), whole)


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "moving"])
def test_kept_part_of_a_picture_survives(frames):
    mask = torch.zeros(16, 32)
    mask[8:] = 1
    given = normal_noise((CHANNELS, frames, 16, 32), seed=8)
    out = run(placed(), reference=Keep(latents=given, mask=mask))
    assert torch.allclose(out[:, :, 8:], given[:, :, 8:].expand(-1, 5, -1, -1), atol=1e-5)
    assert (out - moving_erp(16, 5))[:, :, :8].abs().max() < 1e-5


@pytest.mark.parametrize("limit", [0, 3])
def test_cancel_is_honoured_before_the_next_model_call(limit):
    adapter = placed()
    options = {"guidance_scale": 2.0, "uncond": Cond()}
    with pytest.raises(Cancelled):
        run(adapter, cancelled=lambda: adapter.calls >= limit, **options)
    assert adapter.calls == limit


def test_views_too_narrow_for_the_sphere_are_refused_with_the_least():
    with pytest.raises(InvalidJob, match="at least") as caught:
        run(placed(), fov_deg=50.0)
    assert caught.value.details["nearest"] == LEAST_FOV_DEG


def expected_covariance(method, torus):
    """The covariance of the finished picture, window by window with eq. 5, from exact matrices."""
    true = torus.covariance()
    size = len(true)
    covariance = np.eye(size) * method.sigmas[0] ** 2
    for step in range(len(method.sigmas) - 1):
        s, t = method.sigmas[step], method.sigmas[step + 1]
        done = np.zeros(size, dtype=bool)
        for patch in method.plan.patches(step, len(method.sigmas) - 1, is_early=False):
            cells = patch.reads.flatten().numpy()
            share = np.ones(size)
            share[cells] = np.where(done[cells], (1 - s) / (1 - t), 1.0)
            fresh = np.zeros(size)
            fresh[cells] = np.where(done[cells], s**2 - (share[cells] * t) ** 2, 0.0)
            covariance = share[:, None] * covariance * share + np.diag(fresh)
            wiener = posterior(true[np.ix_(cells, cells)], s)
            step_matrix = np.eye(size)
            step_matrix[np.ix_(cells, cells)] = wiener + (t / s) * (np.eye(len(cells)) - wiener)
            covariance = step_matrix @ covariance @ step_matrix.T
            done[cells] = True
    return covariance


def test_covariance_of_a_gaussian_field_is_what_the_matrices_say():
    """Drawn 2048 times: the spread of a sample covariance is 1 / 45 of the variance."""
    torus, sigmas = Torus(1, 12, 16), [0.999, *flow_sigmas(4)[1:]]
    spec = LatentSpec(channels=1024, ratio_s=8, ratio_t=1, window_hw=(8, 8), window_frames=1)
    adapter = TorusAdapter(num_frames=1, torus=torus, spec=spec)
    plane = PlanePlan(latent_width=16, latent_height=12, window_hw=(8, 8), ring_rows=True)
    samples = []
    for seed in range(2):
        usual = {"plan": PaperPlan(plane=plane, fov_deg=90.0), "sigmas": sigmas}
        method = stepper(adapter, seed=seed, **usual)
        z = sigmas[0] * normal_noise((1024, 1, 12, 16), seed=seed)
        for step in range(4):
            z, _ = method.step(z, step)
        samples.append(z.flatten(1).numpy())
    drawn = np.concatenate(samples)
    found, expected = drawn.T @ drawn / len(drawn), expected_covariance(method, torus)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((found - expected) / scale).max() < 6 / np.sqrt(len(drawn))
    assert np.diag(found).mean() == pytest.approx(np.diag(expected).mean(), rel=0.02)
