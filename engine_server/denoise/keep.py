"""The part of a picture that is given: what stays, and what comes alive and stays itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

HOLD_SIGMAS = (0.15, 0.5)
"""Noise levels over which a still that comes alive is let go of: above, the layout is the still's;
below, the model makes the parts that move and those that do not agree. Measured: DECISIONS.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Part of the panorama that is given.

    Attributes:
        latents: The given picture, ``[C, F, H, W]`` (F may be 1: a still).
        mask: 1 where it is kept, ``[H, W]`` or anything that broadcasts to the latents.
        hold: 1 where it comes alive, likewise: the mean over time is held to it while the noise is
            high, and what differs from the mean is free; None where nothing does.
    """

    latents: Tensor
    mask: Tensor
    hold: Tensor | None = None

    def apply(self, denoised: Tensor, sigma: float = 0.0) -> Tensor:
        """`denoised` at noise level `sigma` with the kept part put in its place."""
        pull = _rise(sigma, *HOLD_SIGMAS)
        if self.hold is not None and pull > 0:
            away = self.latents.mean(1, keepdim=True) - denoised.mean(1, keepdim=True)
            denoised = denoised + pull * self.hold * away
        return torch.lerp(denoised, self.latents.expand_as(denoised), self.mask.expand_as(denoised))


def _rise(value: float, low: float, high: float) -> float:
    """From 0 at `low` to 1 at `high`, smoothly."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
