"""Stars and the Milky Way: points of light on the sphere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import chances, fbm, mix
from .rays import Rays


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Stars of one class: cells along a cube face, share of cells filled, light, radius in rad."""

    cells: float
    density: float
    light: float
    spread: float
    radius: float
    halo: float = 0.0


LAYERS = (
    Layer(cells=9.0, density=0.4, light=1.5, spread=0.6, radius=0.0042, halo=0.3),
    Layer(cells=26.0, density=0.4, light=0.75, spread=0.75, radius=0.0022),
    Layer(cells=60.0, density=0.45, light=0.42, spread=0.8, radius=0.0011),
    Layer(cells=150.0, density=0.5, light=0.4, spread=0.8, radius=0.0005),
)


def face_cell(rays: Rays, cells: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Cube face (0 to 5), the cell (column, row) on it and the place (a, b) in -1..1 on it."""
    x, y, z = rays.x, rays.y, rays.z
    ax, ay, az = x.abs(), y.abs(), z.abs()
    on_x = (ax >= ay) & (ax >= az)
    on_y = ~on_x & (ay >= az)
    lead = torch.where(on_x, x, torch.where(on_y, y, z))
    a = torch.where(on_x, y, x) / lead.abs()
    b = torch.where(on_x | on_y, z, y) / lead.abs()
    face = torch.where(on_x, 0.0, torch.where(on_y, 2.0, 4.0)) + (lead > 0.0)
    column = ((a * 0.5 + 0.5) * cells).floor()
    row = ((b * 0.5 + 0.5) * cells).floor()
    return face, column, row, a, b


def points(layer: Layer, seed: float, fill: float, rays: Rays) -> tuple[Tensor, Tensor]:
    """Light of the stars of a layer, and a random number 0..1 of each star."""
    face, column, row, a, b = face_cell(rays, layer.cells)
    r = chances(face + 8.0 * round(seed * 16.0), column, row)
    ca = (column + 0.2 + 0.6 * r[..., 0]) / layer.cells * 2.0 - 1.0
    cb = (row + 0.2 + 0.6 * r[..., 1]) / layer.cells * 2.0 - 1.0
    here, there = torch.rsqrt(1.0 + a * a + b * b), torch.rsqrt(1.0 + ca * ca + cb * cb)
    gap = (here - there) ** 2 + (a * here - ca * there) ** 2 + (b * here - cb * there) ** 2
    size = max(0.72 * rays.pixel, layer.radius)
    dim = min(1.0, (6.0 * layer.radius / rays.pixel) ** 2)
    light = layer.light * (1.0 - layer.spread * r[..., 2] ** 0.5)
    shine = torch.exp(-gap / (size * size))
    if layer.halo > 0.0:
        shine = shine + layer.halo * torch.exp(-torch.sqrt(gap) / (2.2 * size))
    alive = (r[..., 3] < layer.density * fill).float()
    return shine * light * alive * dim, (r[..., 3] * 91.7).frac()


def starfield(seed: float, fill: float, rays: Rays) -> Tensor:
    """Stars that twinkle; light to add, [..., 3]."""
    out = torch.zeros(3, device=rays.x.device)
    for layer in LAYERS:
        if 6.0 * layer.radius < 0.5 * rays.pixel:
            continue
        light, own = points(layer, seed, fill, rays)
        twinkle = 0.72 + 0.28 * torch.sin((5.0 + 5.0 * own) * rays.t + 40.0 * own)
        tint = mix((0.72, 0.83, 1.0), (1.0, 0.87, 0.7), own)
        out = out + tint * (light * twinkle)[..., None]
    return out


def milky_way(seed: float, strength: float, axis: tuple[float, float, float], rays: Rays) -> Tensor:
    """The band of the galaxy with its dust lanes; light to add, [..., 3]."""
    x, y, z = rays.x, rays.y, rays.z
    off = x * axis[0] + y * axis[1] + z * axis[2]
    blur = 2.0 * rays.pixel
    cloud = fbm(2.0 * x + seed, 2.0 * y, 2.0 * z, 6, blur, 0.6)
    dust = fbm(3.1 * x, 3.1 * y + seed, 3.1 * z, 6, 1.5 * blur, 0.6)
    band = torch.exp(-((off / (0.22 + 0.05 * cloud).clamp(min=0.1)) ** 2))
    core = torch.exp(-((off / 0.1) ** 2))
    lane = torch.exp(-(((off + 0.05 * dust) / 0.05) ** 2)) * (0.6 + 0.5 * dust).clamp(0.0, 1.0)
    glow = band * (0.5 + 0.33 * cloud).clamp(min=0.04) * (1.0 - 0.8 * lane)
    tint = mix((0.3, 0.4, 0.8), (0.95, 0.72, 0.62), (core * (0.7 + 0.3 * cloud)).clamp(0.0, 1.0))
    return tint * (strength * glow)[..., None]
