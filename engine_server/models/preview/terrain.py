"""Hills and dunes as a height field, found by marching along every ray.

The camera stands one unit above the origin. Distances are drawn together with a power law, so that
far hills keep a size that can be seen, and a far march costs no more than a near one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import fbm, noise, smoothstep
from .rays import Rays, direction

SQUEEZE = 0.6  # distance r is drawn at r ** SQUEEZE of the noise
STEPS = 30
FARTHEST = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A height field: feature size, height of a hill by its distance, and how sharp crests are."""

    seed: float = 0.0
    scale: float = 0.5
    height: float = 0.09
    crest: float = 0.0
    detail: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where rays meet the ground; every field [1, N].

    Attributes:
        u, v: Place on the ground.
        far: Distance along the ground.
        height: Height of the ground there, the camera stands at 1.
        cover: 1 where the ray meets the ground, 0 where it passes, between at the skyline.
        blur: Footprint of a pixel in units of u and v.
    """

    u: Tensor
    v: Tensor
    far: Tensor
    height: Tensor
    cover: Tensor
    blur: Tensor


def heights(shape: Shape, u: Tensor, v: Tensor, fine: int = 2, blur: Tensor | float = 0.0):
    """Height of the ground at (u, v)."""
    far = torch.sqrt(u * u + v * v + 1e-4)
    pull = shape.scale * far ** (SQUEEZE - 1.0)
    p, q = u * pull + shape.seed, v * pull + 0.7 * shape.seed
    roll = noise(p, q, shape.seed)
    if shape.crest > 0.0:
        bend = noise(0.6 * p + 3.0, 0.6 * q, shape.seed + 5.0)
        saw = 1.0 - 1.25 * (roll + 0.25 * bend).abs()
        roll = roll + (saw + 0.5 * bend - roll) * shape.crest
    if fine > 0 and shape.detail > 0.0:
        roll = roll + shape.detail * fbm(2.3 * p, 2.3 * q, shape.seed + 9.0, fine, blur * pull)
    rise = shape.height * far**0.85 * smoothstep(0.5, 3.5, far)
    return rise * (roll + 0.15)


def march(shape: Shape, rays: Rays) -> Hit:
    """Meet every ray with the ground."""
    x, y, z = rays.x, rays.y, rays.z
    flat = rays.flat()
    cx, cy, slope = x / flat, y / flat, z / flat
    knots = torch.linspace(0.5, FARTHEST**SQUEEZE, STEPS, device=x.device) ** (1.0 / SQUEEZE)
    reach = knots[:, None, None]
    over = 1.0 + reach * slope - heights(shape, reach * cx, reach * cy, 1)
    below = over < 0.0
    first = below.float().argmax(dim=0, keepdim=True)
    met = below.any(dim=0, keepdim=True)
    before = (first - 1).clamp(min=0)
    d1, d0 = over.gather(0, first), over.gather(0, before)
    r1, r0 = knots[first], knots[before]
    part = (d0 / (d0 - d1).clamp(min=1e-6)).clamp(0.0, 1.0)
    crossing = r0 + (r1 - r0) * part
    level = (1.0 / (-slope).clamp(min=1.0 / 120.0)).clamp(max=120.0)
    near = met & (first == 0)
    far = torch.where(met & ~near, crossing, level)[0]
    rim = (-over / reach).amax(dim=0)
    skyline = smoothstep(-rays.pixel, rays.pixel, torch.maximum(rim, -slope - 0.004))
    u, v = far * cx, far * cy
    blur = rays.pixel * far * (1.0 + 0.25 * far).clamp(max=6.0)
    return Hit(u=u, v=v, far=far, height=heights(shape, u, v), cover=skyline, blur=blur)


def lit(shape: Shape, hit: Hit, sun: tuple[float, float] | None, pixel: float) -> Tensor:
    """Light on the ground 0..1 from a sun at (yaw, pitch), with soft shadows of the hills."""
    yaw, pitch = sun if sun is not None else (0.9, 0.6)
    pitch = min(max(pitch, 0.16), 1.1)
    sx, sy, _ = direction(yaw, 0.0)
    step = (0.02 + 1.2 * pixel) * hit.far + 0.01
    blur = 0.5 * hit.blur
    here = heights(shape, hit.u, hit.v, 5, blur)
    there = heights(shape, hit.u + step * sx, hit.v + step * sy, 5, blur)
    side = heights(shape, hit.u - step * sy, hit.v + step * sx, 5, blur)
    along, across = (there - here) / step, (side - here) / step
    facing = (math.sin(pitch) - along * math.cos(pitch)) * torch.rsqrt(
        1.0 + along * along + across * across
    )
    light = facing.clamp(0.0, 1.0)
    if sun is not None:
        block = torch.full_like(light, -1.0)
        for k in range(6):
            way = (0.06 * 1.9**k) * (hit.far + 0.5)
            rise = heights(shape, hit.u + way * sx, hit.v + way * sy, 0) - hit.height
            block = torch.maximum(block, rise / way - math.tan(pitch))
        light = light * (1.0 - 0.8 * smoothstep(-0.06, 0.1, block))
    return light / max(math.sin(pitch), 0.35)
