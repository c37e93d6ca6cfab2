"""Views that stand still paint their own part and agree with their neighbours."""

from __future__ import annotations

import pytest
import torch
from oracles import CHANNELS, FunctionAdapter, OracleAdapter, moving_erp, white_gaussian

from panoloom.engine_server.denoise.finish import (
    FINISH_SIGMA,
    Finished,
    finish_step,
    packed,
    unpacked,
)
from panoloom.engine_server.denoise.fuse import fuse_pictures, read_picture
from panoloom.engine_server.denoise.loop import Keep, denoise_panorama, packed_start
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Cond, ViewGeometry
from panoloom.engine_server.panorama.views import plan_views

SHAPE = (CHANNELS, 8, 32, 64)
PLAN = plan_views(latent_width=64, latent_height=32)


def finish(adapter, *, steps=3, **options) -> Finished:
    return denoise_panorama(
        options.pop("x_init", None),
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(steps, shift=2.0),
        shape=SHAPE,
        seed=1,
        **options,
    )


def test_first_quarter_of_the_steps_moves_and_the_last_step_never_does():
    assert finish_step(flow_sigmas(16, shift=2.0), FINISH_SIGMA) == 4
    assert finish_step(flow_sigmas(8, sigma_start=0.6), FINISH_SIGMA) == 0
    assert finish_step([1.0, 0.9, 0.0], 0.5) == 1
    assert finish_step([1.0, 0.0], 0.5) == 0
    assert finish_step([1.0, 0.5, 0.0], 0.0) == 2, "never"


def test_every_view_of_a_scene_that_is_known_is_the_scene_itself():
    """No resampling: exact to float32, where the panorama fused from them is interpolated."""
    out = finish(OracleAdapter(num_frames=8))
    assert out.views is not None
    known = OracleAdapter(num_frames=8)
    table = PLAN.fixed_table()
    for index, view in enumerate(out.views.views):
        geometry = views_of(view, table.elevation_rad[index])
        truth = known.denoised(out.views.latents[index][None], 0.0, Cond(), geometry)[0]
        own = table.own[index]
        assert (out.views.latents[index] - truth)[..., own].abs().max() < 1e-5
        assert (out.views.latents[index] - truth).abs().max() < 2e-2, "read from the neighbours"


def views_of(view, elevation):
    return ViewGeometry(
        elevation_rad=elevation[None],
        fov_deg=view.fov_deg,
        yaw_deg=(view.yaw_deg,),
        pitch_deg=(view.pitch_deg,),
        frames=(tuple(range(8)),),
    )


def test_a_view_reads_around_its_own_cells_what_its_neighbours_paint():
    """A model that paints each view in a colour of its own: nobody's colour spreads."""

    def colour(yaw_deg, pitch_deg):
        return float(round(yaw_deg) % 7 + round(pitch_deg) % 5)

    class Painter(FunctionAdapter):
        def denoised(self, x, sigma, cond, views):
            colours = [colour(*pair) for pair in zip(views.yaw_deg, views.pitch_deg, strict=True)]
            return torch.zeros_like(x) + torch.tensor(colours)[:, None, None, None, None]

    out = finish(Painter(num_frames=8), steps=1)
    assert out.views is not None
    table = PLAN.fixed_table()
    painted = torch.ones_like(out.views.latents)
    for index, view in enumerate(table.views):
        painted[index] *= colour(view.yaw_deg, view.pitch_deg)
    around = read_picture(fuse_pictures(painted, table), table)
    own = table.own[:, None, None]
    assert torch.allclose(out.views.latents, torch.where(own, painted, around), atol=1e-5)
    assert 0.3 < table.own.float().mean() < 0.9


def test_views_that_move_to_the_end_leave_no_views():
    out = finish(OracleAdapter(num_frames=8), finish_sigma=0.0)
    assert out.views is None
    error = (out.latents - moving_erp(32, 8)).abs()
    assert error.mean() < 2e-3, "the panorama itself is the scene"


def test_what_a_method_leaves_is_read_with_or_without_views():
    whole = finish(OracleAdapter(num_frames=8), steps=1)
    assert Finished.of(whole).views is whole.views is not None
    bare = Finished.of(whole.latents.clone())
    assert bare.views is None
    assert torch.equal(bare.latents, whole.latents)


@pytest.mark.parametrize("done", range(4))
def test_run_resumed_in_either_part_gives_the_same_bytes_of_all_views(done):
    adapter = FunctionAdapter(num_frames=8, function=white_gaussian)
    states = [packed_start(None, SHAPE, 1.0)]
    whole = finish(adapter, on_step=lambda step, n, denoised, x: states.append(x))
    resumed = finish(adapter, x_init=states[done], start_step=done)
    assert whole.views is not None
    assert resumed.views is not None
    assert torch.equal(resumed.views.latents, whole.views.latents)
    assert torch.equal(resumed.latents, whole.latents)


def test_kept_part_stays_exactly_in_the_panorama_and_nearly_in_the_views():
    given = moving_erp(32, 8)[:, :1]
    mask = torch.zeros(32, 64)
    mask[16:] = 1
    adapter = FunctionAdapter(num_frames=8, function=lambda x, sigma, cond: 0 * x)
    out = finish(adapter, reference=Keep(latents=given, mask=mask))
    assert out.views is not None
    assert torch.equal(out.latents[:, :, 16:], given.expand(SHAPE)[:, :, 16:])
    down = [k for k, view in enumerate(out.views.views) if view.pitch_deg < -80]
    seen = read_picture(given, PLAN.fixed_table())[down]
    assert (out.views.latents[down] - seen).abs().max() < 1e-4


def test_packing_the_views_loses_nothing():
    table = PLAN.fixed_table()
    views = torch.randn(len(table.views), 2, 3, 16, 16)
    assert packed(views).shape[:2] == (2, 3)
    assert torch.equal(unpacked(packed(views), table), views)
