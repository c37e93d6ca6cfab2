"""Frame autoencoder: 128x128 pixels to 16x16 cells of 8 channels and back.

Convolutions alone, with replicated borders and no normalisation over space: a cell knows only its
neighbourhood, so decoding commutes with rolling the panorama, and nothing prints a border. Trained
so that warped latents decode to warped pictures (the idea of EQ-VAE, Kouzelis et al. 2025), because
a view reads the cells of a panorama turned and stretched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 8
RATIO = 8


def conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size; borders are replicated."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate")


class Block(nn.Module):
    """Residual pair of convolutions, the identity at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class Autoencoder(nn.Module):
    """encode: [N, 3, 8h, 8w] in -1..1 to [N, 8, h, w] of unit variance; decode: the way back."""

    mean: Tensor
    std: Tensor

    def __init__(self, mid: int = 64, low: int = 112) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            conv(48, mid),
            Block(mid),
            nn.PixelUnshuffle(2),
            conv(4 * mid, low, 1),
            Block(low),
            Block(low),
            nn.SiLU(),
            conv(low, CHANNELS),
        )
        self.decoder = nn.Sequential(
            conv(CHANNELS, low),
            Block(low),
            Block(low),
            conv(low, 4 * mid, 1),
            nn.PixelShuffle(2),
            Block(mid),
            Block(mid),
            conv(mid, 4 * 24, 1),
            nn.PixelShuffle(2),
            Block(24),
            nn.SiLU(),
            conv(24, 4 * 12),
            nn.PixelShuffle(2),
            nn.SiLU(),
            conv(12, 3),
        )
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("std", torch.ones(CHANNELS))

    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents [N, 8, h, w] of frames [N, 3, 8h, 8w] in -1..1."""
        raw = self.encoder(frames)
        return (raw - self.mean[:, None, None]) / self.std[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Frames [N, 3, 8h, 8w], about -1..1, of normalised latents [N, 8, h, w]."""
        return self.decoder(latents * self.std[:, None, None] + self.mean[:, None, None])

    @torch.no_grad()
    def set_statistics(self, raw: Tensor) -> None:
        """Normalise from now on by the mean and deviation of these raw latents [N, 8, h, w]."""
        self.mean.copy_(raw.mean(dim=(0, 2, 3)))
        self.std.copy_(raw.std(dim=(0, 2, 3)).clamp(min=1e-4))


def warp(picture: Tensor, matrix: Tensor) -> Tensor:
    """Bilinear warp of [N, C, h, w] by affine matrices [N, 2, 3] of normalised coordinates."""
    grid = F.affine_grid(matrix, list(picture.shape), align_corners=False)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def random_affine(count: int, generator: torch.Generator) -> Tensor:
    """Random turns (any angle), zooms (0.75 to 1.1 of the field) and shifts, [N, 2, 3]."""
    u = torch.rand(count, 5, generator=generator)
    wide = (u[:, 0] < 0.4).float()
    angle = (u[:, 1] - 0.5) * (2.0 * torch.pi * wide + 0.9 * (1.0 - wide))
    zoom = 0.7 + 0.35 * u[:, 2]
    shift = (u[:, 3:] - 0.5) * 0.3
    c, s = angle.cos() * zoom, angle.sin() * zoom
    return torch.stack(
        (torch.stack((c, -s, shift[:, 0]), -1), torch.stack((s, c, shift[:, 1]), -1)), 1
    )


def inside(matrix: Tensor, size: int) -> Tensor:
    """1 where a warped pixel comes from well inside the picture, [N, 1, size, size]."""
    grid = F.affine_grid(matrix, [len(matrix), 1, size, size], align_corners=False)
    return (grid.abs().amax(dim=-1) < 0.94).float().unsqueeze(1)


def picture_loss(made: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """L1 of colours and of differences at three scales, where mask [N, 1, H, W] is 1."""
    error = (made - wanted) * mask
    total = error.abs().mean() + 3.0 * error.square().mean()  # the square keeps stars alive
    for k in range(3):
        e = F.avg_pool2d(error, 2**k) if k else error
        dx, dy = e[..., 1:] - e[..., :-1], e[..., 1:, :] - e[..., :-1, :]
        total = total + 0.5 * (dx.abs().mean() + dy.abs().mean())
        if k:
            total = total + 0.5 * e.abs().mean()
    return total / mask.mean().clamp(min=0.05)
