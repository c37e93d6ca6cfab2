"""Noise levels of models with a variance-preserving process, told in the contract's sigma.

Such a model sees ``sqrt(A) x0 + sqrt(1 - A) noise`` at a time t of 0..999, A the cumulative alpha.
Divided by ``sqrt(A) + sqrt(1 - A)`` that is ``(1 - sigma) x0 + sigma noise`` with
``sigma = sqrt(1 - A) / (sqrt(A) + sqrt(1 - A))``: the same state on another scale. Its highest
level lies below 1 (0.94 for Stable Diffusion 1.5 with linear betas).

Source: Ho et al. 2020 for the process; Salimans & Ho 2022 for the velocity. That DDIM is a straight
step in these scales: Song et al. 2020, equation 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ....shared.errors import InvalidJob
from ..adapter import Schedule

_SOLVERS = {
    "DDIMScheduler": "euler",
    "EulerDiscreteScheduler": "euler",
    "DPMSolverMultistepScheduler": "dpm++",
    "LMSDiscreteScheduler": "lms",
    "PNDMScheduler": "plms",
}
_REASONS = {
    "EulerAncestralDiscreteScheduler": "it draws new noise in every step, and the noise of a "
    "panorama stays; EulerDiscreteScheduler is the same without it",
    "LCMScheduler": "it draws new noise in every step, and the noise of a panorama stays; "
    "EulerDiscreteScheduler is the nearest",
}
_BY_TIME = ("DDIMScheduler", "PNDMScheduler")
"""Those that step by whole training times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceNoise:
    """The process of one model.

    Attributes:
        log_ratio: ``log(sqrt(1 - A) / sqrt(A))`` at every training time, float64, rising.
        prediction: What the network predicts: "epsilon", "v_prediction" or "sample".
    """

    log_ratio: Tensor
    prediction: str = "epsilon"

    @staticmethod
    def of(scheduler: Any) -> VarianceNoise:
        """The process that a diffusers scheduler was configured for."""
        alphas = scheduler.alphas_cumprod.double()
        return VarianceNoise(
            log_ratio=0.5 * ((1 - alphas) / alphas).log(),
            prediction=scheduler.config.prediction_type,
        )

    @property
    def sigma_max(self) -> float:
        """The highest noise level the model knows."""
        return _sigma(float(self.log_ratio[-1]))

    def timestep(self, sigma: float) -> float:
        """The training time of noise level `sigma`, between the two nearest by their log ratio."""
        wanted = math.log(sigma / (1 - sigma)) if 0 < sigma < 1 else math.copysign(99, sigma - 0.5)
        table = self.log_ratio
        above = int(torch.searchsorted(table, torch.tensor(wanted, dtype=table.dtype)))
        above = min(max(above, 1), len(table) - 1)
        low, high = float(table[above - 1]), float(table[above])
        share = (wanted - low) / (high - low)
        return above - 1 + min(max(share, 0.0), 1.0)

    def scale(self, sigma: float) -> float:
        """What the contract's state is multiplied by to be the model's: 1 / (sqrt A + sqrt(1-A))"""
        return 1 / math.hypot(1 - sigma, sigma)

    def denoised(self, x: Tensor, output: Tensor, sigma: float) -> Tensor:
        """The estimate of x0.

        Args:
            x: The contract's state.
            output: What the network said of it.
            sigma: Noise level below 1.
        """
        if self.prediction == "epsilon":
            return (x - sigma * output) / (1 - sigma)
        if self.prediction == "v_prediction":
            scale = self.scale(sigma)
            return scale * ((1 - sigma) * scale * x - sigma * output)
        return output


def schedule_of(scheduler: Any) -> Schedule:
    """The noise levels and the solver of a diffusers scheduler of this kind.

    Raises:
        InvalidJob: Its steps cannot be made on a panorama; the message says why.
    """
    name = type(scheduler).__name__
    if name not in _SOLVERS:
        known = ", ".join(sorted(_SOLVERS))
        why = _REASONS.get(name, "its steps are not known")
        raise InvalidJob(
            f"Scheduler {name} cannot step a panorama: {why}. Known: {known}.", field="model"
        )
    config = scheduler.config
    solver = _SOLVERS[name]
    if name in _BY_TIME:
        _check_by_time(name, config)
    if name == "DPMSolverMultistepScheduler" and config.solver_order == 1:
        solver = "euler"

    def levels(num_steps: int) -> tuple[float, ...]:
        own = type(scheduler).from_config(config)
        own.set_timesteps(num_steps)
        if name in _BY_TIME:
            table = VarianceNoise.of(own).log_ratio
            return (*(_sigma(float(table[int(t)])) for t in own.timesteps), 0.0)
        ratios = [float(ratio) for ratio in own.sigmas]
        return tuple(ratio / (1 + ratio) for ratio in ratios)

    return Schedule(solver=solver, levels=levels)


def _check_by_time(name: str, config: Any) -> None:
    """Refuse settings of a scheduler with which it steps past its own levels."""
    wanted = {
        "timestep_spacing": ("leading", "trailing"),
        "set_alpha_to_one": (True,),
        **({"skip_prk_steps": (True,)} if name == "PNDMScheduler" else {}),
    }
    for key, allowed in wanted.items():
        if config[key] not in allowed:
            ways = " or ".join(map(str, allowed))
            raise InvalidJob(
                f"Scheduler {name} cannot step a panorama with {key} {config[key]}: its steps end "
                f"beside its own noise levels. Take {key} {ways}.",
                field="model",
                nearest=allowed[0],
            )


def _sigma(log_ratio: float) -> float:
    return 1 / (1 + math.exp(-log_ratio))
