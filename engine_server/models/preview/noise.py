"""Smooth periodic noise from small tables: what every procedural world is drawn with."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Colour = tuple[float, float, float]

TABLE = 64  # voxels along one side of the table
FEATURE = 4  # voxels a feature of size one spans: the noise repeats after 16 units
CHANCES = 4096  # rows of the table of random numbers
MOST_OCTAVES = 9


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
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
    return F.pad(smooth[None], (0, 1, 0, 1, 0, 1), mode="circular").to(device)


@lru_cache(maxsize=4)
def _chances(device: torch.device) -> tuple[Tensor, Tensor]:
    """A permutation of 0..4095, [4096], and four random numbers 0..1 a row, [4096, 4]."""
    generator = torch.Generator().manual_seed(20_260_102)
    order = torch.randperm(CHANCES, generator=generator)
    return order.to(device), torch.rand(CHANCES, 4, generator=generator).to(device)


def chances(*cell: Tensor) -> Tensor:
    """Four random numbers 0..1 that belong to a cell of whole coordinates, [..., 4]."""
    order, numbers = _chances(cell[0].device)
    at = torch.zeros((), dtype=torch.long, device=cell[0].device)
    for part in cell:
        at = order[(at + part.long()).remainder(CHANCES)]
    return numbers[at]


def rgb(colour: Colour, like: Tensor) -> Tensor:
    """A colour as a tensor [3] where `like` lies."""
    return torch.tensor(colour, dtype=torch.float32, device=like.device)


def _sampled(x: Tensor, y: Tensor, z: Tensor | float, channels: int) -> Tensor:
    """Noise at (x, y, z), [channels, *broadcast]; cheaper where all of a row has one z."""
    table = _table(x.device)[:, :channels]
    deep = torch.as_tensor(z, dtype=torch.float32, device=x.device)
    x, y = torch.broadcast_tensors(x, y)
    if deep.numel() == 1 or (deep.shape[-1:] == (1,) and deep.dim() == x.dim() == 2):
        return _on_planes(table, x, y, deep)
    x, y, deep = torch.broadcast_tensors(x, y, deep)
    grid = torch.stack((x, y, deep), dim=-1).mul_(FEATURE / TABLE)
    grid = grid.sub_(grid.floor()).mul_(2.0).sub_(1.0)
    flat = grid.reshape(1, 1, 1, -1, 3)
    out = F.grid_sample(table, flat, mode="bilinear", align_corners=True)
    return out.reshape(channels, *x.shape)


def _on_planes(table: Tensor, x: Tensor, y: Tensor, deep: Tensor) -> Tensor:
    """The same, with one plane cut out of the table for each depth."""
    channels = table.shape[1]
    at = (deep.reshape(-1) * (FEATURE / TABLE)).remainder(1.0) * TABLE
    low = at.floor().long().clamp(max=TABLE - 1)
    part = (at - low)[:, None, None, None]
    volume = table[0].transpose(0, 1)  # [65, channels, 65, 65]
    planes = volume[low] * (1.0 - part) + volume[low + 1] * part
    if len(planes) > 1 and len(x) == 1:
        x, y = x.expand(len(planes), -1), y.expand(len(planes), -1)
    grid = torch.stack((x, y), dim=-1).mul_(FEATURE / TABLE)
    grid = grid.sub_(grid.floor()).mul_(2.0).sub_(1.0)
    flat = grid.reshape(len(planes), 1, -1, 2)
    out = F.grid_sample(planes, flat, mode="bilinear", align_corners=True)
    return out.transpose(0, 1).reshape(channels, *x.shape)


def noise2(x: Tensor, y: Tensor, z: Tensor | float) -> tuple[Tensor, Tensor]:
    """Two independent noises of zero mean and unit variance at (x, y, z).

    The coordinates broadcast against each other; each result has the broadcast shape.
    """
    first, second = _sampled(x, y, z, 2)
    return first, second


def noise(x: Tensor, y: Tensor, z: Tensor | float) -> Tensor:
    """One noise of zero mean and unit variance, shaped like the broadcast coordinates."""
    return _sampled(x, y, z, 1)[0]


def fbm(
    x: Tensor,
    y: Tensor,
    z: Tensor | float,
    octaves: int = MOST_OCTAVES,
    blur: Tensor | float = 0.0,
    gain: float = 0.5,
) -> Tensor:
    """Sum of octaves of noise, about unit variance where nothing is faded.

    blur is the footprint of a pixel in units of the first octave. An octave whose features are
    smaller than the pixel fades out, and none is drawn that would be faded everywhere: narrow
    views get finer detail and wide ones do not shimmer.
    """
    blur = torch.as_tensor(blur, dtype=torch.float32, device=x.device)
    z = torch.as_tensor(z, dtype=torch.float32, device=x.device)
    finest = float(blur.min())
    total = torch.zeros((), device=x.device)
    y = y.expand_as(x) if y.dim() == 0 else y
    for k in range(octaves):
        scale, weight = 2.03**k, gain**k
        if k > 0 and 2.2 * finest * scale > 1.5:
            break
        turned = (x, y) if k % 2 == 0 else (0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y)
        value = noise(turned[0] * scale + 5.3 * k, turned[1] * scale + 2.9 * k, z * scale + 7.7 * k)
        total = total + value * (weight * smoothstep(1.5, 0.5, 2.2 * blur * scale))
    return total * (1.0 - gain * gain) ** 0.5


def smoothstep(low: float | Tensor, high: float | Tensor, x: Tensor) -> Tensor:
    """Cubic step from 0 at low to 1 at high."""
    s = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


def mix(a: Tensor | Colour, b: Tensor | Colour, weight: Tensor) -> Tensor:
    """Blend of two colours [..., 3] by a scalar field [...]: 0 keeps a, 1 gives b."""
    first = a if isinstance(a, Tensor) else rgb(a, weight)
    second = b if isinstance(b, Tensor) else rgb(b, weight)
    return first + (second - first) * weight[..., None]


def cellular(x: Tensor, y: Tensor, sway: Tensor | float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Distances to the nearest and second nearest of points scattered one in a unit cell.

    sway is a phase in radians on which the points circle. Returns (nearest, second nearest, a
    random number 0..1 that belongs to the nearest point).
    """
    ix, iy = x.floor(), y.floor()
    far = torch.full_like(x + torch.as_tensor(sway, device=x.device), 9.0)
    first, second, own = far, far, torch.zeros_like(far)
    for dx in (-1.0, 0.0, 1.0):
        for dy in (-1.0, 0.0, 1.0):
            cx, cy = ix + dx, iy + dy
            r = chances(cx, cy)
            turn = 6.2832 * r[..., 2] + sway
            px = cx + 0.5 + 0.55 * (r[..., 0] - 0.5) + 0.2 * torch.sin(turn)
            py = cy + 0.5 + 0.55 * (r[..., 1] - 0.5) + 0.2 * torch.cos(turn)
            gap = torch.sqrt((x - px) ** 2 + (y - py) ** 2 + 1e-6)
            second = torch.minimum(second, torch.maximum(first, gap))
            own = torch.where(gap < first, r[..., 3], own)
            first = torch.minimum(first, gap)
    return first, second, own


def glints(
    x: Tensor, y: Tensor, z: Tensor, radius: float, density: float, edge: float
) -> tuple[Tensor, Tensor]:
    """Round dots, at most one in each cell of the unit grid of (x, y, z).

    radius and edge (the width of the rim) are in cells. Returns (cover 0..1, a random number 0..1
    that belongs to the dot), both shaped like the broadcast coordinates. A dot stays inside its
    cell, so no neighbour is looked at.
    """
    x, y, z = torch.broadcast_tensors(x, y, z)
    ix, iy, iz = x.floor(), y.floor(), z.floor()
    r = chances(ix, iy, iz)
    reach = min(0.5, radius + 0.5 * edge)
    span = 1.0 - 2.0 * reach
    dx = x - ix - (reach + span * r[..., 0])
    dy = y - iy - (reach + span * r[..., 1])
    dz = z - iz - (reach + span * r[..., 2])
    gap = torch.sqrt(dx * dx + dy * dy + dz * dz)
    shape = ((radius - gap) / edge + 0.5).clamp(0.0, 1.0)
    alive = (r[..., 3] < density).float()
    return shape * alive, (r[..., 3] / max(density, 1e-3)).clamp(max=1.0)
