"""Smooth periodic noise from one small table: what every procedural world is drawn with."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

TABLE = 64  # voxels along one side of the table
FEATURE = 4  # voxels a feature of size one spans: the noise repeats after 16 units
PIXEL = 0.0123  # radians one pixel of a 128-pixel, 90-degree view spans at its centre


@lru_cache(maxsize=1)
def _table() -> Tensor:
    """Two channels of band-limited Gaussian noise, [1, 2, 65, 65, 65], unit variance."""
    generator = torch.Generator().manual_seed(20_260_101)
    white = torch.randn(2, TABLE, TABLE, TABLE, generator=generator)
    k = torch.fft.fftfreq(TABLE) * TABLE
    radius = torch.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)
    peak = TABLE / FEATURE / 2.0
    band = torch.exp(-(((radius - peak) / (0.45 * peak)) ** 2))
    band[0, 0, 0] = 0.0
    smooth = torch.fft.ifftn(torch.fft.fftn(white, dim=(1, 2, 3)) * band, dim=(1, 2, 3)).real
    smooth = smooth / smooth.std(dim=(1, 2, 3), keepdim=True)
    return F.pad(smooth[None], (0, 1, 0, 1, 0, 1), mode="circular")


def noise2(x: Tensor, y: Tensor, z: Tensor | float) -> Tensor:
    """Two independent noises of zero mean and unit variance at (x, y, z).

    The coordinates broadcast against each other; the result has shape [2, *broadcast].
    """
    x, y, deep = torch.broadcast_tensors(x, y, torch.as_tensor(z, dtype=torch.float32))
    grid = torch.stack((x, y, deep), dim=-1).mul_(FEATURE / TABLE)
    grid = grid.sub_(grid.floor()).mul_(2.0).sub_(1.0)
    flat = grid.reshape(1, 1, 1, -1, 3)
    out = F.grid_sample(_table(), flat, mode="bilinear", align_corners=True)
    return out.reshape(2, *x.shape)


def noise(x: Tensor, y: Tensor, z: Tensor | float) -> Tensor:
    """One noise of zero mean and unit variance, shaped like the broadcast coordinates."""
    return noise2(x, y, z)[0]


def fbm(
    x: Tensor,
    y: Tensor,
    z: Tensor | float,
    octaves: int = 3,
    blur: Tensor | float = 0.0,
    gain: float = 0.5,
) -> Tensor:
    """Sum of octaves of noise, about unit variance where nothing is faded.

    blur is the footprint of a pixel in units of the first octave; an octave whose features are
    smaller than the pixel fades out, which is all the anti-aliasing there is.
    """
    blur = torch.as_tensor(blur, dtype=torch.float32)
    z = torch.as_tensor(z, dtype=torch.float32)
    total = torch.zeros(())
    power = 0.0
    for k in range(octaves):
        scale, weight = 2.03**k, gain**k
        value = noise(x * scale + 5.3 * k, y * scale + 2.9 * k, z * scale + 7.7 * k)
        total = total + value * (weight / (1.0 + (2.2 * blur * scale) ** 4))
        power += weight * weight
    return total / power**0.5


def smoothstep(low: float | Tensor, high: float | Tensor, x: Tensor) -> Tensor:
    """Cubic step from 0 at low to 1 at high."""
    s = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


def mix(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Blend of two colours [..., 3] by a scalar field [...]: 0 keeps a, 1 gives b."""
    return a + (b - a) * weight[..., None]


def glints(x: Tensor, y: Tensor, z: Tensor, radius: float, density: float) -> tuple[Tensor, Tensor]:
    """Round dots, at most one in each cell of the unit grid of (x, y, z).

    Returns (brightness 0..1, a random number 0..1 that belongs to the dot), both shaped like the
    broadcast coordinates. A dot stays inside its cell, so no neighbour is looked at.
    """
    x, y, z = torch.broadcast_tensors(x, y, z)
    ix, iy, iz = x.floor(), y.floor(), z.floor()
    seed = (ix * 127.1 + iy * 311.7 + iz * 74.7).remainder(8192.0)
    r1 = (torch.sin(seed * 1.17) * 43758.5).frac().abs()
    r2 = (torch.sin(seed * 2.31 + 1.3) * 22578.1).frac().abs()
    r3 = (torch.sin(seed * 0.73 + 2.1) * 19642.3).frac().abs()
    span = max(0.0, 1.0 - 2.0 * radius)
    dx = x - ix - (radius + span * r1)
    dy = y - iy - (radius + span * r2)
    dz = z - iz - (radius + span * r3)
    shape = 1.0 - ((dx * dx + dy * dy + dz * dz) / (radius * radius)).clamp(max=1.0)
    pick = (r1 * 7.0 + r2 * 5.0 + r3 * 3.0).frac()
    alive = (pick < density).float()
    return shape * shape * alive, r2
