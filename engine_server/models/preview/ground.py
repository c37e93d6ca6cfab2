"""Land below the horizon and what stands on it, as functions of rays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Colour, cellular, chances, fbm, mix, noise, noise2, rgb, smoothstep
from .rays import Rays
from .sky import Sky, cloud_shadow
from .terrain import Hit, Shape, lit, march
from .water import Ground, drop_rings, plane, sea

HILLY = ("snow", "dunes", "meadow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """A line of hills or mountains against the sky; heights are tangents of elevation."""

    colour: Colour
    height: float = 0.1
    rise: float = 0.05
    detail: float = 2.0
    seed: float = 0.0
    snow: float = 0.0
    mist: float = 0.5
    drift: float = 0.0  # speed of the banks of mist at its foot
    ragged: float = 0.45
    face: float = 0.3  # contrast of its slopes
    peaked: float = 0.0  # how pointed the tops are
    white: Colour = (0.93, 0.95, 1.0)


def shape_of(ground: Ground) -> Shape:
    """The hills of a kind of land."""
    if ground.kind == "dunes":
        return Shape(
            seed=ground.seed, scale=0.42, height=0.13 * ground.rough, crest=1.0, detail=0.0
        )
    if ground.kind == "snow":
        return Shape(seed=ground.seed, scale=0.4, height=0.1 * ground.rough, detail=0.2)
    return Shape(seed=ground.seed, scale=0.34, height=0.12 * ground.rough, detail=0.12)


def hills_over(ground: Ground, sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Paint rolling land (snow, dunes, meadow) over the sky `out`."""
    shape = shape_of(ground)
    hit = march(shape, rays)
    light = lit(shape, hit, sky.sun, rays.pixel)
    soft = 0.6 if sky.sun is None else 1.0
    light = 0.56 + soft * (0.8 * light.clamp(max=1.6) - 0.56)
    if ground.kind == "dunes":
        colour = sand(ground, hit, light, rays)
    elif ground.kind == "snow":
        colour = snowfield(ground, sky, hit, light, rays)
    else:
        colour = grass(ground, hit, light, rays)
    if sky.clouds and sky.sun is not None and sky.clouds[0].cover < 0.7:
        shadow = cloud_shadow(sky, rays, 0.15 * hit.u, 0.15 * hit.v)
        colour = colour * shadow[..., None]
    haze = 1.0 - torch.exp(-hit.far * ground.haze * 0.45)
    colour = mix(colour, sky.horizon, 0.9 * haze)
    if ground.kind == "dunes":
        colour = dust(ground, hit, rays, colour)
    return mix(out, colour, hit.cover)


def sand(ground: Ground, hit: Hit, light: Tensor, rays: Rays) -> Tensor:
    """Dunes: bright lit faces, dark lee sides, ripples that creep."""
    bend = noise(0.5 * hit.u, 0.5 * hit.v, ground.seed)
    wave = torch.sin(9.0 * hit.u + 4.0 * hit.v + 3.0 * bend - 1.5 * ground.speed * rays.t)
    ripple = wave / (1.0 + (7.0 * hit.blur) ** 2)
    grain = fbm(2.0 * hit.u, 2.0 * hit.v, ground.seed, 6, 2.0 * hit.blur)
    shade = light * (1.0 + 0.1 * ripple) + 0.035 * grain
    return mix(rgb(ground.colour, shade) * 0.75, rgb(ground.light, shade) * 1.05, shade.clamp(0, 1))


def dust(ground: Ground, hit: Hit, rays: Rays, out: Tensor) -> Tensor:
    """Sand that the wind carries over the ground, and hot air that trembles far away."""
    flat = rays.flat()
    cx, cy, up = rays.x / flat, rays.y / flat, rays.z / flat
    go = ground.speed * rays.t
    veil = fbm(2.2 * cx + 0.7 * go + ground.seed, 2.2 * cy, 4.0 * up - 0.15 * go, 3)
    low = torch.exp(-((up + 0.03) ** 2) / 0.012)
    streak = noise(0.5 * hit.u - 1.6 * go, 1.6 * hit.v + 0.5 * go, 0.4 * go)
    amount = 0.5 * low * smoothstep(-0.2, 1.6, veil) + 0.25 * smoothstep(0.3, 1.6, streak)
    return mix(out, rgb(ground.light, up) * 0.6 + 0.35, amount.clamp(0.0, 0.8))


