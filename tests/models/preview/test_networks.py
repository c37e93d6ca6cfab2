"""Shapes, borders and invariances of the untrained networks."""

from __future__ import annotations

import pytest
import torch

from panoloom.engine_server.models.preview.autoencoder import Autoencoder, inside, random_affine
from panoloom.engine_server.models.preview.dataset import elevation
from panoloom.engine_server.models.preview.denoiser import Denoiser
from panoloom.engine_server.models.preview.muon import orthogonal


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    model = Denoiser().eval().requires_grad_(False)
    for weight in model.parameters():  # wake the layers that begin at zero
        if weight.ndim > 1:
            weight.add_(0.02 * torch.randn(weight.shape))
    return model


def run(model: Denoiser, x: torch.Tensor) -> torch.Tensor:
    n = len(x)
    text = model.text(torch.zeros(n, 1, dtype=torch.long))
    views = torch.zeros(n, 16, 16), torch.full((n,), 90.0), torch.ones(n)
    geometry = *views, torch.zeros(n, 4, 16, 16)
    return model(x, torch.full((n,), 0.5), text, *geometry)


@pytest.mark.parametrize("frames", [1, 4, 8])
def test_denoiser_takes_any_number_of_frames(denoiser, frames):
    assert run(denoiser, torch.randn(2, 8, frames, 16, 16)).shape == (2, 8, frames, 16, 16)


def test_windows_of_a_batch_do_not_see_each_other(denoiser):
    x = torch.randn(3, 8, 4, 16, 16)
    alone = run(denoiser, x[1:2])
    torch.testing.assert_close(run(denoiser, x)[1:2], alone, atol=1e-4, rtol=1e-4)


def test_frames_of_a_window_see_each_other(denoiser):
    x = torch.randn(1, 8, 4, 16, 16)
    changed = x.clone()
    changed[:, :, 3] += 1.0
    assert (run(denoiser, x) - run(denoiser, changed))[:, :, 0].abs().max() > 1e-6


def test_autoencoder_maps_pixels_to_cells_and_back():
    model = Autoencoder().eval()
    with torch.no_grad():
        latents = model.encode(torch.zeros(2, 3, 64, 32))
        assert latents.shape == (2, 8, 8, 4)
        assert model.decode(latents).shape == (2, 3, 64, 32)


def test_elevation_of_a_view_is_its_pitch_at_the_centre_and_falls_downwards():
    height = torch.rad2deg(elevation(torch.tensor([30.0]), torch.tensor([90.0]), 15))[0]
    assert height[7, 7] == pytest.approx(30.0, abs=1e-3)
    assert (height[1:, 7] < height[:-1, 7]).all()


def test_elevation_over_the_zenith_stays_within_a_right_angle():
    height = elevation(torch.tensor([90.0]), torch.tensor([90.0]), 16)[0]
    torch.testing.assert_close(height, height.flip(0), atol=1e-5, rtol=0.0)


def test_mask_of_a_warp_keeps_most_of_the_picture():
    matrix = random_affine(16, torch.Generator().manual_seed(0))
    assert inside(matrix, 32).mean() > 0.6


def test_orthogonal_steps_have_singular_values_near_one():
    values = torch.linalg.svdvals(orthogonal(torch.randn(32, 96)))
    assert values.min() > 0.5
    assert values.max() < 1.4
