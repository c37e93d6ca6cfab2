"""Everything below the horizon, and what stands on it, as functions of direction and time.

Conventions as in sky.py; z is negative below the horizon. The ground is a plane under the camera,
so a direction reaches it at (x, y) / -z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import PIXEL, fbm, mix, noise, noise2, smoothstep
from .sky import Colour, Sky, direction, rgb, sky_colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What lies below the horizon. kind: sea, snow, dunes, meadow, lava, mist, seabed."""

    kind: str
    seed: float = 0.0
    colour: Colour = (0.02, 0.12, 0.25)
    light: Colour = (0.5, 0.6, 0.7)
    rough: float = 0.3
    speed: float = 0.6
    scale: float = 1.0
    haze: float = 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """A line of hills, mountains or trees against the sky; heights are tangents of elevation."""

    colour: Colour
    height: float = 0.1
    rise: float = 0.05
    detail: float = 2.0
    seed: float = 0.0
    snow: float = 0.0
    spikes: float = 0.0
    mist: float = 0.5


def plane(ground: Ground, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the directions meet the ground, in noise units, and the footprint of a pixel there."""
    reach = ground.scale / (-z).clamp(min=0.03)
    blur = PIXEL * reach * reach / ground.scale * 0.6
    return x * reach + ground.seed, y * reach + 0.6 * ground.seed, blur


def sun_slope(sky: Sky) -> tuple[float, float]:
    """Horizontal direction the light comes from."""
    if sky.sun is None:
        return 0.8, 0.6
    sx, sy, _ = direction(sky.sun[0], 0.0)
    return sx, sy


def sea(ground: Ground, sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Water: the sky mirrored in moving waves over the water's own colour."""
    u, v, blur = plane(ground, x, y, z)
    near = 1.0 / (1.0 + (2.0 * blur) ** 2)
    go = ground.speed * t
    swell = noise2(0.45 * u + 0.5 * go, 0.9 * v + 0.25 * go, 0.5 * go)
    chop = noise2(1.3 * u - 0.6 * go, 1.7 * v + 0.5 * go, go + 3.0)
    calm = 1.0 / (1.0 + (0.8 * blur) ** 2)
    tilt = swell * calm + 0.55 * chop * near
    down = (-z).clamp(min=0.0)
    bend = ground.rough * (0.10 + 0.25 * down)
    rx, ry = x + bend * tilt[0], y + bend * tilt[1]
    rz = down + ground.rough * 0.12 * tilt[1].abs() + 0.015
    norm = torch.rsqrt(rx * rx + ry * ry + rz * rz)
    mirror = sky_colour(sky, rx * norm, ry * norm, rz * norm, t).clamp(0.0, 1.0)
    shine = (0.28 + 0.62 * (1.0 - down).clamp(min=0.0) ** 3).clamp(max=0.92)
    facing = (0.5 + 0.35 * tilt[0] * min(1.0, 0.35 + ground.rough)).clamp(0.0, 1.2)
    water = rgb(ground.colour) * (0.55 + 0.9 * facing)[..., None]
    out = mix(water, mirror, shine)
    if ground.rough > 0.6:
        crest = smoothstep(1.1, 1.9, swell[0] + 0.5 * chop[0] * near) * (ground.rough - 0.4)
        out = mix(out, rgb(ground.light), crest.clamp(0.0, 0.8))
    return out


def relief(ground: Ground, sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Snow, dunes or meadow: rolling ground lit from the side of the sun."""
    u, v, blur = plane(ground, x, y, z)
    sx, sy = sun_slope(sky)
    dunes = ground.kind == "dunes"
    su, sv = (u * 0.75, v * 0.4) if dunes else (u * 0.5, v * 0.5)
    here = fbm(su, sv, ground.seed, 3, blur * 0.5)
    there = fbm(su + 0.16 * sx, sv + 0.16 * sy, ground.seed, 2, blur * 0.5)
    slope = (here - there) * ground.rough
    if dunes:
        crest = 1.0 - here.abs()
        wave = torch.sin(9.0 * v + 2.2 * here + 3.0 * u - ground.speed * t)
        slope = slope * 1.3 + 0.1 * crest + 0.12 * wave / (1.0 + (9.0 * blur) ** 2)
    light = (0.55 + 0.5 * slope).clamp(0.0, 1.0)
    out = mix(rgb(ground.colour), rgb(ground.light), light)
    if ground.kind == "meadow":
        gust = noise(0.55 * u - ground.speed * t, 0.55 * v - 0.3 * ground.speed * t, 2.0)
        blades = noise(2.6 * u, 2.6 * v, 1.5 * ground.speed * t) / (1.0 + (6.0 * blur) ** 2)
        shine = (0.16 * gust + 0.10 * blades).clamp(-0.3, 0.4)
        out = out * (1.0 + 1.3 * shine)[..., None]
    else:
        drift = noise(0.8 * u - 1.5 * ground.speed * t, 0.5 * v, 0.4 * ground.speed * t)
        out = out * (1.0 + 0.05 * drift * (ground.speed > 0))[..., None]
    return out


def glowing(ground: Ground, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Lava: a dark crust with glowing cracks that flow."""
    u, v, blur = plane(ground, x, y, z)
    go = ground.speed * t
    warp = noise2(0.6 * u + 0.2 * go, 0.6 * v, 0.3 * go + ground.seed)
    crack = fbm(0.8 * u + 0.35 * warp[0] + 0.3 * go, 0.8 * v + 0.35 * warp[1], 0.35 * go, 3, blur)
    heat = torch.exp(-((crack / (0.28 + 0.25 * ground.rough)) ** 2))
    heat = heat * (0.85 + 0.2 * noise(0.5 * u, 0.5 * v, 1.4 * go + 9.0))
    return ember(heat * (1.0 - 0.35 * smoothstep(0.5, 2.5, blur)), ground.light)


def ember(heat: Tensor, tint: Colour) -> Tensor:
    """Colour of something hot: black, red, orange, yellow-white as heat goes 0..1 and above."""
    h = heat.clamp(0.0, 1.3)[..., None]
    red = rgb(tint) * (1.5 * h).clamp(max=1.0)
    hot = mix(red, rgb((1.0, 0.93, 0.6)), smoothstep(0.75, 1.2, h[..., 0]))
    return rgb((0.04, 0.02, 0.03)) * (1.0 - h.clamp(max=1.0)) + hot * h.clamp(max=1.0)


def rolling_mist(ground: Ground, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """A sea of mist seen from above."""
    u, v, blur = plane(ground, x, y, z)
    go = ground.speed * t
    warp = noise2(0.4 * u + 0.3 * go, 0.4 * v, 0.2 * go + ground.seed)
    body = fbm(0.6 * u + 0.5 * go + 0.4 * warp[0], 0.6 * v + 0.4 * warp[1], 0.3 * go, 3, blur)
    return mix(rgb(ground.colour), rgb(ground.light), (0.5 + 0.42 * body).clamp(0.0, 1.0))


def caustics(u: Tensor, v: Tensor, t: Tensor, blur: Tensor) -> Tensor:
    """The moving net of light under water, 0..1."""
    warp = noise2(0.8 * u, 0.8 * v, 0.5 * t)
    net = noise(1.1 * u + 0.3 * warp[0], 1.1 * v + 0.3 * warp[1], 0.7 * t + 4.0)
    return torch.exp(-((net / 0.28) ** 2)) / (1.0 + (2.0 * blur) ** 2)


def seabed(ground: Ground, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Sand under water with the net of light on it."""
    u, v, blur = plane(ground, x, y, z)
    base = fbm(0.5 * u, 0.5 * v, ground.seed, 2, blur)
    out = mix(rgb(ground.colour), rgb(ground.light), (0.35 + 0.2 * base).clamp(0.0, 1.0))
    net = caustics(u, v, ground.speed * t, blur)
    return mix(out, rgb(ground.light) * 0.4 + 0.6, 0.6 * net)


def ground_colour(ground: Ground, sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Colour of the ground in direction (x, y, z), hazy towards the horizon, [..., 3]."""
    if ground.kind == "sea":
        out = sea(ground, sky, x, y, z, t)
    elif ground.kind == "lava":
        out = glowing(ground, x, y, z, t)
    elif ground.kind == "mist":
        out = rolling_mist(ground, x, y, z, t)
    elif ground.kind == "seabed":
        out = seabed(ground, x, y, z, t)
    else:
        out = relief(ground, sky, x, y, z, t)
    haze = torch.exp(-(-z).clamp(min=0.0) / ground.haze) * (0.45 if ground.kind == "sea" else 0.8)
    return mix(out, rgb(sky.horizon), haze)


def ridge_line(ridge: Ridge, x: Tensor, y: Tensor) -> Tensor:
    """Height of the ridge, as the tangent of its elevation, in each heading."""
    flat = torch.rsqrt(x * x + y * y + 1e-6)
    cx, cy = x * flat, y * flat
    line = fbm(ridge.detail * cx, ridge.detail * cy, ridge.seed, 4, gain=0.45)
    out = ridge.height + ridge.rise * line
    if ridge.spikes > 0.0:
        trees = noise(13.0 * cx, 13.0 * cy, ridge.seed + 3.0)
        out = out + ridge.spikes * (1.0 - trees.abs().clamp(max=1.0))
    return out.clamp(min=0.0)


def ridge_over(
    ridge: Ridge, sky: Sky, x: Tensor, y: Tensor, z: Tensor, out: Tensor, t: Tensor
) -> Tensor:
    """Paint one ridge over what is behind it; its foot dissolves into mist."""
    flat = torch.sqrt(x * x + y * y + 1e-6)
    tangent = z / flat
    line = ridge_line(ridge, x, y)
    body = smoothstep(0.012, -0.012, tangent - line) * (z > -0.02).float()
    colour = rgb(ridge.colour)
    face = fbm(5.0 * x, 5.0 * y, 7.0 * z + ridge.seed, 2)
    shaded = colour * (1.0 + 0.16 * face)[..., None]
    if ridge.snow > 0.0:
        cap = smoothstep(-0.3, 0.5, (tangent / line.clamp(min=0.02) - 0.62) * 3.0 + 0.5 * face)
        shaded = mix(
            shaded, rgb((0.93, 0.95, 1.0)) * (0.5 + 0.5 * max(sky.horizon)), ridge.snow * cap
        )
    foot = ridge.mist * smoothstep(1.0, 0.0, tangent / line.clamp(min=0.03))
    shaded = mix(shaded, rgb(sky.horizon), foot.clamp(0.0, 1.0))
    return mix(out, shaded, body)


def flames(
    seed: float, speed: float, tint: Colour, x: Tensor, y: Tensor, z: Tensor, t: Tensor
) -> Tensor:
    """A wall of fire all around, light to add, [..., 3]."""
    flat = torch.rsqrt(x * x + y * y + 1e-4)
    cx, cy = x * flat, y * flat
    up = z * flat
    go = speed * t
    sway = noise2(1.1 * cx + seed, 1.1 * cy, 0.8 * up - 0.8 * go)
    tongue = fbm(2.0 * cx + 0.3 * sway[0], 2.0 * cy + 0.3 * sway[1], 1.1 * up - 1.7 * go, 3)
    heat = 0.95 + 0.5 * tongue - 1.0 * up.clamp(min=-0.3).abs()
    return ember(smoothstep(-0.35, 1.6, heat) * 1.2, tint)
