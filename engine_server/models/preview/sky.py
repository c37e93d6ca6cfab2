"""Everything that can be seen above the horizon, as functions of direction and time.

Directions come as three broadcastable tensors x (forward), y (right), z (up) of unit length, time
as a tensor of seconds that broadcasts against them; colours go out as [..., 3] in 0..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import PIXEL, fbm, glints, mix, noise, noise2, smoothstep

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """One layer of clouds: size of features, cover 0..1, softness of edges, wind in units/s."""

    scale: float = 1.0
    cover: float = 0.45
    soft: float = 0.45
    wind: tuple[float, float] = (0.3, 0.0)
    churn: float = 0.15
    lit: Colour = (1.0, 1.0, 1.0)
    shade: Colour = (0.6, 0.66, 0.76)
    opacity: float = 1.0


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
    sun: tuple[float, float] | None = None  # (yaw, pitch)
    sun_colour: Colour = (1.0, 0.95, 0.8)
    sun_size: float = 0.05
    glow: float = 0.5
    clouds: tuple[Clouds, ...] = ()
    stars: float = 0.0
    milky_way: float = 0.0
    milky_axis: tuple[float, float, float] = (0.8, 0.0, 0.6)
    aurora: Aurora | None = None
    flash: float = 0.0
    flash_at: tuple[float, float] = (0.0, 0.3)
    flash_time: float = 0.5
    fog: float = 0.15


def rgb(colour: Colour) -> Tensor:
    """A colour as a tensor [3]."""
    return torch.tensor(colour, dtype=torch.float32)


def direction(yaw: float, pitch: float) -> tuple[float, float, float]:
    """Unit vector of a heading and a height, radians."""
    return (
        math.cos(pitch) * math.cos(yaw),
        math.cos(pitch) * math.sin(yaw),
        math.sin(pitch),
    )


def towards(x: Tensor, y: Tensor, z: Tensor, at: tuple[float, float]) -> Tensor:
    """Cosine of the angle between the directions and (yaw, pitch)."""
    sx, sy, sz = direction(*at)
    return x * sx + y * sy + z * sz


def gradient(sky: Sky, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The clear sky: horizon to zenith, warmer on the sun's side."""
    height = z.clamp(0.0, 1.0) ** sky.falloff
    out = mix(rgb(sky.horizon), rgb(sky.zenith), height)
    if sky.sun is not None:
        side = (towards(x, y, z, sky.sun) * 0.5 + 0.5).clamp(0.0, 1.0)
        halo = 0.55 * side**4 + 0.45 * side**24
        out = mix(out, rgb(sky.sun_colour), (sky.glow * halo).clamp(0.0, 1.0))
    return out


def disc(sky: Sky, x: Tensor, y: Tensor, z: Tensor, out: Tensor) -> Tensor:
    """Sun or moon: a disc with a close corona."""
    if sky.sun is None:
        return out
    angle = torch.acos(towards(x, y, z, sky.sun).clamp(-1.0, 1.0))
    corona = torch.exp(-angle / (sky.sun_size * 2.2)) * min(1.0, 0.4 + sky.glow)
    white = 0.5 * rgb(sky.sun_colour) + 0.5
    out = mix(out, rgb(sky.sun_colour), corona.clamp(0.0, 1.0))
    edge = 1.0 - smoothstep(sky.sun_size * 0.8, sky.sun_size * 1.2, angle)
    return mix(out, white, edge)


