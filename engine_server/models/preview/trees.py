"""Trees that ring a clearing, as functions of rays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Colour, chances, fbm, mix, noise, rgb, smoothstep
from .rays import Rays
from .sky import Sky


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Rows of trees around the camera.

    Attributes:
        leaf, bark: Colours as lit.
        conifer: Pointed trees instead of round crowns.
        height: Tangent of the elevation of the nearest tops.
        count: Trees around in the nearest row.
        sway: How far the wind bends them, radians.
        speed: How fast.
        rows: Rows, the first is the nearest.
        gap: Share of places without a tree.
        snow: Share of white on them.
    """

    leaf: Colour
    bark: Colour = (0.16, 0.11, 0.07)
    conifer: bool = True
    height: float = 0.8
    count: int = 22
    sway: float = 0.02
    speed: float = 1.0
    rows: int = 3
    gap: float = 0.15
    seed: float = 0.0
    snow: float = 0.0


def row_over(trees: Trees, row: int, half: int, sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Paint one of the two staggered halves of a row over `out`."""
    shrink = 0.66**row * (1.0 if half else 0.93)
    count = round(trees.count * 1.35**row / 2)
    flat = rays.flat()
    up = rays.z / flat
    angle = torch.atan2(rays.y, rays.x) / (2.0 * math.pi) * count + 0.5 * half
    cell = angle.floor().remainder(count)
    own = chances(cell, torch.full_like(cell, float(2 * row + half + 16 * round(7 * trees.seed))))
    tall = trees.height * shrink * (0.7 + 0.5 * own[..., 0])
    foot = -0.34 * shrink
    part = ((up - foot) / (tall - foot)).clamp(-0.2, 1.5)
    wind = torch.sin(2.4 * trees.speed * rays.t + 9.0 * own[..., 1]) + 0.5
    lean = trees.sway * wind * part.clamp(min=0.0) ** 2 * count / (2.0 * math.pi)
    still = angle - angle.floor() - 0.5 - 0.16 * (own[..., 2] - 0.5)
    width = 2.0 * math.pi / count
    side = (still - lean) * width / (tall - foot)  # in heights of the tree
    edge = 0.7 * rays.pixel / (tall - foot)
    across = 18.0 * still * width / (tall - foot) + 40.0 * own[..., 1]
    leafy = fbm(across, 18.0 * part + 9.0 * own[..., 2], row + 0.3, 6, 18.0 * edge, 0.75)
    room = 0.4 * width / (tall - foot)
    if trees.conifer:
        tier = (part * (7.0 + 3.0 * own[..., 3])).frac()
        reach = (1.0 - part).clamp(min=0.0) * (0.2 + 0.06 * own[..., 3]) * (1.2 - 0.5 * tier)
        crown = torch.minimum(reach, room + 0.0 * reach) - side.abs() + 0.012 * leafy
        crown = torch.where(part > 0.14, crown, crown - (0.14 - part))
    else:
        size = torch.minimum(0.26 + 0.05 * own[..., 3], room + 0.0 * tall)
        ball = torch.sqrt((side / size) ** 2 + ((part - 0.68) / 0.33) ** 2)
        crown = (1.0 - ball) * size + 0.035 * leafy
    trunk = 0.018 + 0.008 * (1.0 - part) - side.abs()
    trunk = torch.where((part < 0.75) & (part > -0.05), trunk, torch.full_like(trunk, -1.0))
    alive = (own[..., 3] > trees.gap).float() * (part > -0.05).float()
    wood = smoothstep(-edge, edge, trunk) * alive
    leaves = smoothstep(-edge, edge, crown) * alive * (part < 1.02).float()
    air = 0.5 * (1.0 - 0.72**row)
    light = 0.55 + 0.4 * part.clamp(0.0, 1.0) + 0.25 * leafy + 1.1 * side * (0.6 - own[..., 1])
    tone = rgb(trees.leaf, flat) * (0.8 + 0.4 * own[..., 2:3])
    green = tone * light.clamp(0.25, 1.5)[..., None]
    if trees.snow > 0.0:
        bough = (part * (7.0 + 3.0 * own[..., 3])).frac()
        cap = (
            smoothstep(0.15, 0.75, bough + 0.18 * leafy) * smoothstep(1.25, 0.7, bough) * trees.snow
        )
        green = mix(green, rgb((0.9, 0.94, 1.0), flat) * (0.35 + 0.65 * max(sky.horizon)), cap)
    bark = (
        rgb(trees.bark, flat) * (0.8 + 0.5 * noise(40.0 * side, 5.0 * part, own[..., 1]))[..., None]
    )
    out = mix(out, mix(bark, sky.horizon, torch.full_like(wood, air)), wood)
    return mix(out, mix(green, sky.horizon, torch.full_like(leaves, air)), leaves)


def trees_over(trees: Trees, sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Paint all rows, the farthest first, over `out`."""
    for row in reversed(range(trees.rows)):
        for half in (0, 1):
            out = row_over(trees, row, half, sky, rays, out)
    return out
