"""Windows on rings, between ends and on rectangles."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from panoloom.engine_server.panorama.plane import (
    Axis,
    PlanePlan,
    Span,
    read_window,
    resize_axis,
    spans,
    write_owned,
)
from panoloom.shared.errors import InvalidJob

axes = st.builds(
    lambda window, more, ring: Axis(length=window + more, window=window, ring=ring),
    st.integers(2, 16),
    st.integers(0, 80),
    st.booleans(),
)


@given(axes, st.integers(0, 200), st.integers(0, 3), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_every_cell_has_one_owner_at_every_offset(axis, offset, margin, overlap):
    margin = min(margin, (axis.window - 1) // 2)
    found = spans(axis, offset=offset, margin=margin, overlap=overlap)
    assert Counter(c for span in found for c in span.owned) == dict.fromkeys(range(axis.length), 1)
    assert all(len(span.cells) == axis.window for span in found)


@given(axes, st.integers(0, 200), st.integers(0, 3))
def test_an_inner_border_is_the_asked_margin_away(axis, offset, margin):
    margin = min(margin, (axis.window - 1) // 2)
    found = spans(axis, offset=offset, margin=margin)
    if axis.ring and len(found) == 1:
        return
    for k, span in enumerate(found):
        if axis.ring or k > 0:
            assert span.own_start >= margin
        if axis.ring or k + 1 < len(found):
            assert span.own_stop <= axis.window - margin


def test_windows_tile_a_ring_they_divide_and_cross_its_join_when_moved():
    found = spans(Axis(length=12, window=4, ring=True), offset=2)
    assert [span.cells for span in found] == [(2, 3, 4, 5), (6, 7, 8, 9), (10, 11, 0, 1)]
    assert all((span.own_start, span.own_stop) == (0, 4) for span in found)


def test_end_windows_dock_and_the_others_move():
    found = spans(Axis(length=12, window=4, ring=False), offset=3)
    assert [span.cells[0] for span in found] == [0, 3, 7, 8]
    assert [span.owned for span in found] == [(0, 1, 2), (3, 4, 5, 6), (7, 8), (9, 10, 11)]


def test_half_overlap_takes_twice_the_windows():
    axis = Axis(length=64, window=16, ring=True)
    assert len(spans(axis)) == 4
    assert len(spans(axis, overlap=0.5)) == 8


@pytest.mark.parametrize(("name", "words"), [("width", "cells of width"), ("num_frames", "frames")])
def test_axis_shorter_than_a_window_is_refused_with_the_least(name, words):
    with pytest.raises(InvalidJob, match=f"16 latent {words}, the job has 8") as caught:
        Axis(length=8, window=16, ring=True, name=name)
    assert caught.value.details["nearest"] == 16


def plan(**changes) -> PlanePlan:
    usual = {"latent_width": 24, "latent_height": 20, "window_hw": (8, 8)}
    return PlanePlan(**{**usual, **changes})


@pytest.mark.parametrize("ring", [True, False])
@pytest.mark.parametrize("step", range(9))
def test_owned_parts_of_a_step_put_together_are_the_picture(ring, step):
    picture = torch.rand(2, 3, 20, 24)
    out = torch.full_like(picture, torch.nan)
    frames = Span(cells=(0, 1, 2), own_start=0, own_stop=3)
    for window in plan(ring=ring).windows(step):
        write_owned(out, read_window(picture, frames.cells, window), frames, window)
    assert torch.equal(out, picture)


def test_borders_move_and_visit_every_column_of_a_ring():
    steps = plan(latent_width=32).latent_width
    starts = {plan(latent_width=32).windows(step)[0].columns.cells[0] for step in range(steps)}
    assert len(starts) == 32


def test_windows_that_stay_stay():
    still = plan(moves=False)
    assert still.windows(0) == still.windows(5)


def test_erp_cells_know_their_angles():
    erp = plan(latent_width=40, is_erp=True)
    elevation, azimuth = erp.elevation_rad(), erp.azimuth_rad()
    assert elevation[0] == pytest.approx(math.pi / 2 - math.pi / 40)
    assert torch.allclose(elevation, -elevation.flip(0))
    assert azimuth[19] == pytest.approx(-math.pi / 40)
    assert azimuth[20] == pytest.approx(math.pi / 40)


def test_flat_panorama_is_a_cylinder_as_high_as_its_field_of_view():
    flat = plan(latent_height=200, view_height_deg=90.0)
    top = math.atan(1 - 1 / 200)
    assert flat.elevation_rad()[0] == pytest.approx(top, abs=1e-6)
    whole = plan(latent_height=8, latent_width=80)
    assert whole.window_fov_deg == pytest.approx(90.0), "one window is as high as the panorama"


def test_resizing_a_ring_wraps_and_a_strip_does_not():
    wave = torch.cos(torch.arange(32) * 2 * math.pi / 32)
    finer = torch.cos((torch.arange(64) - 0.5) * 2 * math.pi / 64)
    assert (resize_axis(wave, 64, ring=True) - finer).abs().max() < 2e-3
    ramp = torch.arange(8.0)
    assert resize_axis(ramp, 16, ring=False)[0] == pytest.approx(0.0, abs=0.2)
    assert resize_axis(ramp, 16, ring=True)[0] > 0.5
    assert plan(latent_width=48, latent_height=40).resized(torch.ones(2, 20, 24)).shape == (
        2,
        40,
        48,
    )
