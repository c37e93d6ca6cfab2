"""The part of a picture that is given: what stays, and what comes alive and stays itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..panorama.tables import View

HOLD_SIGMA = 0.3
"""Noise level above which a still that comes alive is held wholly."""
HOLD_LAST = 0.8
"""How strongly it is held at noise level 0; the rest lets the model make moving and standing parts
agree. Both measured: DECISIONS.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Part of the panorama that is given.

    Attributes:
        latents: The given picture, ``[C, F, H, W]`` (F may be 1: a still).
        mask: 1 where it is kept, ``[H, W]`` or anything that broadcasts to the latents.
        hold: 1 where it comes alive, likewise: the mean over time is held to it, and what differs
            from the mean is free; None where nothing does.
        in_views: The latents ``[V, C, 1, h, w]`` of the given picture as views see it, for views
            that keep a state of their own; None reads them from `latents`, which is softer.
    """

    latents: Tensor
    mask: Tensor
    hold: Tensor | None = None
    in_views: Callable[[Sequence[View]], Tensor] | None = None

    def apply(self, denoised: Tensor, sigma: float | None = None) -> Tensor:
        """`denoised` at noise level `sigma` with what is given in its place.

        Without a noise level, in a finished picture, with what is kept alone.
        """
        if self.hold is not None and sigma is not None:
            pull = HOLD_LAST + (1 - HOLD_LAST) * _rise(sigma, 0.0, HOLD_SIGMA)
            away = self.latents.mean(1, keepdim=True) - denoised.mean(1, keepdim=True)
            denoised = denoised + pull * self.hold * away
        return torch.lerp(denoised, self.latents.expand_as(denoised), self.mask.expand_as(denoised))


def _rise(value: float, low: float, high: float) -> float:
    """From 0 at `low` to 1 at `high`, smoothly."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
