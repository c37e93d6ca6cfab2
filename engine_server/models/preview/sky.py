"""Everything that can be seen above the horizon, as functions of rays.

Colours go out as [..., 3] in 0..1, or a little above where lights add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Colour, fbm, mix, noise, noise2, rgb, smoothstep
from .rays import Rays, direction
from .stars import milky_way, starfield

FLASH_EVERY = 1.3  # seconds from one flash of lightning to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """One layer of clouds: size of features, cover 0..1, softness of edges, wind in units/s."""

    scale: float = 1.0
    cover: float = 0.45
    soft: float = 0.3
    wind: tuple[float, float] = (0.3, 0.0)
    churn: float = 0.15
    lit: Colour = (1.0, 1.0, 1.0)
    shade: Colour = (0.6, 0.66, 0.76)
    opacity: float = 1.0
    streak: float = 1.0  # how much longer than wide, for high thin clouds


@dataclass(frozen=True, slots=True, kw_only=True)
class Aurora:
    """Curtains: colour of the hem and of the fringe above it, strength, speed in units/s."""

    hem: Colour = (0.15, 1.0, 0.45)
    fringe: Colour = (0.45, 0.2, 0.9)
    strength: float = 1.0
    speed: float = 0.3
    scale: float = 0.5
    turn: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """All that determines a sky; seed moves the noise, angles are radians."""

    seed: float = 0.0
    zenith: Colour = (0.1, 0.32, 0.78)
    horizon: Colour = (0.72, 0.86, 0.97)
    falloff: float = 0.5
    sun: tuple[float, float] | None = None  # (yaw, pitch) of the one light
    sun_colour: Colour = (1.0, 0.95, 0.8)
    sun_size: float = 0.045
    glow: float = 0.5
    moon: bool = False
    clouds: tuple[Clouds, ...] = ()
    stars: float = 0.0
    milky_way: float = 0.0
    milky_axis: tuple[float, float, float] = (0.8, 0.0, 0.6)
    aurora: Aurora | None = None
    flash: float = 0.0
    flash_at: tuple[float, float] = (0.0, 0.3)
    flash_time: float = 0.5
    veil: float = 0.0  # curtains of rain under the clouds
    fog: float = 0.15


def gradient(sky: Sky, rays: Rays) -> Tensor:
    """The clear sky: horizon to zenith, warmer on the sun's side."""
    height = rays.z.clamp(0.0, 1.0) ** sky.falloff
    out = mix(sky.horizon, sky.zenith, height)
    if sky.sun is not None:
        side = (rays.towards(sky.sun) * 0.5 + 0.5).clamp(0.0, 1.0)
        halo = 0.5 * side**5 + 0.3 * side**30 + 0.2 * side**160
        out = mix(out, sky.sun_colour, (sky.glow * halo).clamp(0.0, 1.0))
    return out


