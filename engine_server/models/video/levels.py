"""Noise levels as a model's own scheduler has them, and the time that its network is told of them.

The library's scheduler object is asked for its levels once for a number of steps and never steps
anything: the panorama is stepped by `denoise.solvers`. For models that mix picture and noise by
flow matching, level and sigma are the same number.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

from ....shared.errors import InvalidJob
from ..adapter import Schedule

_SOLVERS = {
    "FlowMatchEulerDiscreteScheduler": "euler",
    "FlowMapEulerDiscreteScheduler": "euler",
    "UniPCMultistepScheduler": "unipc",
}
_UNIPC = {
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "solver_order": 2,
    "solver_type": "bh2",
    "predict_x0": True,
    "lower_order_final": True,
    "final_sigmas_type": "zero",
    "disable_corrector": [],
    "thresholding": False,
}
"""What `denoise.solvers.unipc` is; a model that ships with another form is refused."""


@dataclass(frozen=True, slots=True)
class FlowLevels:
    """The levels of a flow-matching scheduler.

    Attributes:
        scheduler: A scheduler of the diffusers library.
        whole_times: Whether the network is told whole numbers, as UniPC tells them.
        mu: Shift of a scheduler that shifts by size; None for the others.
    """

    scheduler: Any
    whole_times: bool
    mu: float | None = None

    def __call__(self, num_steps: int) -> tuple[float, ...]:
        """N + 1 falling levels, the last 0."""
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(num_steps, **({} if self.mu is None else {"mu": self.mu}))
        return tuple(float(sigma) for sigma in scheduler.sigmas)

    def time(self, sigma: float) -> float:
        """What the network is told of the level `sigma`: 0 to 1000 for most models."""
        time = sigma * self.scheduler.config.num_train_timesteps
        # levels come back as float32: what was just above a whole number may lie just below it
        return float(math.floor(time + 1e-4)) if self.whole_times else time


def flow_levels(scheduler: Any, *, mu: float | None = None) -> FlowLevels:
    """The levels of `scheduler`.

    Raises:
        InvalidJob: It steps in a way that is not known here.
    """
    name = _kind(scheduler)
    wrong = [
        f"{key} {scheduler.config.get(key)!r} instead of {wanted!r}"
        for key, wanted in (_UNIPC if name == "UniPCMultistepScheduler" else {}).items()
        if scheduler.config.get(key) != wanted
    ]
    if wrong:
        raise InvalidJob(
            f"The model's scheduler UniPC has {', '.join(wrong)}, which is not supported: "
            "put it right in scheduler/scheduler_config.json, or take "
            "FlowMatchEulerDiscreteScheduler there.",
            field="model",
        )
    return FlowLevels(scheduler, whole_times=name == "UniPCMultistepScheduler", mu=mu)


def flow_schedule(levels: FlowLevels) -> Schedule:
    """What the denoising loop needs to know of a scheduler."""
    return Schedule(solver=_SOLVERS[_kind(levels.scheduler)], levels=levels)


def _kind(scheduler: Any) -> str:
    name = type(scheduler).__name__
    if name not in _SOLVERS:
        known = ", ".join(sorted(_SOLVERS))
        raise InvalidJob(
            f"The model's scheduler is {name}; known are {known}. "
            "Name one of these in its scheduler/scheduler_config.json.",
            field="model",
        )
    return name