def snowfield(ground: Ground, sky: Sky, hit: Hit, light: Tensor, rays: Rays) -> Tensor:
    """Snow: blue shadows, wind-blown crust, drifting powder."""
    crust = fbm(0.9 * hit.u, 2.0 * hit.v, ground.seed, 6, 1.6 * hit.blur, 0.55)
    shade = (light * 0.95 + 0.06 * crust).clamp(0.0, 1.1)
    out = mix(ground.colour, ground.light, shade)
    go = ground.speed * rays.t
    powder = noise(0.6 * hit.u - 2.4 * go, 1.7 * hit.v - 0.5 * go, 0.5 * go)
    out = mix(out, ground.light, 0.3 * smoothstep(0.5, 1.8, powder))
    a, b = 9.0 * hit.u, 9.0 * hit.v
    own = chances(a.floor(), b.floor())
    gap = torch.sqrt((a.frac().abs() - 0.5) ** 2 + (b.frac().abs() - 0.5) ** 2)
    dot = smoothstep(0.3, 0.1, gap) * (own[..., 0] < 0.05).float() / (1.0 + (9.0 * hit.blur) ** 2)
    spark = dot * (0.5 + 0.5 * torch.sin(9.0 * rays.t + 50.0 * own[..., 1]))
    return out + (spark * (0.0 if sky.sun is None else 0.35))[..., None] * max(ground.light)


def grass(ground: Ground, hit: Hit, light: Tensor, rays: Rays) -> Tensor:
    """Grass in the wind: gusts that run over it in bright waves, blades, flowers."""
    u, v, go = hit.u, hit.v, ground.speed * rays.t
    patch = fbm(0.35 * u, 0.35 * v, ground.seed + 4.0, 4, 0.35 * hit.blur)
    blade = fbm(3.6 * u, 1.9 * v, ground.seed, 6, 2.6 * hit.blur, 0.7)
    sway = noise2(0.55 * u - 1.5 * go, 0.9 * v - 0.5 * go, 0.25 * go)
    near = 1.0 / (1.0 + (3.0 * hit.blur) ** 2)
    flick = noise(4.4 * u + 0.6 * sway[0], 2.6 * v + 0.6 * sway[1], 1.2 * go) * near
    shade = light * 0.8 + 0.2 * blade + 0.12 * flick + 0.17 * sway[0].clamp(min=-0.8)
    base = mix(ground.colour, ground.light, shade.clamp(0.0, 1.15))
    out = base * (1.0 + 0.14 * patch)[..., None]
    if ground.flowers > 0.0:
        a, b = 4.5 * u + 0.06 * sway[0], 4.5 * v
        own = chances(a.floor(), b.floor())
        gap = torch.sqrt((a - a.floor() - 0.5) ** 2 + (b - b.floor() - 0.5) ** 2)
        dot = ((0.22 - gap) / (0.08 + 4.5 * hit.blur) + 0.5).clamp(0.0, 1.0)
        dot = dot * (own[..., 0] < ground.flowers).float() / (1.0 + (4.0 * hit.blur) ** 2)
        petal = mix(ground.accent, (1.0, 0.98, 0.9), (own[..., 1] > 0.6).float())
        out = out + (petal - out) * (0.9 * dot)[..., None]
    if ground.drops > 0.0:
        pool = smoothstep(0.7, 1.1, noise(0.4 * u, 0.4 * v, ground.seed + 8.0))
        wet = 0.55 * rgb(ground.accent, u) + (0.3 * drop_rings(u, v, rays.t, hit.blur))[..., None]
        out = out + (wet - out) * (0.85 * pool)[..., None]
    return out


def fields(ground: Ground, sky: Sky, rays: Rays) -> Tensor:
    """A patchwork of fields and woods seen from high up, with the shadows of clouds."""
    u, v, blur = plane(ground, rays)
    warp = noise2(0.35 * u, 0.35 * v, ground.seed)
    first, second, own = cellular(1.1 * u + 0.35 * warp[0], 0.7 * v + 0.35 * warp[1])
    far = 1.0 / (1.0 + (1.3 * blur) ** 2)
    tone = 0.5 + (own - 0.5) * far
    rows = torch.sin((14.0 + 8.0 * own) * (u + (own - 0.5) * 3.0 * v)) / (1.0 + (16.0 * blur) ** 2)
    out = mix(ground.colour, ground.light, (tone + 0.06 * rows).clamp(0.0, 1.0))
    ripe = smoothstep(0.55, 0.75, (own * 13.7).frac()) * far
    out = mix(out, ground.accent, 0.7 * ripe)
    wood = fbm(0.7 * u, 0.7 * v, ground.seed + 6.0, 7, 0.6 * blur, 0.6)
    hedge = torch.exp(-(((second - first) / (0.05 + 0.7 * blur)) ** 2)) * far
    dark = torch.maximum(smoothstep(0.55, 0.85, wood), 0.6 * hedge)
    out = mix(out, rgb(ground.colour, u) * 0.5, 0.9 * dark)
    if sky.clouds:
        shadow = cloud_shadow(sky, rays, 0.8 * (u - ground.seed), 0.8 * (v - 0.6 * ground.seed))
        out = out * shadow[..., None]
    return out


