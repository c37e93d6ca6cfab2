"""The renderer: one function of direction, whatever picture is drawn from it."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch

from panoloom.engine_server.models.preview import families, worlds

TIMES = worlds.frame_times(2, 0.3)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_family_draws_finite_colours_that_move(family):
    world = families.draw(Random(7), family)
    clip = worlds.render_view(
        world, yaw_deg=20.0, pitch_deg=10.0, fov_deg=90.0, times_s=worlds.frame_times(8), size=32
    )
    assert clip.shape == (8, 3, 32, 32)
    assert clip.isfinite().all()
    assert clip.min() >= 0.0
    assert clip.max() <= 1.0
    assert clip.std() > 0.02
    assert (clip[7] - clip[0]).abs().max() > 0.01


@pytest.mark.parametrize("family", families.FAMILIES)
def test_view_and_panorama_agree_where_their_directions_meet(family):
    world = families.draw(Random(3), family)
    height = 32
    erp = worlds.render_erp(world, height=height, times_s=TIMES)
    directions = worlds.erp_directions(height)
    some = torch.arange(0, len(directions), 37)
    again = worlds.colour(world, directions[some], TIMES, math.pi / height)
    whole = erp.flatten(2)[:, :, some].transpose(1, 2)
    torch.testing.assert_close(again, whole, atol=1e-3, rtol=0.0)


def test_view_centre_points_where_it_is_told():
    for yaw, pitch, wanted in (
        (0.0, 0.0, (1.0, 0.0, 0.0)),
        (90.0, 0.0, (0.0, 1.0, 0.0)),
        (0.0, 90.0, (0.0, 0.0, 1.0)),
    ):
        ray = worlds.view_directions(yaw, pitch, 90.0, 1)
        torch.testing.assert_close(ray[0], torch.tensor(wanted), atol=1e-6, rtol=0.0)


def test_view_has_up_above_and_right_to_the_right():
    rays = worlds.view_directions(0.0, 0.0, 90.0, 8).reshape(8, 8, 3)
    assert (rays[0, :, 2] > 0).all()
    assert (rays[:, -1, 1] > 0).all()


def test_panorama_has_the_zenith_on_top_and_yaw_zero_at_the_centre():
    rays = worlds.erp_directions(16).reshape(16, 32, 3)
    assert (rays[0, :, 2] > 0.99).all()
    assert (rays[8, 15:17, 0] > 0.98).all()
    assert rays[8, 16, 1] > 0.0


def test_same_seed_draws_the_same_world():
    assert families.draw(Random(5)) == families.draw(Random(5))
