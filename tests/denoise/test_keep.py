"""What is given of a picture: kept as it is, or come alive and still itself."""

from __future__ import annotations

import pytest
import torch

from panoloom.engine_server.denoise.finish import _read_keep, packed
from panoloom.engine_server.denoise.fuse import read_picture
from panoloom.engine_server.denoise.keep import HOLD_LAST, Keep
from panoloom.engine_server.panorama.views import plan_views

STILL = torch.randn(2, 1, 16, 32, generator=torch.Generator().manual_seed(1))
MOVING = torch.randn(2, 6, 16, 32, generator=torch.Generator().manual_seed(2))
NOTHING, ALL = torch.zeros(16, 32), torch.ones(16, 32)


def test_a_still_that_comes_alive_is_the_mean_of_its_loop_and_its_motion_is_the_models():
    alive = Keep(latents=STILL, mask=NOTHING, hold=ALL).apply(MOVING, sigma=1.0)
    assert alive.mean(1, keepdim=True) == pytest.approx(STILL, abs=1e-5)
    assert alive.diff(dim=1) == pytest.approx(MOVING.diff(dim=1), abs=1e-5)


def test_it_is_held_a_little_less_when_the_noise_is_low_and_not_again_when_all_is_done():
    keep = Keep(latents=STILL, mask=NOTHING, hold=ALL)
    assert torch.equal(keep.apply(MOVING), MOVING)

    def away(picture: torch.Tensor) -> float:
        return float((picture.mean(1) - STILL[:, 0]).abs().mean())

    shares = [away(keep.apply(MOVING, sigma=s)) / away(MOVING) for s in (1.0, 0.3, 0.2, 0.1, 0.0)]
    assert shares[:2] == pytest.approx([0, 0], abs=1e-5)
    assert shares[1:] == sorted(shares[1:])
    assert shares[-1] == pytest.approx(1 - HOLD_LAST, abs=1e-4)


def test_what_the_mask_holds_stands_still_in_it():
    half = NOTHING.clone()
    half[:, :16] = 1
    alive = Keep(latents=STILL, mask=half, hold=ALL).apply(MOVING, sigma=0.3)
    assert alive[..., :16] == pytest.approx(STILL[..., :16].expand(-1, 6, -1, -1), abs=1e-6)
    assert alive[..., 16:].diff(dim=1) == pytest.approx(MOVING[..., 16:].diff(dim=1), abs=1e-5)


def test_where_there_is_no_picture_all_is_free():
    half = NOTHING.clone()
    half[:, :16] = 1
    alive = Keep(latents=STILL, mask=NOTHING, hold=half).apply(MOVING, sigma=1.0)
    assert torch.equal(alive[..., 16:], MOVING[..., 16:])


def test_views_that_stand_still_hold_the_mean_that_they_see():
    table = plan_views(latent_width=64, latent_height=32, fov_deg=90.0).table(0)
    still, moving = (torch.randn(2, frames, 32, 64) for frames in (1, 6))
    keep = Keep(latents=still, mask=torch.zeros(32, 64), hold=torch.ones(32, 64))
    seen = _read_keep(keep, table)
    assert seen is not None
    alive = seen.apply(packed(read_picture(moving, table)), sigma=1.0)
    of_all = packed(read_picture(keep.apply(moving, sigma=1.0), table))
    assert alive == pytest.approx(of_all, abs=1e-4)


def test_views_that_stand_still_take_the_picture_as_they_see_it_where_it_is_at_hand():
    table = plan_views(latent_width=64, latent_height=32, fov_deg=90.0).table(0)
    own = torch.randn(len(table.views), 2, 1, 16, 16)
    keep = Keep(
        latents=torch.zeros(2, 1, 32, 64), mask=torch.ones(32, 64), in_views=lambda views: own
    )
    seen = _read_keep(keep, table)
    assert seen is not None
    assert torch.equal(seen.latents, packed(own))