def disc(sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Sun or moon: a disc with a close corona."""
    if sky.sun is None:
        return out
    sx, sy, sz = direction(*sky.sun)
    chord = torch.sqrt((rays.x - sx) ** 2 + (rays.y - sy) ** 2 + (rays.z - sz) ** 2 + 1e-12)
    size = sky.sun_size
    corona = torch.exp(-((chord - size).clamp(min=0.0)) / (size * 0.9))
    wide = torch.exp(-chord / (size * 4.0))
    light = (0.75 * corona + 0.35 * wide) * min(1.0, 0.35 + sky.glow)
    face = rgb(sky.sun_colour, chord) * 0.25 + 0.75
    if sky.moon:
        spots = fbm(7.0 * rays.x / size * 0.1, 7.0 * rays.y / size * 0.1, 0.7 * rays.z / size, 5)
        face = face * (0.9 + 0.1 * spots.clamp(-1.5, 1.0))[..., None]
    out = mix(out, sky.sun_colour, light.clamp(0.0, 1.0))
    edge = 0.6 * rays.pixel + 0.03 * size
    return mix(out, face, 1.0 - smoothstep(size - edge, size + edge, chord))


def layer_place(layer: Clouds, seed: float, rays: Rays) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where rays meet a layer of clouds, (u, v, w) in noise units, and a pixel's footprint."""
    reach = layer.scale / (rays.z.clamp(min=0.0) + 0.2)
    wx, wy = layer.wind
    u = (rays.x * reach + wx * rays.t) / layer.streak + seed
    v = rays.y * reach + wy * rays.t + 0.37 * seed
    w = layer.churn * rays.t + 1.7 * seed
    blur = rays.pixel * reach * (0.6 + 0.5 * reach / layer.scale) * 0.8
    return u, v, w, blur


def cloud_layer(sky: Sky, layer: Clouds, rays: Rays, below: Tensor) -> Tensor:
    """One layer of lit clouds over `below`, thinning into the haze of the horizon."""
    u, v, w, blur = layer_place(layer, sky.seed, rays)
    body = fbm(u, v, w, 8, blur, 0.53)
    need = 1.35 * (1.0 - 2.0 * layer.cover)
    cover = smoothstep(need - layer.soft, need + layer.soft, body)
    sx, sy = (0.5, 0.3) if sky.sun is None else direction(sky.sun[0], 0.0)[:2]
    toward = fbm(u + 0.25 * sx / layer.streak, v + 0.25 * sy, w, 3, blur, 0.53)
    thick = smoothstep(need, need + 1.7, body)
    light = (0.72 + 0.5 * (body - toward) - 0.42 * thick).clamp(0.0, 1.0)
    colour = mix(layer.shade, layer.lit, light)
    if sky.sun is not None:
        near = (rays.towards(sky.sun) * 0.5 + 0.5).clamp(0.0, 1.0) ** 16
        lining = 0.6 * rgb(sky.sun_colour, u) + 0.4
        colour = mix(colour, lining, 0.75 * sky.glow * near * (1.0 - 0.5 * thick))
    if sky.flash > 0.0:
        colour = mix(colour, (0.85, 0.88, 1.0), flash_on_clouds(sky, rays, body))
    haze = 1.0 - 0.75 * torch.exp(-rays.z.clamp(min=0.0) / 0.06)
    return mix(below, colour, cover * haze * layer.opacity)


def cloud_shadow(sky: Sky, rays: Rays, u: Tensor, v: Tensor) -> Tensor:
    """Light that the first layer of clouds lets through to the ground at (u, v), 0.45..1."""
    layer = sky.clouds[0]
    wx, wy = layer.wind
    body = fbm(
        0.5 * u + wx * rays.t + sky.seed,
        0.5 * v + wy * rays.t + 0.37 * sky.seed,
        layer.churn * rays.t + 1.7 * sky.seed,
        2,
    )
    need = 1.35 * (1.0 - 2.0 * layer.cover)
    return 1.0 - 0.5 * layer.opacity * smoothstep(need - 0.4, need + 0.7, body)


def flashes(sky: Sky) -> list[tuple[float, float, float]]:
    """Heading, height and time of the three bolts of a storm."""
    yaw, pitch = sky.flash_at
    return [(yaw + 2.1 * k, pitch * (1.0 - 0.2 * k), sky.flash_time + 0.43 * k) for k in range(3)]


def flash_light(start_s: float, strength: float, t: Tensor) -> Tensor:
    """Strength of one bolt at time t: a double flash that comes back."""
    phase = (t - start_s).remainder(FLASH_EVERY)
    first = torch.exp(-(((phase - 0.2) / 0.1) ** 2))
    second = torch.exp(-(((phase - 0.46) / 0.11) ** 2))
    return strength * (first + 0.7 * second)


def flash_on_clouds(sky: Sky, rays: Rays, body: Tensor) -> Tensor:
    """How much the clouds are lit by lightning, 0..0.95."""
    out = torch.zeros((), device=body.device)
    for yaw, pitch, start in flashes(sky):
        near = (rays.towards((yaw, pitch)) * 0.5 + 0.5).clamp(0.0, 1.0)
        out = out + (near**10 + 0.18 * near**2) * flash_light(start, sky.flash, rays.t)
    return (out * (0.85 + 0.3 * body)).clamp(0.0, 0.95)


def bolts(sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Jagged bolts from the clouds to the horizon while they flash."""
    for k, (yaw, _, start) in enumerate(flashes(sky)):
        light = flash_light(start, sky.flash, rays.t)
        forward = rays.x * math.cos(yaw) + rays.y * math.sin(yaw)
        ahead = forward.clamp(min=0.05)
        side = (rays.y * math.cos(yaw) - rays.x * math.sin(yaw)) / ahead
        height = rays.z / ahead
        zero = torch.zeros((), device=side.device)
        bend = 0.05 * fbm(height * 4.0 + sky.seed, zero, sky.seed + 2.0 * k, 6, 4.0 * rays.pixel)
        fork = 0.05 * fbm(height * 5.0 + sky.seed, zero + 4.0, sky.seed + k, 5, 5.0 * rays.pixel)
        width = 0.008 + 0.5 * rays.pixel
        gap = (side - bend).abs()
        core = torch.exp(-((gap / width) ** 2)) + 0.3 * torch.exp(-gap / 0.07)
        split = (0.5 - height).clamp(min=0.0) * 0.7
        branch = torch.exp(-(((side - bend - fork - split) / (0.6 * width)) ** 2))
        core = core + 0.7 * branch * smoothstep(0.52, 0.45, height) * smoothstep(0.05, 0.2, height)
        inside = (forward > 0.05).float() * smoothstep(0.85, 0.5, height) * (rays.z > 0.0).float()
        out = mix(out, (0.95, 0.95, 1.0), (core * inside * light).clamp(0.0, 1.0))
    return out


def curtains(sky: Sky, rays: Rays) -> Tensor:
    """Aurora light to add, [..., 3]: sheets of light seen through fourteen heights."""
    aurora, t = sky.aurora, rays.t
    assert aurora is not None
    c, s = math.cos(aurora.turn), math.sin(aurora.turn)
    reach = aurora.scale / (rays.z.clamp(min=0.0) + 0.16)
    u0, v0 = (c * rays.x + s * rays.y) * reach, (c * rays.y - s * rays.x) * reach
    warp = noise2(u0 * 0.55 + sky.seed, v0 * 0.55, 0.35 * aurora.speed * t + sky.seed)
    out = torch.zeros(3, device=reach.device)
    layers = 14
    step = 0.8 / (layers - 1)
    width = 0.13 + 0.85 * step * reach
    blur = rays.pixel * reach * 2.0
    fine = 1.0 / (1.0 + (3.0 * blur) ** 2)
    for k in range(layers):
        rise = k / (layers - 1)
        stretch = 1.0 + 0.8 * rise
        u = u0 * stretch + 0.33 * warp[0]
        v = v0 * stretch + 0.33 * warp[1]
        sheet = noise(u * 0.5 + 0.4 * sky.seed, v * 1.0 + aurora.speed * 0.5 * t, 3.1 * sky.seed)
        line = torch.exp(-((sheet / width) ** 2)) * (0.2 / width) ** 0.5
        comb = noise2(u * 3.4 + aurora.speed * t, v * 1.2, 5.0 + sky.seed)
        rays_up = 0.72 + 0.5 * comb[0] * fine
        power = math.exp(-2.3 * rise) * (0.45 if k == 0 else 1.0)
        tint = mix(aurora.hem, aurora.fringe, torch.tensor(rise**0.8, device=u.device))
        out = out + tint * (line * rays_up.clamp(min=0.0) * power)[..., None]
    fade = smoothstep(0.02, 0.22, rays.z) * (1.0 - 0.35 * smoothstep(0.6, 1.0, rays.z))
    return out * (0.46 * aurora.strength * fade)[..., None]


def rain_veil(sky: Sky, rays: Rays, out: Tensor) -> Tensor:
    """Grey curtains of rain that hang from the clouds and drift."""
    flat = rays.flat()
    cx, cy, up = rays.x / flat, rays.y / flat, rays.z / flat
    go = 0.25 * rays.t
    lean = 0.35 * up
    broad = noise(1.6 * cx + lean + sky.seed, 1.6 * cy + go, 0.2 * go)
    streaks = noise(9.0 * (cx + 0.25 * up), 9.0 * cy + 3.0 * go, 0.6 * up - 5.0 * go)
    amount = smoothstep(-0.4, 1.2, broad) * (0.8 + 0.25 * streaks)
    amount = amount * smoothstep(0.75, 0.05, up) * sky.veil
    return mix(out, 0.72 * rgb(sky.horizon, up), amount.clamp(0.0, 0.9))


def sky_colour(sky: Sky, rays: Rays) -> Tensor:
    """The whole sky along the rays, [..., 3]."""
    out = gradient(sky, rays)
    if sky.stars > 0.0:
        veil = smoothstep(0.0, 0.12, rays.z)
        light = starfield(sky.seed, sky.stars, rays)
        if sky.milky_way > 0.0:
            light = light + milky_way(sky.seed, sky.milky_way, sky.milky_axis, rays)
        out = out + light * veil[..., None]
    out = disc(sky, rays, out)
    if sky.aurora is not None:
        light = curtains(sky, rays)
        out = 1.0 - (1.0 - out.clamp(0.0, 1.0)) * torch.exp(-1.25 * light)
    for layer in sky.clouds:
        out = cloud_layer(sky, layer, rays, out)
    if sky.veil > 0.0:
        out = rain_veil(sky, rays, out)
    if sky.flash > 0.0:
        out = bolts(sky, rays, out)
    haze = sky.fog * torch.exp(-rays.z.clamp(min=0.0) / 0.08)
    return mix(out, sky.horizon, haze.clamp(0.0, 1.0))
