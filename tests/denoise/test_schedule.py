"""Noise levels, Euler steps and re-noising."""

from __future__ import annotations

import pytest
import torch

from panoloom.engine_server.denoise.loop import Keep, euler_loop
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.schedule import euler_step, flow_sigmas, renoise
from panoloom.shared.errors import InvalidJob

SHAPE = (4, 4, 32, 64)


def test_unshifted_levels_are_even_and_end_at_zero():
    assert flow_sigmas(4) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert flow_sigmas(2, sigma_start=0.6) == pytest.approx([0.6, 0.3, 0.0])


def test_shift_three_follows_its_formula_and_keeps_both_ends():
    assert flow_sigmas(4, shift=3.0) == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])
    levels = flow_sigmas(5, sigma_start=0.6, shift=3.0)
    assert levels[0] == 0.6
    assert levels[-1] == 0.0
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize(
    "wrong", [{"num_steps": 0}, {"sigma_start": 0.0}, {"sigma_start": 1.1}, {"shift": 0.0}]
)
def test_levels_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidJob):
        flow_sigmas(**{"num_steps": 4, **wrong})


def test_euler_with_zero_denoised_scales_by_the_ratio_of_levels():
    x = normal_noise(SHAPE, seed=1)
    out = euler_loop(lambda x, sigma, step: 0 * x, x, sigmas=[1.0, 0.7, 0.4, 0.2])
    assert torch.allclose(out, 0.2 * x, atol=1e-6)


def test_euler_with_constant_denoised_lands_on_it():
    x = normal_noise(SHAPE, seed=1)
    out = euler_loop(lambda x, sigma, step: 0 * x + 3.5, x, sigmas=flow_sigmas(7, shift=2.0))
    assert torch.equal(out, torch.full_like(x, 3.5))


def test_euler_step_to_the_same_level_changes_nothing():
    x, denoised = normal_noise(SHAPE, seed=1), normal_noise(SHAPE, seed=2)
    assert torch.allclose(euler_step(x, denoised, sigma=0.5, sigma_next=0.5), x, atol=1e-6)


def test_error_halves_when_steps_double_for_gaussian_data():
    def denoise(x, sigma, step):
        return x * (1 - sigma) / ((1 - sigma) ** 2 + sigma**2)

    x = torch.ones(1, dtype=torch.float64)
    errors = [abs(1 - float(euler_loop(denoise, x, sigmas=flow_sigmas(n)))) for n in (16, 32, 64)]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.6), (0.3, 0.8), (0.5, 0.5), (0.2, 1.0)])
def test_renoised_state_has_the_mean_and_variance_of_the_forward_process(low, high):
    clean = torch.full((4, 16, 64, 128), 2.0)
    state = (1 - low) * clean + low * normal_noise((4, 16, 64, 128), seed=1)
    state = renoise(state, normal_noise((4, 16, 64, 128), seed=2), sigma_from=low, sigma_to=high)
    assert float(state.mean()) == pytest.approx((1 - high) * 2.0, abs=5e-3)
    assert float(state.std()) == pytest.approx(high, abs=5e-3)


def test_kept_part_ends_as_given_and_the_rest_does_not():
    given, mask = torch.full(SHAPE, -1.0), torch.zeros(SHAPE[2:])
    mask[:, :20] = 1
    keep = Keep(latents=given[:, :1], mask=mask)
    x = normal_noise(SHAPE, seed=1)
    out = euler_loop(lambda x, sigma, step: 0 * x + 2, x, sigmas=flow_sigmas(4), keep=keep)
    assert torch.equal(out[..., :20], given[..., :20])
    assert (out[..., 20:] == 2).all()
