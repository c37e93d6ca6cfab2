"""A window that goes all round: rolling what goes in rolls what comes out."""

from __future__ import annotations

import golden
import pytest
import tiny
import torch

from panoloom.engine_server.denoise.rings import rings_of_windows
from panoloom.engine_server.denoise.time_ring import plan_time_windows
from panoloom.engine_server.models.adapter import LatentSpec, ViewGeometry
from panoloom.engine_server.models.video.ring_rope import ring_frequencies
from panoloom.engine_server.models.video.wan import WanAdapter

WINDOW = {"window_hw": (4, 8), "window_frames": 5}


@pytest.fixture(scope="module")
def adapter() -> WanAdapter:
    return WanAdapter(tiny.wan_parts(), **WINDOW)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(1, 16, 5, 4, 8, generator=torch.Generator().manual_seed(2))


def denoised(adapter: WanAdapter, x: torch.Tensor, *rings: str) -> torch.Tensor:
    views = ViewGeometry(elevation_rad=torch.zeros(1, 4, 8), fov_deg=90.0, rings=rings)
    return adapter.denoised(x, 0.6, adapter.encode_prompt(["a calm sea"]), views)


@pytest.mark.parametrize(("axis", "dim", "shift"), [("time", 2, 2), ("width", 4, 2)])
def test_rolling_a_ring_rolls_the_picture_and_without_it_does_not(
    adapter, x, axis, dim, shift
) -> None:
    made = denoised(adapter, x, axis).roll(shift, dims=dim)
    assert golden.difference(denoised(adapter, x.roll(shift, dims=dim), axis), made) < 1e-5
    stock = denoised(adapter, x).roll(shift, dims=dim)
    assert golden.difference(denoised(adapter, x.roll(shift, dims=dim)), stock) > 1e-4


def test_both_rings_hold_at_once(adapter, x) -> None:
    made = denoised(adapter, x, "time", "width")
    rolled = denoised(adapter, x.roll((3, 4), dims=(2, 4)), "time", "width")
    assert golden.difference(rolled, made.roll((3, 4), dims=(2, 4))) < 1e-5


def test_without_a_ring_the_output_is_the_stock_networks_bit_by_bit(adapter, x) -> None:
    first = denoised(adapter, x)
    denoised(adapter, x, "time")
    assert torch.equal(denoised(adapter, x), first)
    network = tiny.wan_transformer()
    text = adapter.encode_prompt(["a calm sea"]).tensors["text"]
    with torch.inference_mode():
        flow = network(x, torch.tensor([600.0]), text, return_dict=False)[0]
    assert golden.difference(first, x - 0.6 * flow) < 1e-6


def test_frequencies_are_whole_turns_and_hardly_other_where_they_are_high() -> None:
    even = ring_frequencies(12, 21, is_ring=False)
    turns = ring_frequencies(12, 21, is_ring=True) * 21 / (2 * torch.pi)
    assert torch.allclose(turns, turns.round(), atol=1e-9)
    assert torch.allclose(even[:1], turns[:1] * 2 * torch.pi / 21, atol=0.15)


def test_a_window_that_is_the_loop_owns_all_of_it_and_begins_elsewhere_each_step() -> None:
    found = [
        plan_time_windows(5, 5, loop=True, step=step, cut=lambda *_: 0, periodic=True)
        for step in range(5)
    ]
    assert all(len(windows) == 1 and len(windows[0].owned) == 5 for windows in found)
    assert len({windows[0].frames[0] for windows in found}) == 5


def test_on_a_ring_without_it_no_window_owns_its_first_latent() -> None:
    for step in range(7):
        for cut in (lambda _, low, __: low, lambda _, __, high: high):
            windows = plan_time_windows(16, 16, loop=True, step=step, cut=cut)
            assert all(window.own_start > 0 for window in windows)


def test_only_axes_that_a_window_goes_round_and_the_job_asks_for_are_rings() -> None:
    def rings(asked: tuple[str, ...], frames: int, *, round_: bool) -> tuple[str, ...]:
        spec = LatentSpec(channels=16, ratio_s=8, ratio_t=4, window_frames=5, rings=asked)
        return rings_of_windows(spec, num_frames=frames, loop=True, goes_round=round_)

    assert rings(("time", "width"), 5, round_=True) == ("time", "width")
    assert rings(("time", "width"), 6, round_=False) == ()
    assert rings((), 5, round_=True) == ()
