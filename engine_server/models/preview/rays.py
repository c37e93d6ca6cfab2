"""Directions, times and the size of a pixel: what a world is a function of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """Unit vectors x (forward, yaw 0), y (right), z (up), each [1, N] or [F, N], at times t.

    Attributes:
        x, y, z: The directions.
        t: Seconds, [F, 1].
        pixel: Radians that a pixel spans at the centre of the picture.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    t: Tensor
    pixel: float

    def take(self, index: Tensor) -> Rays:
        """Only the rays of the given columns."""
        return self.along(self.x[:, index], self.y[:, index], self.z[:, index])

    def along(self, x: Tensor, y: Tensor, z: Tensor) -> Rays:
        """The same times and pixels in other directions."""
        return Rays(x=x, y=y, z=z, t=self.t, pixel=self.pixel)

    def flat(self) -> Tensor:
        """Length of the level part of the directions."""
        return torch.sqrt(self.x * self.x + self.y * self.y + 1e-8)

    def towards(self, at: tuple[float, float]) -> Tensor:
        """Cosine of the angle to (yaw, pitch), radians."""
        sx, sy, sz = direction(*at)
        return self.x * sx + self.y * sy + self.z * sz


def direction(yaw: float, pitch: float) -> tuple[float, float, float]:
    """Unit vector of a heading and a height, radians."""
    return (
        math.cos(pitch) * math.cos(yaw),
        math.cos(pitch) * math.sin(yaw),
        math.sin(pitch),
    )
