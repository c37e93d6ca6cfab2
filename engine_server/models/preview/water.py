"""Water: the open sea from above, and the world under it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Colour, cellular, chances, fbm, mix, noise, noise2, rgb, smoothstep
from .rays import Rays
from .sky import Sky, sky_colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What lies below the horizon.

    kind: sea, snow, dunes, meadow, fields, lava, coals, mist, seabed. rough is the height of waves
    or hills, speed that of all that moves, haze the tangent over which the ground fades.
    """

    kind: str
    seed: float = 0.0
    colour: Colour = (0.02, 0.12, 0.25)
    light: Colour = (0.5, 0.6, 0.7)
    accent: Colour = (1.0, 1.0, 1.0)
    rough: float = 0.3
    speed: float = 0.6
    scale: float = 1.0
    haze: float = 0.07
    flowers: float = 0.0
    drops: float = 0.0


def plane(ground: Ground, rays: Rays) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays meet a level ground, in noise units, and the footprint of a pixel there."""
    down = (-rays.z).clamp(min=max(0.0012, 0.3 * rays.pixel))
    reach = ground.scale / down
    blur = rays.pixel * reach * (0.6 + 0.5 / down) * 0.7
    return rays.x * reach + ground.seed, rays.y * reach + 0.6 * ground.seed, blur


def sea(ground: Ground, sky: Sky, rays: Rays) -> Tensor:
    """Water: the sky mirrored in moving waves over the water's own colour."""
    u, v, blur = plane(ground, rays)
    rough, go = ground.rough, ground.speed * rays.t
    fine = 1.0 / (1.0 + (2.6 * blur) ** 2)
    swell = noise2(0.45 * u + 0.5 * go, 0.9 * v + 0.25 * go, 0.5 * go)
    chop = noise2(1.5 * u - 0.7 * go + 0.2 * swell[0], 2.0 * v + 0.5 * go, go + 3.0)
    ripple = noise2(4.1 * u + 0.9 * go, 5.3 * v - 0.8 * go, 1.6 * go + 7.0)
    calm, tiny = 1.0 / (1.0 + (0.8 * blur) ** 2), 1.0 / (1.0 + (7.0 * blur) ** 2)
    first = swell[0] * calm + 0.5 * chop[0] * fine + 0.28 * ripple[0] * tiny
    second = swell[1] * calm + 0.5 * chop[1] * fine + 0.28 * ripple[1] * tiny
    down = (-rays.z).clamp(min=0.0)
    bend = rough * (0.12 + 0.3 * down)
    rx, ry = rays.x + bend * first, rays.y + bend * second
    rz = down + rough * 0.12 * second.abs() + 0.015
    norm = torch.rsqrt(rx * rx + ry * ry + rz * rz)
    away = rays.along(rx * norm, ry * norm, rz * norm)
    mirror = sky_colour(sky, away).clamp(0.0, 1.0)
    shine = (0.13 + 0.77 * (1.0 - down).clamp(min=0.0) ** 4).clamp(max=0.92)
    facing = (0.5 + (0.12 + 0.28 * min(rough, 1.0)) * first).clamp(0.0, 1.3)
    water = mix(rgb(ground.colour, u) * 0.5, rgb(ground.colour, u) * 1.5, facing)
    out = mix(water, mirror, shine)
    if sky.sun is not None:
        grain = noise(6.0 * u + 1.1 * go, 8.0 * v, 2.2 * go) * tiny
        out = glitter(sky, away, 0.35 * first + 0.6 * chop[1] * fine + grain, fine, out)
    if rough > 0.55:
        lace = 0.5 * ripple[1] * tiny + 0.45 * noise(9.0 * u, 9.0 * v, 0.8 * go) * tiny
        foam = smoothstep(1.2, 1.7, 0.65 * swell[0] + 0.8 * chop[0] * fine + 1.3 * lace)
        foam = foam * (0.75 + 0.3 * noise(15.0 * u, 15.0 * v, go) * tiny)
        out = mix(out, ground.light, (foam * (rough - 0.25)).clamp(0.0, 0.85))
    if ground.drops > 0.0:
        out = out + (0.35 * ground.drops * drop_rings(u, v, rays.t, blur))[..., None]
    return out


def glitter(sky: Sky, away: Rays, tilt: Tensor, fine: Tensor, out: Tensor) -> Tensor:
    """The path of sparkling light on the water below the sun or moon."""
    assert sky.sun is not None
    yaw, pitch = sky.sun
    flat = away.flat()
    across = (away.x * math.cos(yaw) + away.y * math.sin(yaw)) / flat
    off = torch.sqrt((2.0 - 2.0 * across).clamp(min=0.0))
    rise = (torch.atan2(away.z, flat) - pitch).abs()
    path = torch.exp(-((off / 0.2) ** 2)) * torch.exp(-((rise / (0.28 + 0.35 * pitch)) ** 2))
    sparkle = smoothstep(0.15, 0.95, tilt) * fine + 0.4 * (1.0 - fine)
    light = 0.45 * rgb(sky.sun_colour, off) + 0.55
    return mix(out, light, (path * (0.08 + 1.2 * sparkle) * (0.45 + sky.glow)).clamp(0.0, 0.95))


