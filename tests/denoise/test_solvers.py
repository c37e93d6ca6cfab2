"""Steps of the panorama: exact where they can be, and continued from a checkpoint to the byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from oracles import FunctionAdapter

from panoloom.engine_server.denoise.loop import denoise_panorama, sample
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.schedule import flow_sigmas, stage_sigmas
from panoloom.engine_server.denoise.solvers import SOLVERS, find_solver
from panoloom.engine_server.models.adapter import Cond, LatentSpec, Schedule
from panoloom.shared.errors import InvalidJob

SIGMAS = [0.9998, *flow_sigmas(6, shift=3.0)[1:]]


def bent(x: torch.Tensor, sigma: float, step: int) -> torch.Tensor:
    return torch.tanh(x) * (1 - sigma) ** 2


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_the_part_without_the_noise_takes_the_same_steps_as_the_whole_state(name) -> None:
    noise, start = (normal_noise((2, 3, 4, 8), seed=seed).double() for seed in (1, 2))
    whole = sample(bent, start + SIGMAS[0] * noise, sigmas=SIGMAS, solver=find_solver(name))
    part = sample(
        lambda q, sigma, step: bent(q + sigma * noise, sigma, step),
        start,
        sigmas=SIGMAS,
        solver=find_solver(name),
    )
    assert torch.allclose(part, whole, atol=1e-12)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_constant_picture_is_what_every_solver_lands_on(name) -> None:
    x = normal_noise((2, 3, 4, 8), seed=1)
    made = sample(lambda x, *_: 0 * x + 3.5, x, sigmas=SIGMAS, solver=find_solver(name))
    assert torch.allclose(made, torch.full_like(x, 3.5), atol=1e-6)


def test_more_steps_of_second_order_come_closer_by_their_square_and_of_euler_in_proportion() -> (
    None
):
    x = torch.tensor([1.7], dtype=torch.float64)

    def end(name: str, steps: int) -> float:
        sigmas = [0.9, *flow_sigmas(steps, sigma_start=0.9)[1:]]
        gaussian = lambda x, sigma, _: x * 4 * (1 - sigma) / (4 * (1 - sigma) ** 2 + sigma**2)  # noqa: E731
        return float(sample(gaussian, x, sigmas=sigmas, solver=find_solver(name)))

    truth = end("unipc", 3000)
    for name, least in (("euler", 1.7), ("second-order", 3.0), ("unipc", 3.0)):
        coarse, fine = (abs(end(name, steps) - truth) for steps in (40, 80))
        assert coarse / fine > least, name


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_stage_resumed_after_any_step_ends_with_the_same_bytes(name) -> None:
    spec = LatentSpec(channels=2, ratio_s=8, ratio_t=1, window_frames=3)
    spec = replace(spec, schedule=Schedule(solver=name))
    adapter = FunctionAdapter(
        num_frames=4, spec=spec, function=lambda x, sigma, cond: torch.tanh(x) * (1 - sigma)
    )
    states: list[torch.Tensor] = []

    def run(x: torch.Tensor | None, start_step: int) -> torch.Tensor:
        return denoise_panorama(
            x,
            adapter=adapter,
            cond=Cond(),
            uncond=None,
            guidance_scale=1.0,
            sigmas=SIGMAS,
            shape=(2, 4, 32, 64),
            seed=3,
            start_step=start_step,
            on_step=lambda step, n, denoised, state: states.append(state),
        ).latents

    whole = run(None, 0)
    seen, states = list(states), []
    assert len({state.shape for state in seen}) == 2  # moving views, then those that stand still
    for step in (0, 2, 4):
        assert torch.equal(run(seen[step], step + 1), whole), step


def test_a_stage_that_starts_lower_takes_the_lowest_levels_of_the_models_own() -> None:
    def levels(count: int) -> tuple[float, ...]:
        return tuple(flow_sigmas(count, shift=3.0))

    schedule = Schedule(levels=levels)
    assert stage_sigmas(schedule, 4, sigma_start=1.0, shift=9.0) == list(levels(4))
    lower = stage_sigmas(schedule, 3, sigma_start=0.6, shift=9.0)
    assert len(lower) == 4
    assert lower[0] == 0.6
    assert lower == sorted(lower, reverse=True)
    assert set(lower[1:]) <= {*levels(7), *levels(6), *levels(5), *levels(4)}
    assert stage_sigmas(Schedule(), 3, sigma_start=0.6, shift=3.0) == flow_sigmas(
        3, sigma_start=0.6, shift=3.0
    )


def test_a_solver_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidJob, match="euler, lms, plms, second-order, unipc"):
        find_solver("heun")