def lava(ground: Ground, rays: Rays) -> Tensor:
    """A dark crust of plates with glowing cracks that flow."""
    u, v, blur = plane(ground, rays)
    go = ground.speed * rays.t
    warp = noise2(0.5 * u + 0.2 * go, 0.5 * v, 0.3 * go + ground.seed)
    a, b = 0.75 * u + 0.55 * warp[0] + 0.45 * go, 0.75 * v + 0.55 * warp[1]
    first, second, own = cellular(a, b, 0.8 * go)
    pulse = 0.8 + 0.25 * noise(0.4 * u, 0.4 * v, 1.4 * go + 9.0)
    width = (0.1 + 0.14 * ground.rough) * (0.6 + 0.5 * warp[1].abs()) + 0.5 * blur
    heat = torch.exp(-((second - first) / width)) * 1.25 * pulse
    melt = smoothstep(0.75, 1.0, own + 0.12 * warp[0]) * (0.55 + 0.25 * warp[1])
    rough = fbm(2.0 * u, 2.0 * v, ground.seed, 6, 2.0 * blur, 0.6)
    heat = torch.maximum(heat, melt.clamp(min=0.0)) + 0.05 * rough.clamp(min=0.0)
    return ember(heat * (1.0 - 0.4 * smoothstep(0.4, 2.0, blur)), ground.light)


def coals(ground: Ground, rays: Rays) -> Tensor:
    """Charred ground with embers that breathe."""
    u, v, blur = plane(ground, rays)
    go = ground.speed * rays.t
    first, _, own = cellular(2.2 * u, 2.2 * v)
    breath = 0.5 + 0.5 * torch.sin(3.0 * go + 40.0 * own)
    wind = noise(0.5 * u - go, 0.5 * v, 0.4 * go)
    lump = smoothstep(0.5, 0.15, first) / (1.0 + (1.5 * blur) ** 2)
    warm = smoothstep(0.3, 0.95, own) * (0.45 + 0.4 * breath + 0.3 * wind)
    heat = (lump * warm).clamp(min=0.0) + 0.12 * smoothstep(-0.5, 1.5, wind)
    return ember(heat, ground.light)


def ember(heat: Tensor, tint: Colour) -> Tensor:
    """Colour of something hot: black, red, orange, yellow-white as heat goes 0..1 and above."""
    h = heat.clamp(0.0, 1.3)[..., None]
    red = rgb(tint, heat) * (1.5 * h).clamp(max=1.0)
    hot = mix(red, (1.0, 0.93, 0.6), smoothstep(0.7, 1.2, h[..., 0]))
    return rgb((0.04, 0.02, 0.03), heat) * (1.0 - h.clamp(max=1.0)) + hot * h.clamp(max=1.0)


def rolling_mist(ground: Ground, rays: Rays) -> Tensor:
    """A sea of mist seen from above."""
    u, v, blur = plane(ground, rays)
    go = ground.speed * rays.t
    warp = noise2(0.4 * u + 0.3 * go, 0.4 * v, 0.2 * go + ground.seed)
    a, b = 0.6 * u + 0.5 * go + 0.25 * warp[0], 0.6 * v + 0.25 * warp[1]
    body = fbm(a, b, 0.3 * go, 6, 0.6 * blur, 0.48)
    toward = fbm(a + 0.2, b + 0.12, 0.3 * go, 2, 0.6 * blur, 0.48)
    light = 0.55 + 0.36 * body + 0.4 * (body - toward)
    return mix(ground.colour, ground.light, light.clamp(0.0, 1.0))


def ground_colour(ground: Ground, sky: Sky, rays: Rays) -> Tensor:
    """Colour of a level ground, hazy towards the horizon, [..., 3]; rays point down."""
    if ground.kind == "sea":
        out = sea(ground, sky, rays)
    elif ground.kind == "lava":
        out = lava(ground, rays)
    elif ground.kind == "coals":
        out = coals(ground, rays)
    elif ground.kind == "mist":
        out = rolling_mist(ground, rays)
    else:
        out = fields(ground, sky, rays)
    haze = torch.exp(-(-rays.z).clamp(min=0.0) / ground.haze)
    return mix(out, sky.horizon, haze * (0.45 if ground.kind == "sea" else 0.85))


