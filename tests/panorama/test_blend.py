"""Owners are the deepest views, and blended pictures are the scene."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import moving_sphere

from panoloom.engine_server.panorama import erp
from panoloom.engine_server.panorama.blend import ViewBlend, finer_than_pixels
from panoloom.engine_server.panorama.ownership import deepest, own_cells
from panoloom.engine_server.panorama.tables import View
from panoloom.engine_server.panorama.views import plan_views

VIEWS = plan_views(latent_width=64, latent_height=32).fixed_table().views


def scene(directions):
    return np.moveaxis(moving_sphere(directions, np.zeros(1))[:, 0].numpy(), 0, -1)


def picture_of(view: View, side: int):
    seen = erp.view_directions(
        yaw_deg=view.yaw_deg,
        pitch_deg=view.pitch_deg,
        fov_deg=view.fov_deg,
        height=side,
        width=side,
    )
    return np.ascontiguousarray(scene(seen))


def test_owner_is_the_deepest_of_all_views_wherever_one_looks():
    cells = erp.cell_directions(24, 48).reshape(-1, 3)
    depths = []
    for view in VIEWS:
        across, down = erp.view_coordinates(
            cells, yaw_deg=view.yaw_deg, pitch_deg=view.pitch_deg, fov_deg=view.fov_deg
        )
        depths.append(1 - np.maximum(np.abs(across), np.abs(down)))
    found = deepest(VIEWS, 24, 48, ranks=2)
    in_order = np.sort(np.stack(depths), axis=0)[::-1]
    assert np.allclose(found.depth[0], in_order[0])
    seen_twice = in_order[1] > 0
    assert np.allclose(found.depth[1][seen_twice], in_order[1][seen_twice])
    assert (found.view[1] == -1).sum() == (~seen_twice).sum()


def test_owners_of_some_rows_are_those_of_the_whole():
    whole, part = deepest(VIEWS, 24, 48), deepest(VIEWS, 24, 48, rows=(5, 11))
    assert np.array_equal(whole.view[:, 5 * 48 : 11 * 48], part.view)


def test_own_cells_of_all_views_cover_the_sphere_about_once():
    own = own_cells(VIEWS)
    half = np.tan(np.radians(VIEWS[0].fov_deg) / 2)
    place = (np.arange(16) + 0.5) / 8 - 1
    x, y = np.meshgrid(place * half, place * half)
    area = (2 * half / 16) ** 2 / (1 + x**2 + y**2) ** 1.5
    covered = float((own.numpy() * area).sum()) / (4 * np.pi)
    assert covered == pytest.approx(1, abs=0.05)
    assert own.flatten(1).any(dim=1).all()


def test_blended_views_of_a_scene_are_the_scene_at_seam_poles_and_borders():
    blend = ViewBlend(VIEWS, view_px=(64, 64), height=128, width=256)
    made = blend([picture_of(view, 64) for view in VIEWS])
    truth = scene(erp.cell_directions(128, 256))
    assert made.shape == (128, 256, 3)
    assert made.dtype == np.float32
    assert np.abs(made - truth).max() < 0.01


def test_a_picture_of_one_colour_stays_that_colour():
    made = ViewBlend(VIEWS, view_px=(32, 32), height=64, width=128)(
        [np.full((32, 32, 3), 0.25, np.float32) for _ in VIEWS]
    )
    assert np.allclose(made, 0.25, atol=1e-6)


def test_step_between_two_views_is_spread_over_the_feather_and_no_farther():
    colours = [np.full((32, 32, 3), k % 2, np.float32) for k in range(len(VIEWS))]
    hard = ViewBlend(VIEWS, view_px=(32, 32), height=128, width=256, feather=0.0)(colours)
    soft = ViewBlend(VIEWS, view_px=(32, 32), height=128, width=256, feather=0.1)(colours)
    mixed = (soft > 0.02) & (soft < 0.98)
    assert 0.01 < mixed.mean() < 0.3
    assert np.abs(soft - hard)[~mixed].max() < 0.03


def test_same_views_give_the_same_bytes_one_by_one_and_in_any_order():
    order = torch.randperm(len(VIEWS), generator=torch.Generator().manual_seed(0)).tolist()
    pictures = [picture_of(view, 32) for view in VIEWS]
    straight = ViewBlend(VIEWS, view_px=(32, 32), height=64, width=128)
    shuffled = ViewBlend([VIEWS[k] for k in order], view_px=(32, 32), height=64, width=128)
    made = shuffled([pictures[k] for k in order])
    assert np.abs(straight(pictures) - made).max() < 0.02
    assert np.array_equal(straight(pictures), straight(pictures))


def test_wide_views_are_read_finer_than_pixels_and_narrow_ones_are_not():
    wide = View(yaw_deg=0, pitch_deg=0, fov_deg=90, height=16, width=16)
    narrow = View(yaw_deg=0, pitch_deg=0, fov_deg=53, height=16, width=16)
    assert finer_than_pixels(wide, view_px=(128, 128), width=512) == 2
    assert finer_than_pixels(narrow, view_px=(128, 128), width=1024) == 1
