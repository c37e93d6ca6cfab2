"""Noise levels and the steps between them, for flow matching: x_sigma = (1 - sigma) x0 + sigma e.

Source: rectified flow (Liu et al. 2022); the shift of the schedule is that of Stable Diffusion 3
(Esser et al. 2024, section 5.3.2). The re-noising formula restates DynamicScaler's equation 5 for
flow matching.
"""

from __future__ import annotations

import math

from torch import Tensor

from ...shared.errors import InvalidJob
from ..models.adapter import Schedule

MOST_STEPS = 1000
"""Length of the longest schedule that is looked through for levels below a start."""


def flow_sigmas(num_steps: int, *, sigma_start: float = 1.0, shift: float = 1.0) -> list[float]:
    """N + 1 falling noise levels from `sigma_start` to 0.

    Args:
        num_steps: N, at least 1.
        sigma_start: First level, in (0, 1].
        shift: Above 1 spends more steps at high noise. Levels are spaced evenly before the shift,
            and the first is `sigma_start` whatever the shift.

    Raises:
        InvalidJob: A number is out of range.
    """
    if num_steps < 1:
        raise InvalidJob(f"Denoising needs at least 1 step, got {num_steps}.", field="steps")
    if not 0 < sigma_start <= 1:
        raise InvalidJob(f"sigma_start must lie in (0, 1], got {sigma_start}.", field="stages")
    if not shift > 0:
        raise InvalidJob(f"The schedule's shift must be positive, got {shift}.", field="model")
    top = sigma_start / (shift - (shift - 1) * sigma_start)
    even = [top * (1 - k / num_steps) for k in range(num_steps)]
    return [sigma_start, *(shift * u / (1 + (shift - 1) * u) for u in even[1:]), 0.0]


def stage_sigmas(
    schedule: Schedule, num_steps: int, *, sigma_start: float, shift: float
) -> list[float]:
    """N + 1 falling noise levels of a stage, in the model's own schedule where it has one.

    A stage that starts lower takes that schedule's lowest N - 1 levels below its start, from the
    shortest run that has so many.

    Raises:
        InvalidJob: A number is out of range.
    """
    own = schedule.levels
    if own is None:
        return flow_sigmas(num_steps, sigma_start=sigma_start, shift=shift)
    flow_sigmas(num_steps, sigma_start=sigma_start)  # refuses what is out of range
    if sigma_start >= own(num_steps)[0]:
        return list(own(num_steps))
    for count in range(num_steps, MOST_STEPS + 1):
        below = [level for level in own(count) if level < sigma_start]
        if len(below) >= num_steps:
            return [sigma_start, *below[-num_steps:]]
    raise InvalidJob(
        f"The model's schedule has no {num_steps} levels below {sigma_start:g}; "
        "start higher or make fewer steps.",
        field="stages",
    )


def euler_step(x: Tensor, denoised: Tensor, *, sigma: float, sigma_next: float) -> Tensor:
    """The state at `sigma_next` on the straight line from `x` at `sigma` to `denoised`."""
    return denoised + (sigma_next / sigma) * (x - denoised)


def extrapolated(
    denoised: Tensor,
    previous: Tensor | None,
    *,
    sigma_before: float,
    sigma: float,
    sigma_next: float,
) -> Tensor:
    """The picture an Euler step should aim at to be exact where `denoised` is linear in sigma.

    Args:
        denoised: Prediction at `sigma`.
        previous: Prediction at `sigma_before`, the level before; None on a first step.
        sigma_before, sigma, sigma_next: Falling levels. At `sigma_next` 0 it is `denoised` itself.

    Source: the variation of constants formula for dx/dsigma = (x - denoised) / sigma; the idea is
    that of DPM-Solver++(2M) (Lu et al. 2022), written for flow matching so that it holds at 1 too.
    """
    if previous is None or sigma_next == 0:
        return denoised
    ratio = sigma / sigma_next
    share = sigma / (sigma_before - sigma) * (1 - math.log(ratio) / (ratio - 1))
    return denoised + share * (denoised - previous)


def renoise(x: Tensor, noise: Tensor, *, sigma_from: float, sigma_to: float) -> Tensor:
    """A state at noise level `sigma_from` taken up to `sigma_to` with fresh unit `noise`.

    From 0 it is the forward process (1 - sigma) x + sigma noise. The picture's share becomes
    exactly 1 - sigma_to and the variance of the noise exactly sigma_to squared.
    """
    assert 0 <= sigma_from <= sigma_to <= 1, (sigma_from, sigma_to)
    if sigma_from == sigma_to:
        return x
    assert sigma_from < 1
    share = (1 - sigma_to) / (1 - sigma_from)
    return share * x + math.sqrt(sigma_to**2 - (share * sigma_from) ** 2) * noise
