"""View sets cover the sphere at every offset, and their tables are exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import moving_sphere

from panoloom.engine_server.models.catalog import MODELS
from panoloom.engine_server.panorama import erp
from panoloom.engine_server.panorama.layouts import Layout, Row, find_layout, needed_reach
from panoloom.engine_server.panorama.tables import NOISE_FINENESS, View, build_table
from panoloom.engine_server.panorama.views import coprime_stride, density_of, fov_for, plan_views
from panoloom.shared.errors import InvalidJob

SIZES = [64, 128]
ALL_OFFSETS = 6
"""Steps after which layout and pitch repeat; yaw offsets only turn the table."""


def plan(width: int, **options):
    return plan_views(latent_width=width, latent_height=width // 2, **options)


@pytest.mark.parametrize("width", SIZES)
def test_every_cell_lies_inside_its_owner_at_every_offset(width):
    views = plan(width)
    seen = {views.offset(step)[:2] for step in range(ALL_OFFSETS)}
    assert len(seen) == ALL_OFFSETS
    for step in range(ALL_OFFSETS):
        table = views.table(step)
        assert table.margin >= 1 / 16
        for weights in (table.weights, table.read_weights):
            assert torch.allclose(weights.sum(1), torch.ones(len(weights)), atol=1e-5)
        assert (table.taps // 256 == table.owner[:, None]).all()


RUNGS = sorted(
    {
        (rung.grid_width // card.ratio_s, rung.fov_deg, card.window)
        for card in MODELS.values()
        for rung in card.ladder
    }
)


@pytest.mark.parametrize(("width", "fov_deg", "window"), RUNGS)
def test_every_rung_of_every_ladder_is_covered_at_every_offset(width, fov_deg, window):
    views = plan(width, fov_deg=fov_deg, window_hw=(window, window))
    for step in range(ALL_OFFSETS):
        assert views.table(step).margin >= 1 / window  # a cell


@pytest.mark.parametrize("width", SIZES)
def test_yaw_offsets_visit_every_column_and_turn_the_table(width):
    views = plan(width)
    assert {views.offset(step)[2] for step in range(width)} == set(range(width))
    base, turned = views.table(0), views.table(0).turned(5)
    grid = (width // 2, width)
    assert torch.equal(turned.owner.view(grid), base.owner.view(grid).roll(5, 1))
    assert torch.equal(turned.taps.view(*grid, 16), base.taps.view(*grid, 16).roll(5, 1))
    for cells, fineness in (("reads", 1), ("noise_cells", NOISE_FINENESS)):
        field = torch.arange(width * width // 2 * fineness**2).view(-1, width * fineness)
        rolled = field.roll(5 * fineness, 1).flatten()
        seen = rolled[getattr(turned, cells)]
        assert torch.equal(seen, field.flatten()[getattr(base, cells)]), cells


@pytest.mark.parametrize("width", SIZES)
def test_turned_table_is_the_table_of_the_turned_views(width):
    base = plan(width).table(1)
    turned = base.turned(9)
    again = build_table(turned.views, height=width // 2, width=width)
    same = (again.owner == turned.owner).float().mean()
    assert same > 0.97, "only cells at equal depth in two views may change hands"
    assert torch.allclose(_noise_variance(again), _noise_variance(turned))
    assert again.margin == pytest.approx(turned.margin, abs=1e-9)


def test_first_stage_takes_between_six_and_fourteen_views():
    assert all(6 <= count <= 14 for count in plan(64).view_counts)
    assert all(6 <= count <= 14 for count in plan(64, fov_deg=110.0).view_counts)


def test_density_rule_gives_ninety_degrees_at_64_and_53_at_128_columns():
    assert fov_for(latent_width=64, window=16) == pytest.approx(90)
    assert fov_for(latent_width=128, window=16) == pytest.approx(53.13, abs=0.01)
    assert density_of(latent_width=64, window=16, fov_deg=90) == pytest.approx(4 / math.pi)
    assert plan(128).fov_deg == pytest.approx(53.13, abs=0.01)


@pytest.mark.parametrize("width", [48, 80, 96, 160])
def test_other_sizes_are_planned(width):
    assert plan(width).table(1).margin >= 1 / 16


@pytest.mark.parametrize(("width", "fov"), [(128, 90.0), (64, 53.0), (32, 110.0)])
def test_views_that_sample_askew_are_refused_with_the_right_angle(width, fov):
    with pytest.raises(InvalidJob, match="times as dense") as caught:
        plan(width, fov_deg=fov)
    assert caught.value.details["nearest"] == fov_for(latent_width=width, window=16)


def test_panorama_that_is_not_two_to_one_is_refused():
    with pytest.raises(InvalidJob, match="twice as wide"):
        plan_views(latent_width=64, latent_height=30)


def test_views_that_are_not_square_are_refused():
    with pytest.raises(InvalidJob, match="square"):
        plan(64, window_hw=(16, 24))


def test_six_ninety_degree_views_cover_with_no_margin_and_lose_cells_when_tipped():
    cube = Layout((Row(90.0, 1, 0.0), Row(0.0, 4, 0.0), Row(-90.0, 1, 0.0)))
    assert needed_reach(cube) == pytest.approx(1, abs=0.04)
    assert needed_reach(cube, 4.0) > 1.05
    assert find_layout(0.2, (0.0,), poles=True) is not None
    six = math.tan(math.radians(55))
    assert needed_reach(cube, 8.0) < six


def test_a_layout_tipped_past_the_pole_comes_down_beyond_it():
    assert Row(88.0, 1, 0.0).angles(1.0) == [(0.0, 89.0)]
    for row, tip in ((Row(88.0, 1, 0.0), 4.0), (Row(-88.0, 1, 0.0), -4.0)):
        ((yaw, pitch),) = row.angles(tip)
        assert abs(yaw) == 180
        assert pitch == row.pitch_deg


def _noise_variance(table):
    owners = torch.zeros(len(table.noise_cells), dtype=torch.int64)
    owners[table.noise_starts[1:]] = 1
    cells = len(table.noise_starts)
    return torch.zeros(cells).index_add(0, owners.cumsum(0), table.noise_weights**2)


@pytest.mark.parametrize("width", [64, 128, 256])
def test_noise_of_every_view_cell_has_unit_variance(width):
    table = plan(width).table(0)
    assert torch.allclose(_noise_variance(table), torch.ones(len(table.noise_starts)), atol=1e-5)


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("step", [0, 1])
def test_no_two_cells_of_a_view_share_noise_even_at_the_poles(width, step):
    table = plan(width).table(step)
    ends = [*table.noise_starts.tolist()[256::256], len(table.noise_cells)]
    begin = 0
    for view, end in zip(table.views, ends, strict=True):
        cells = table.noise_cells[begin:end]
        assert len(cells.unique()) == len(cells), view
        begin = end


def test_views_that_overlap_see_the_same_noise_up_to_its_grain():
    """Two views a third of a cell apart: smoothed over 4x4 cells their noise agrees to 9 tenths."""
    views = tuple(
        View(yaw_deg=yaw, pitch_deg=pitch, fov_deg=100, height=16, width=16)
        for yaw, pitch in [(0, 0), (2.5, 0), (90, 0), (180, 0), (-90, 0), (0, 90), (0, -90)]
    )
    table = build_table(views, height=32, width=64)
    field = torch.randn(64 * 128, 200, generator=torch.Generator().manual_seed(1))
    seen = torch.nn.functional.embedding_bag(
        table.noise_cells,
        field,
        table.noise_starts,
        per_sample_weights=table.noise_weights,
        mode="sum",
    ).view(-1, 4, 4, 4, 4, 200)
    coarse = seen.mean(dim=(2, 4)).flatten(1, 2)
    same = torch.nn.functional.cosine_similarity(coarse[0].flatten(), coarse[1].flatten(), dim=0)
    assert same > 0.85


def test_true_views_read_back_give_the_function():
    table = plan(64).table(3)
    phase = np.array([0.3])
    seen = torch.stack([moving_sphere(v.directions(), phase)[:, 0] for v in table.views])
    rows = seen.permute(0, 2, 3, 1).reshape(-1, 3)
    back = (rows[table.taps] * table.weights[..., None]).sum(1).T.view(3, 32, 64)
    error = (back - moving_sphere(erp.cell_directions(32, 64), phase)[:, 0]).abs()
    assert error.max() < 4e-3
    assert error[..., [0, -1]].max() < 4e-3, "seam"
    assert error[:, [0, -1]].max() < 4e-3, "poles"


def test_views_of_a_panorama_are_true_across_seam_and_poles():
    table = plan(64).table(3)
    phase = np.array([0.3])
    rows = moving_sphere(erp.cell_directions(32, 64), phase)[:, 0].flatten(1).T
    seen = (rows[table.reads] * table.read_weights[..., None]).sum(1).view(-1, 16, 16, 3)
    for view, pixels in zip(table.views, seen, strict=True):
        truth = moving_sphere(view.directions(), phase)[:, 0].permute(1, 2, 0)
        assert (pixels - truth).abs().max() < 4e-3, view


def test_feather_blends_two_views_near_a_border_only():
    sharp, soft = plan(64).table(0), plan(64, feather=0.1).table(0)
    assert soft.taps.shape == (2048, 32)
    assert torch.allclose(soft.weights.sum(1), torch.ones(2048), atol=1e-5)
    blended = soft.weights[:, 16:].sum(1)
    assert 0.02 < (blended > 0).float().mean() < 0.3
    assert blended.max() <= 0.5 + 1e-6
    untouched = soft.weights[:, 16:].abs().sum(1) == 0
    assert torch.equal(soft.taps[untouched, :16], sharp.taps[untouched])


def test_elevation_of_an_upward_view_is_highest_at_its_centre():
    view = View(yaw_deg=0, pitch_deg=90, fov_deg=90, height=16, width=16)
    down = View(yaw_deg=0, pitch_deg=-90, fov_deg=90, height=16, width=16)
    ring = [
        View(yaw_deg=y, pitch_deg=0, fov_deg=110, height=16, width=16) for y in (0, 90, 180, 270)
    ]
    views = tuple(View(**{**_plain(v), "fov_deg": 110.0}) for v in (view, *ring, down))
    table = build_table(views, height=32, width=64)
    assert table.elevation_rad[0].max() > 1.4
    assert table.elevation_rad[0, 7:9, 7:9].min() == table.elevation_rad[0].max()
    assert (table.elevation_rad[1].diff(dim=0) < 0).all()


def _plain(view: View) -> dict[str, float]:
    return {name: getattr(view, name) for name in View.__dataclass_fields__}


@pytest.mark.parametrize(("length", "spacing"), [(64, 16), (96, 12), (128, 12.8), (60, 20)])
def test_stride_is_coprime_with_the_ring(length, spacing):
    assert math.gcd(coprime_stride(length, spacing), length) == 1


def test_azimuth_of_every_view_cell_turns_with_the_views():
    table = plan(64).table(0)
    turned = table.turned(16)
    middle = table.azimuth_rad[:, 7:9, 7:9]
    for k, view in enumerate(table.views):
        if abs(view.pitch_deg) < 60:
            away = torch.remainder(middle[k] - math.radians(view.yaw_deg) + math.pi, 2 * math.pi)
            assert (away - math.pi).abs().max() < 0.2
    gap = turned.azimuth_rad - table.azimuth_rad - math.pi / 2
    assert (torch.remainder(gap + math.pi, 2 * math.pi) - math.pi).abs().max() < 1e-5