def ridge_over(ridge: Ridge, sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Paint one ridge over what is behind it; its foot dissolves into mist."""
    flat = rays.flat()
    cx, cy, tangent = rays.x / flat, rays.y / flat, rays.z / flat
    blur = 0.7 * rays.pixel * ridge.detail
    line = fbm(ridge.detail * cx, ridge.detail * cy, ridge.seed, 8, blur, ridge.ragged)
    if ridge.peaked > 0.0:
        fold = noise(0.8 * ridge.detail * cx + 7.0, 0.8 * ridge.detail * cy, ridge.seed)
        peak = 1.3 - 2.4 * (fold + 0.12 * line).abs()
        line = line + ridge.peaked * (peak + 0.3 * line - line)
    top = (ridge.height + ridge.rise * line).clamp(min=0.0)
    edge = 0.8 * rays.pixel
    body = smoothstep(edge, -edge, tangent - top) * (tangent > -0.02).float()
    if ridge.drift == 0.0 and not bool((body > 0.0).any()):
        return out
    s = 2.4 * ridge.detail
    crease = ridge.face * slopes(s * cx, s * cy, s * tangent + ridge.seed, s * rays.pixel)
    shaded = rgb(ridge.colour, flat) * (1.0 + crease)[..., None]
    if ridge.snow > 0.0:
        part = tangent / top.clamp(min=0.02)
        cap = smoothstep(-0.05, 0.2, part - 0.5 + 0.5 * crease)
        white = rgb(ridge.white, flat) * (0.95 + 0.7 * crease).clamp(0.55, 1.1)[..., None]
        shaded = shaded + (white - shaded) * (ridge.snow * cap)[..., None]
    foot = ridge.mist * smoothstep(1.0, 0.0, tangent / top.clamp(min=0.03))
    if ridge.drift > 0.0:
        go = ridge.drift * rays.t
        bank = fbm(2.2 * cx + go + ridge.seed, 2.2 * cy - 0.4 * go, 9.0 * tangent - 0.2 * go, 4)
        low = smoothstep(1.15, 0.0, tangent / (ridge.height + 0.04))
        foot = foot + low * smoothstep(-0.5, 1.2, bank) * 0.95
        body = torch.maximum(body, 0.55 * low * smoothstep(0.3, 1.4, bank))
        body = body * (tangent > -0.02).float()
    shaded = mix(shaded, sky.horizon, foot.clamp(0.0, 1.0))
    return mix(out, shaded, body)


def slopes(x: Tensor, y: Tensor, up: Tensor, blur: float) -> Tensor:
    """Light and dark faces of a mountain, about -1..1, with sharp ridges between them."""
    out = torch.zeros((), device=x.device)
    for k in range(4):
        scale = 1.9**k
        if k > 1 and 3.0 * blur * scale > 1.0:
            break
        # spurs run down and outwards: features are longer along the slope than across it
        a, b = noise2(scale * x + 3.0 * k, scale * y, 0.7 * scale * up)
        ridged = 2.0 * (a.abs() - 0.6) if k % 2 else 1.4 * torch.tanh(3.0 * a)
        out = out + (0.7 * ridged + 0.3 * b) * 0.55**k
    return (0.6 * out).clamp(-1.4, 1.4)


def flames(seed: float, speed: float, tint: Colour, rays: Rays) -> Tensor:
    """A wall of fire all around, light to add, [..., 3]."""
    flat = rays.flat()
    cx, cy, up = rays.x / flat, rays.y / flat, (rays.z / flat).clamp(max=4.0)
    go = speed * rays.t
    sway = noise2(1.6 * cx + seed, 1.6 * cy, 1.0 * up - 1.1 * go)
    a, b = 2.6 * cx + 0.35 * sway[0], 2.6 * cy + 0.35 * sway[1]
    tongue = fbm(a + seed, b, 1.25 * up - 2.1 * go, 7, 2.2 * rays.pixel, 0.56)
    tall = noise(0.7 * cx + seed, 0.7 * cy, 0.35 * go)
    rise = (up.clamp(min=-0.3).abs() / (0.85 + 0.25 * tall)).clamp(max=4.0)
    low = smoothstep(0.06, -0.12, rays.z / flat)
    heat = 1.12 - 1.6 * low + 0.55 * tongue * (0.5 + rise.clamp(max=1.0)) - 1.05 * rise
    flicker = 1.0 + 0.06 * torch.sin(17.0 * rays.t + seed)
    return ember(smoothstep(-0.1, 1.5, heat) * 1.2 * flicker, tint)
