"""Latents whose channels have about unit variance, as a model's network takes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Standard:
    """Mean and spread of every channel of an autoencoder's latents.

    Attributes:
        mean, std: Float32 ``[C]``.
    """

    mean: Tensor
    std: Tensor

    @staticmethod
    def of(mean: list[float] | Tensor, std: list[float] | Tensor) -> Standard:
        """From lists, as configurations hold them."""
        return Standard(
            torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(std, dtype=torch.float32)
        )

    def enter(self, latents: Tensor) -> Tensor:
        """The autoencoder's ``[C, ...]`` as the network's."""
        shape = (-1, *[1] * (latents.ndim - 1))
        return (latents - self.mean.to(latents).view(shape)) / self.std.to(latents).view(shape)

    def leave(self, latents: Tensor) -> Tensor:
        """The network's ``[C, ...]`` as the autoencoder's."""
        shape = (-1, *[1] * (latents.ndim - 1))
        return latents * self.std.to(latents).view(shape) + self.mean.to(latents).view(shape)
