"""AnyFlow in our loop is the library's own pipeline, for any number of steps."""

from __future__ import annotations

from dataclasses import replace

import golden
import pytest
import tiny_pipelines
import torch

from panoloom.engine_server.denoise.ahead import told_ahead
from panoloom.engine_server.models.adapter import ViewGeometry

UNTOLD = ViewGeometry(elevation_rad=torch.zeros(1, 8, 8), fov_deg=90.0)


@pytest.fixture(scope="module")
def stock():
    return tiny_pipelines.anyflow()


def windows(count: int) -> torch.Tensor:
    return torch.randn(count, 16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_one_window_in_our_loop_is_the_stock_pipeline(stock, steps):
    adapter = tiny_pipelines.anyflow_adapter(stock, (8, 12))
    start, ours = golden.our_latents(adapter, "a calm sea", "", guidance=1.0, steps=steps)
    theirs = stock(
        prompt="a calm sea",
        height=64,
        width=96,
        num_frames=9,
        num_inference_steps=steps,
        latents=start[None],
        output_type="latent",
    ).frames[0]
    assert golden.difference(ours, theirs) < 1e-5


def test_the_level_a_step_goes_to_is_told(stock):
    adapter = tiny_pipelines.anyflow_adapter(stock)
    cond = adapter.encode_prompt(["a calm sea"])
    ahead = told_ahead(adapter, [1.0, 0.5, 0.0])
    assert torch.equal(
        ahead.denoised(windows(1), 1.0, cond, UNTOLD),
        adapter.denoised(
            windows(1),
            1.0,
            cond,
            ViewGeometry(elevation_rad=UNTOLD.elevation_rad, fov_deg=90.0, sigma_next=0.5),
        ),
    )
    far = adapter.denoised(windows(1), 1.0, cond, UNTOLD)
    assert not torch.equal(ahead.denoised(windows(1), 1.0, cond, UNTOLD), far)


def test_prompts_are_encoded_as_the_pipeline_encodes_them(stock):
    with torch.no_grad():
        expected, _ = stock.encode_prompt(
            ["a calm sea", ""], do_classifier_free_guidance=False, max_sequence_length=512
        )
    encoded = tiny_pipelines.anyflow_adapter(stock).encode_prompt(["a calm sea", ""])
    assert golden.difference(encoded.tensors["text"], expected) < 1e-5


@pytest.mark.parametrize(("axis", "dim", "turn"), [("time", 2, 1), ("width", 4, 2)])
def test_on_a_ring_the_denoiser_turns_with_its_window_and_otherwise_not(stock, axis, dim, turn):
    adapter = tiny_pipelines.anyflow_adapter(stock)
    cond = adapter.encode_prompt(["a calm sea"])

    def mismatch(told: ViewGeometry) -> float:
        rolled = adapter.denoised(windows(1).roll(turn, dim), 0.7, cond, told)
        return golden.difference(
            rolled, adapter.denoised(windows(1), 0.7, cond, told).roll(turn, dim)
        )

    assert mismatch(replace(UNTOLD, rings=(axis,))) < 1e-5
    assert mismatch(UNTOLD) > 1e-4