def drop_rings(u: Tensor, v: Tensor, t: Tensor, blur: Tensor) -> Tensor:
    """Rings that raindrops leave on water, about -1..1."""
    out = torch.zeros((), device=u.device)
    for k, size in enumerate((2.0, 3.3)):
        a, b = u * size + 7.0 * k, v * size
        r = chances(a.floor(), b.floor())
        age = (1.4 * t + r[..., 2]).frac()
        gap = torch.sqrt(
            (a - a.floor() - 0.3 - 0.4 * r[..., 0]) ** 2
            + (b - b.floor() - 0.3 - 0.4 * r[..., 1]) ** 2
        )
        wave = (gap - 0.32 * age) / 0.06
        ring = torch.exp(-(wave**2)) * (1.0 - age)
        out = out + ring / (1.0 + (5.0 * blur * size) ** 2)
    return out


def caustics(u: Tensor, v: Tensor, t: Tensor, blur: Tensor) -> Tensor:
    """The moving net of light under water, 0..1."""
    warp = noise2(0.5 * u, 0.5 * v, 0.4 * t)
    a, b = u + 0.25 * warp[0], v + 0.25 * warp[1]
    first, second, _ = cellular(a, b, 2.2 * t)
    line = torch.exp(-(((second - first) / (0.09 + blur)) ** 1.2)) * (0.55 + 0.3 * warp[0])
    return line.clamp(0.0, 1.0) / (1.0 + (1.6 * blur) ** 2)


def seabed(ground: Ground, rays: Rays) -> Tensor:
    """Sand under water with the net of light on it."""
    u, v, blur = plane(ground, rays)
    base = fbm(0.6 * u, 0.6 * v, ground.seed, 6, 0.6 * blur, 0.6)
    ripples = torch.sin(7.0 * v + 2.0 * noise(0.5 * u, 0.5 * v, ground.seed))
    shade = 0.4 + 0.2 * base + 0.1 * ripples / (1.0 + (5.0 * blur) ** 2)
    out = mix(ground.colour, ground.light, shade.clamp(0.0, 1.0))
    net = caustics(0.9 * u, 0.9 * v, 0.8 * ground.speed * rays.t, 0.9 * blur)
    return mix(out, 0.2 * rgb(ground.light, u) + 0.8, 0.85 * net)


def under_water(
    colours: tuple[Colour, ...], seed: float, speed: float, ground: Ground | None, rays: Rays
) -> Tensor:
    """Light from above, shafts, the deep or the sand below, [..., 3]."""
    deep, body, light = colours
    z, go = rays.z, speed * rays.t
    out = mix(deep, body, smoothstep(-0.9, 0.35, z))
    down = z < 0.02
    if ground is not None and bool(down.any()):
        at = down[0].nonzero()[:, 0]
        part = rays.take(at)
        floor = seabed(ground, part) * (0.35 + 1.05 * rgb(body, z)).clamp(max=1.0)
        near = smoothstep(-0.1, -0.6, part.z)
        out = out.expand(len(rays.t), -1, 3).clone()
        out[:, at] = mix(out[:, at], floor, near)
    # shafts fan out from a point high above, behind the surface
    px, py, pz = math.cos(seed) * 0.35, math.sin(seed) * 0.35, 0.94
    gap = rays.x * px + rays.y * py + rays.z * pz
    sx, sy = rays.x - gap * px, rays.y - gap * py
    flat = torch.rsqrt(sx * sx + sy * sy + 0.004)
    wide = noise(1.6 * sx * flat + seed, 1.6 * sy * flat, 0.5 * go)
    thin = noise(5.5 * sx * flat + seed, 5.5 * sy * flat, 0.9 * go + 4.0)
    shafts = smoothstep(0.0, 1.5, wide + 0.55 * thin) * smoothstep(-0.55, 0.6, z)
    out = mix(out, light, 0.6 * shafts * smoothstep(1.0, 0.7, z))
    up = z > 0.12
    if bool(up.any()):
        at = up[0].nonzero()[:, 0]
        part = rays.take(at)
        reach = 1.0 / (part.z + 0.12)
        blur = 2.6 * rays.pixel * reach * reach
        net = caustics(2.6 * part.x * reach + seed, 2.6 * part.y * reach, 0.8 * go, blur)
        window = smoothstep(0.2, 0.9, part.z)
        if len(out) == 1:
            out = out.expand(len(rays.t), -1, 3).clone()
        above = mix(out[:, at], light, 0.55 * window)
        glare = torch.exp(-(1.0 - gap[:, at]) / 0.05)
        above = mix(above, (1.0, 1.0, 0.97), 0.75 * glare)
        out[:, at] = mix(above, 0.3 * rgb(light, z) + 0.7, net * (0.25 + 0.7 * window))
    return out
