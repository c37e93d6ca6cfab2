"""Noise levels, Euler steps and re-noising."""

from __future__ import annotations

import math

import pytest
import torch

from panoloom.engine_server.denoise.loop import Keep, sample
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.schedule import (
    euler_step,
    extrapolated,
    flow_sigmas,
    renoise,
)
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


def test_zero_denoised_scales_by_the_ratio_of_levels():
    x = normal_noise(SHAPE, seed=1)
    out = sample(lambda x, sigma, step: 0 * x, x, sigmas=[1.0, 0.7, 0.4, 0.2])
    assert torch.allclose(out, 0.2 * x, atol=1e-6)


def test_constant_denoised_is_what_it_lands_on():
    x = normal_noise(SHAPE, seed=1)
    out = sample(lambda x, sigma, step: 0 * x + 3.5, x, sigmas=flow_sigmas(7, shift=2.0))
    assert torch.equal(out, torch.full_like(x, 3.5))


def test_euler_step_to_the_same_level_changes_nothing():
    x, denoised = normal_noise(SHAPE, seed=1), normal_noise(SHAPE, seed=2)
    assert torch.allclose(euler_step(x, denoised, sigma=0.5, sigma_next=0.5), x, atol=1e-6)


def test_step_is_exact_where_denoised_is_linear_in_sigma():
    """dx/dsigma = (x - a - b sigma) / sigma has the solution a - b sigma ln(sigma) + c sigma."""
    a, b, c = 0.7, -1.3, 2.0

    def solution(sigma):
        return torch.tensor([a - b * sigma * math.log(sigma) + c * sigma], dtype=torch.float64)

    target = extrapolated(
        torch.tensor([a + b * 0.6], dtype=torch.float64),
        torch.tensor([a + b * 0.9], dtype=torch.float64),
        sigma_before=0.9,
        sigma=0.6,
        sigma_next=0.35,
    )
    stepped = euler_step(solution(0.6), target, sigma=0.6, sigma_next=0.35)
    assert float(stepped) == pytest.approx(float(solution(0.35)), abs=1e-12)


def test_last_step_lands_on_denoised_itself():
    levels = {"sigma_before": 0.5, "sigma": 0.25, "sigma_next": 0.0}
    denoised, previous = torch.ones(3), torch.zeros(3)
    assert torch.equal(extrapolated(denoised, previous, **levels), denoised)


def test_error_falls_faster_than_by_half_when_steps_double_for_gaussian_data():
    def denoise(x, sigma, step):
        return x * (1 - sigma) / ((1 - sigma) ** 2 + sigma**2)

    x = torch.ones(1, dtype=torch.float64)
    errors = [abs(1 - float(sample(denoise, x, sigmas=flow_sigmas(n)))) for n in (16, 32, 64)]
    assert errors[0] < 0.05
    assert errors[0] / errors[1] > 2
    assert errors[1] / errors[2] > 2


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
    out = sample(lambda x, sigma, step: 0 * x + 2, x, sigmas=flow_sigmas(4), keep=keep)
    assert torch.equal(out[..., :20], given[..., :20])
    assert (out[..., 20:] == 2).all()