def starfield(sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Stars that twinkle, and the band of the Milky Way; light to add, [..., 3]."""
    out = torch.zeros(3)
    for scale, size, bright in ((9.0, 0.17, 1.0), (17.0, 0.22, 0.7)):
        off = 3.0 * sky.seed
        dot, own = glints(x * scale + off, y * scale, z * scale, size, 0.36 * sky.stars)
        twinkle = 0.75 + 0.25 * torch.sin(6.0 * t + 40.0 * own)
        tint = mix(rgb((0.75, 0.85, 1.0)), rgb((1.0, 0.9, 0.75)), own)
        out = out + tint * (1.6 * bright * dot * twinkle)[..., None]
    if sky.milky_way > 0.0:
        ax, ay, az = sky.milky_axis
        off_plane = x * ax + y * ay + z * az
        cloud = fbm(x * 2.0 + sky.seed, y * 2.0, z * 2.0, 4)
        width = 0.24 + 0.05 * cloud
        band = torch.exp(-((off_plane / width) ** 2))
        lane = torch.exp(-(((off_plane - 0.03 * cloud) / 0.06) ** 2))
        glow = band * (0.62 + 0.3 * cloud).clamp(min=0.0) * (1.0 - 0.55 * lane)
        tint = mix(rgb((0.32, 0.4, 0.75)), rgb((0.85, 0.66, 0.68)), band**3)
        out = out + tint * (sky.milky_way * glow)[..., None]
    return out


def cloud_layer(
    sky: Sky, layer: Clouds, x: Tensor, y: Tensor, z: Tensor, t: Tensor, below: Tensor
) -> Tensor:
    """One layer of lit clouds over `below`, thinning into the haze of the horizon."""
    reach = layer.scale / (z.clamp(min=0.0) + 0.2)
    wx, wy = layer.wind
    u = x * reach + wx * t + sky.seed
    v = y * reach + wy * t + 0.37 * sky.seed
    w = layer.churn * t + 1.7 * sky.seed
    blur = PIXEL * reach * reach / layer.scale * 0.6
    body = fbm(u, v, w, 4, blur)
    need = 1.35 * (1.0 - 2.0 * layer.cover)
    cover = smoothstep(need - layer.soft, need + layer.soft, body)
    sx, sy = (0.5, 0.3) if sky.sun is None else direction(sky.sun[0], 0.0)[:2]
    toward = fbm(u + 0.28 * sx, v + 0.28 * sy, w, 2, blur)
    light = (0.6 + 0.55 * (body - toward) - 0.16 * (body - need)).clamp(0.0, 1.0)
    colour = mix(rgb(layer.shade), rgb(layer.lit), light)
    if sky.sun is not None:
        near = (towards(x, y, z, sky.sun) * 0.5 + 0.5).clamp(0.0, 1.0) ** 16
        colour = mix(colour, 0.6 * rgb(sky.sun_colour) + 0.4, 0.6 * sky.glow * near)
    if sky.flash > 0.0:
        near = (towards(x, y, z, sky.flash_at) * 0.5 + 0.5).clamp(0.0, 1.0) ** 8
        colour = mix(colour, rgb((0.85, 0.88, 1.0)), (near * flash_light(sky, t)).clamp(0.0, 0.95))
    haze = 1.0 - 0.75 * torch.exp(-z.clamp(min=0.0) / 0.07)
    return mix(below, colour, cover * haze * layer.opacity)


def flash_light(sky: Sky, t: Tensor) -> Tensor:
    """Strength of the lightning at time t: a double flash that comes back every 1.5 s."""
    phase = (t - sky.flash_time).remainder(1.5)
    first = torch.exp(-(((phase - 0.25) / 0.14) ** 2))
    second = torch.exp(-(((phase - 0.6) / 0.12) ** 2))
    return sky.flash * (first + 0.6 * second)


def bolt(sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor, out: Tensor) -> Tensor:
    """A jagged bolt from the clouds to the horizon while the flash lasts."""
    yaw, _ = sky.flash_at
    forward = x * math.cos(yaw) + y * math.sin(yaw)
    side = y * math.cos(yaw) - x * math.sin(yaw)
    height = z / forward.clamp(min=0.05)
    bend = 0.05 * fbm(height * 4.0 + sky.seed, torch.zeros(()), sky.seed, 3)
    gap = (side / forward.clamp(min=0.05) - bend).abs()
    core = torch.exp(-((gap / 0.016) ** 2)) + 0.35 * torch.exp(-gap / 0.09)
    inside = (forward > 0.05).float() * smoothstep(0.75, 0.45, height) * (z > 0.0).float()
    return mix(out, rgb((0.95, 0.95, 1.0)), (core * inside * flash_light(sky, t)).clamp(0.0, 1.0))


def curtains(sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Aurora light to add, [..., 3]: sheets of light seen through sixteen heights."""
    aurora = sky.aurora
    assert aurora is not None
    c, s = math.cos(aurora.turn), math.sin(aurora.turn)
    reach = aurora.scale / (z.clamp(min=0.0) + 0.16)
    u0, v0 = (c * x + s * y) * reach, (c * y - s * x) * reach
    warp = noise2(u0 * 0.55 + sky.seed, v0 * 0.55, 0.35 * aurora.speed * t + sky.seed)
    out = torch.zeros(3)
    layers = 16
    step = 0.8 / (layers - 1)
    width = 0.2 + 0.55 * step * reach
    for k in range(layers):
        rise = k / (layers - 1)
        stretch = 1.0 + 0.8 * rise
        u = u0 * stretch + 0.33 * warp[0]
        v = v0 * stretch + 0.33 * warp[1]
        sheet = noise(u * 0.5 + 0.4 * sky.seed, v * 1.0 + aurora.speed * 0.5 * t, 3.1 * sky.seed)
        line = torch.exp(-((sheet / width) ** 2)) * (0.2 / width) ** 0.5
        rays = 0.72 + 0.4 * noise(u * 2.2 + aurora.speed * t, v * 1.1, 5.0 + sky.seed)
        power = math.exp(-2.1 * rise) * (0.35 if k == 0 else 1.0)
        tint = mix(rgb(aurora.hem), rgb(aurora.fringe), torch.tensor(rise**0.8))
        out = out + tint * (line * rays.clamp(min=0.0) * power)[..., None]
    fade = smoothstep(0.02, 0.24, z) * (1.0 - 0.35 * smoothstep(0.6, 1.0, z))
    return out * (0.4 * aurora.strength * fade)[..., None]


def sky_colour(sky: Sky, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """The whole sky in direction (x, y, z) at time t, [..., 3] in 0..1 or a little above."""
    out = gradient(sky, x, y, z)
    if sky.stars > 0.0 or sky.milky_way > 0.0:
        veil = smoothstep(0.0, 0.2, z)
        out = out + starfield(sky, x, y, z, t) * veil[..., None]
    out = disc(sky, x, y, z, out)
    if sky.aurora is not None:
        light = curtains(sky, x, y, z, t)
        out = 1.0 - (1.0 - out.clamp(0.0, 1.0)) * torch.exp(-1.25 * light)
    for layer in sky.clouds:
        out = cloud_layer(sky, layer, x, y, z, t, out)
    if sky.flash > 0.0:
        out = bolt(sky, x, y, z, t, out)
    haze = sky.fog * torch.exp(-z.clamp(min=0.0) / 0.08)
    return mix(out, rgb(sky.horizon), haze.clamp(0.0, 1.0))
