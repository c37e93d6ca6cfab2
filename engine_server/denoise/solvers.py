"""One step of the panorama from a noise level to the next: ours, and those that models ship with.

A solver remembers pictures between steps (its memory). They belong to the panorama, cell by cell,
never to a view: the views of the next step lie elsewhere, and a view that kept its own history
would mix cells (with moving windows it is 114 % off). The first picture of a memory is always
the `denoised` of the step before.

Every solver here is linear in the state with the factor ``sigma_next / sigma``, so it may be given
the whole state or, as the methods do, the part of it that is not the fixed noise.

Source: UniPC is Zhao et al. 2023 (https://arxiv.org/abs/2302.04867), algorithms 5 to 8: data
prediction, order 2, B(h) = exp(h) - 1, a corrector in every step after the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from ...shared.errors import InvalidJob
from .schedule import euler_step, extrapolated

Memory = tuple[Tensor, ...]
Solver = Callable[[Tensor, Tensor, Memory, Sequence[float], int], tuple[Tensor, Memory]]
"""(state, denoised, memory, noise levels, step) -> (state at the next level, memory)"""

TOP = 1 - 1e-6
"""The highest noise level with a finite signal to noise ratio; higher ones are taken for it."""


def second_order(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """Exact where `denoised` is linear in sigma; remembers one picture. The default."""
    sigma, sigma_next = sigmas[step], sigmas[step + 1]
    target = extrapolated(
        denoised,
        memory[0] if step else None,
        sigma_before=sigmas[step - 1],
        sigma=sigma,
        sigma_next=sigma_next,
    )
    return euler_step(x, target, sigma=sigma, sigma_next=sigma_next), (denoised,)


def euler(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """The straight line to `denoised`; remembers one picture, for previews alone."""
    x = euler_step(x, denoised, sigma=sigmas[step], sigma_next=sigmas[step + 1])
    return x, (denoised,)


def unipc(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """UniPC of order 2; remembers the last two `denoised` and the corrected state."""
    before = denoised
    if step:
        before, earlier, corrected = memory
        x = _corrected(corrected, denoised, before, earlier, sigmas, step)
    out = _predicted(x, denoised, before, sigmas, step)
    return out, (denoised, before, x)


def dpm(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """DPM-Solver++(2M); remembers one picture. Its last step is a straight line.

    Source: Lu et al. 2022 (https://arxiv.org/abs/2211.01095), algorithm 2.
    """
    sigma, sigma_next = sigmas[step], sigmas[step + 1]
    aim = denoised
    if step and sigma_next > 0:
        here = _half_log_snr(sigma)
        ratio = (here - _half_log_snr(sigmas[step - 1])) / (_half_log_snr(sigma_next) - here)
        aim = denoised + (0.5 / ratio) * (denoised - memory[0])
    return euler_step(x, aim, sigma=sigma, sigma_next=sigma_next), (denoised,)


def lms(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """Adams and Bashforth's steps of order 4 over uneven levels; remembers three slopes.

    The slope is that of ``x / (1 - sigma)`` over ``sigma / (1 - sigma)``: the noise in the state.
    Source: the LMS sampler of Katherine Crowson's k-diffusion, by its formula.
    """
    slopes = (_slope(x, denoised, sigmas[step]), *memory[1:])[: step + 1]
    levels = [_ratio(sigmas[step - k]) for k in range(-1, len(slopes))]
    shares = _integrals(levels[0], levels[1:])
    out = euler_step(x, denoised, sigma=sigmas[step], sigma_next=sigmas[step + 1])
    out = out + (1 - sigmas[step + 1]) * _bend(slopes, shares)
    return out, (denoised, *slopes, *[slopes[-1]] * 3)[:4]


def plms(
    x: Tensor, denoised: Tensor, memory: Memory, sigmas: Sequence[float], step: int
) -> tuple[Tensor, Memory]:
    """PNDM's linear steps; remembers the state of the step before and three slopes.

    A level that stands twice is come to twice: the second time from the state before it, with the
    mean of both slopes. Source: Liu et al. 2022 (https://arxiv.org/abs/2202.09778), equation 12.
    """
    here, there = sigmas[step], sigmas[step + 1]
    slope = _slope(x, denoised, here)
    if there == here:
        denoised_before, before, *slopes = memory
        out = euler_step(before, denoised_before, sigma=sigmas[step - 1], sigma_next=here)
        width = _ratio(here) - _ratio(sigmas[step - 1])
        out = out + (1 - here) * _bend((slopes[0], slope), (width / 2, width / 2))
        return out, (denoised, before, *slopes)
    twice = sum(sigmas[k] == sigmas[k + 1] for k in range(step))
    slopes = (slope, *memory[2:])[: min(4, step + 1 - twice)]
    width = _ratio(there) - _ratio(here)
    shares = [width * share for share in _ADAMS_BASHFORTH[len(slopes) - 1]]
    out = euler_step(x, denoised, sigma=here, sigma_next=there)
    out = out + (1 - there) * _bend(slopes, shares)
    return out, (denoised, x, *slopes, *[slopes[-1]] * 3)[:5]


SOLVERS: dict[str, Solver] = {
    "second-order": second_order,
    "euler": euler,
    "unipc": unipc,
    "dpm++": dpm,
    "lms": lms,
    "plms": plms,
}


def find_solver(name: str) -> Solver:
    """The solver `name`.

    Raises:
        InvalidJob: There is none.
    """
    if name not in SOLVERS:
        known = ", ".join(sorted(SOLVERS))
        raise InvalidJob(f"There is no solver '{name}'. Known: {known}.", field="model")
    return SOLVERS[name]


_ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Shares of the newest slope and of those before, for evenly spaced levels."""


def _ratio(sigma: float) -> float:
    """Noise over picture."""
    sigma = min(sigma, TOP)
    return sigma / (1 - sigma)


def _slope(x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    sigma = min(sigma, TOP)
    return (x - (1 - sigma) * denoised) / sigma


def _bend(slopes: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """What older slopes add to the straight line along the first; their shares span the step."""
    bend = torch.zeros_like(slopes[0])
    for slope, share in zip(slopes[1:], shares[1:], strict=True):
        bend = bend + share * (slope - slopes[0])
    return bend


def _integrals(end: float, known: Sequence[float]) -> list[float]:
    """From the first of the `known` levels to `end`, of the polynomial that is 1 at one of them and
    0 at the others, for each."""
    found = []
    for index, own in enumerate(known):
        others = [*known[:index], *known[index + 1 :]]
        curve = Polynomial.fromroots(others) if others else Polynomial([1.0])
        area = curve.integ()
        found.append(float(area(end) - area(known[0])) / math.prod(own - o for o in others))
    return found


def _order(num_steps: int, step: int) -> int:
    """Lower in the first step, which has no history, and in the last."""
    return min(2, step + 1, num_steps - step)


def _half_log_snr(sigma: float) -> float:
    sigma = min(sigma, TOP)
    return math.inf if sigma == 0 else math.log((1 - sigma) / sigma)


def _predicted(
    x: Tensor, denoised: Tensor, before: Tensor, sigmas: Sequence[float], step: int
) -> Tensor:
    """The state at the next level: UniP."""
    sigma, sigma_next = min(sigmas[step], TOP), sigmas[step + 1]
    here, there = _half_log_snr(sigma), _half_log_snr(sigma_next)
    share = math.expm1(here - there)
    aim = denoised
    if _order(len(sigmas) - 1, step) == 2:
        ratio = (_half_log_snr(sigmas[step - 1]) - here) / (there - here)
        aim = denoised + (0.5 / ratio) * (before - denoised)
    return (sigma_next / sigma) * x - (1 - sigma_next) * share * aim


def _corrected(
    x: Tensor,
    denoised: Tensor,
    before: Tensor,
    earlier: Tensor,
    sigmas: Sequence[float],
    step: int,
) -> Tensor:
    """The state of this step made again from the last one, `x`, knowing `denoised` here: UniC."""
    sigma, sigma_here = min(sigmas[step - 1], TOP), sigmas[step]
    there, here = _half_log_snr(sigma), _half_log_snr(sigma_here)
    h = here - there
    share = math.expm1(-h)
    aim = before + 0.5 * (denoised - before)
    if _order(len(sigmas) - 1, step - 1) == 2:
        ratio = (_half_log_snr(sigmas[step - 2]) - there) / h
        first = (share / -h - 1) / share
        second = 2 * ((share / -h - 1) / -h - 0.5) / share
        far = (second - first) / (ratio - 1)
        aim = before + (far / ratio) * (earlier - before) + (first - far) * (denoised - before)
    return (sigma_here / sigma) * x - (1 - sigma_here) * share * aim
