"""Procedural worlds: colour as a function of direction, time and parameters.

The same function is drawn as a perspective clip (what the model is trained on) and as a true
panorama (what people and oracle tests compare with). Directions: x forward (yaw 0), y right
(yaw +90), z up. Nothing here depends on the size of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .ground import Ground, Ridge, caustics, flames, ground_colour, ridge_over, seabed
from .noise import PIXEL, fbm, glints, mix, noise, noise2, smoothstep
from .sky import Colour, Sky, rgb, sky_colour, starfield

FPS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Motes:
    """Small things in the air: snow, rain, embers, bubbles. velocity in cells/s."""

    colour: Colour
    scale: float = 6.0
    size: float = 0.2
    density: float = 0.5
    velocity: tuple[float, float, float] = (0.3, 0.0, 2.0)
    stretch: float = 1.0
    opacity: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One world. kind is `open` (sky and ground), `nebula`, `underwater` or `fire`.

    words: what the caption may say, by role: subject (always said), scene, colour, time, weather,
    motion, mood.
    """

    family: str
    kind: str = "open"
    seed: float = 0.0
    sky: Sky = field(default_factory=Sky)
    ground: Ground | None = None
    ridges: tuple[Ridge, ...] = ()
    motes: tuple[Motes, ...] = ()
    colours: tuple[Colour, ...] = ()
    speed: float = 0.3
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


def motes_over(motes: Motes, seed: float, x: Tensor, y: Tensor, z: Tensor, t: Tensor, out: Tensor):
    """Paint drifting motes over `out`: a field of dots moving through a shell around the eye."""
    vx, vy, vz = motes.velocity
    for layer, ratio in enumerate((1.0, 1.6)):
        s = motes.scale * ratio
        dot, own = glints(
            x * s - vx * t + seed + 5.0 * layer,
            y * s - vy * t,
            (z * s - vz * t) / motes.stretch,
            motes.size,
            motes.density,
        )
        weight = (1.5 * dot).clamp(max=1.0) * motes.opacity * (0.6 + 0.4 * own) / ratio**0.5
        out = mix(out, rgb(motes.colour), weight)
    return out


def _open(world: World, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    out = sky_colour(world.sky, x, y, z, t)
    for ridge in world.ridges:
        out = ridge_over(ridge, world.sky, x, y, z, out, t)
    if world.ground is not None:
        below = ground_colour(world.ground, world.sky, x, y, z.clamp(max=-1e-3), t)
        out = mix(out, below, smoothstep(0.004, -0.008, z))
    return out


def _nebula(world: World, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    deep, first, second, core = (rgb(c) for c in world.colours)
    s, go = world.seed, world.speed * t
    qx, qy, qz = 1.3 * x + s, 1.3 * y + 0.25 * go, 1.3 * z
    warp = noise2(qx * 0.8, qy * 0.8, qz * 0.8 + 0.2 * go)
    a = fbm(qx + 0.5 * warp[0], qy + 0.5 * warp[1], qz + 0.3 * go, 3)
    b = fbm(qx + 4.0 - 0.5 * warp[1], qy + 0.5 * warp[0], qz + 7.0 + 0.3 * go, 3)
    out = deep + starfield(world.sky, x, y, z, t)
    out = mix(out, first, smoothstep(-0.5, 1.5, a) * 0.95)
    out = mix(out, second, smoothstep(-0.1, 1.7, b) * 0.9)
    bright = smoothstep(0.5, 2.0, a + 0.6 * b)
    out = mix(out, core, bright * 0.9)
    dust = smoothstep(0.5, 1.5, noise(1.3 * qx + 0.5 * warp[1], 1.3 * qy, 1.3 * qz + 3.0))
    out = mix(out, deep * 0.6, dust * 0.75)
    return out + 0.5 * starfield(world.sky, y, z, x, t)


def _underwater(world: World, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    deep, body, light = (rgb(c) for c in world.colours)
    go = world.speed * t
    out = mix(deep, body, smoothstep(-0.9, 0.35, z))
    flat = torch.rsqrt(x * x + y * y + 1e-3)
    shaft = noise(1.7 * x * flat + world.seed, 1.7 * y * flat, 0.5 * go)
    rays = smoothstep(-0.2, 1.6, shaft) * smoothstep(-0.5, 0.7, z) * 0.55
    out = mix(out, light, rays)
    reach = 1.0 / (z.clamp(min=0.0) + 0.22)
    ripple = caustics(
        2.4 * x * reach + world.seed, 2.4 * y * reach, 1.4 * go, 2.0 * PIXEL * reach * reach
    )
    top = smoothstep(0.25, 0.95, z)
    out = mix(out, light, 0.65 * top)
    out = mix(out, 0.3 * light + 0.7, ripple * top * 0.85)
    if world.ground is not None:
        floor = seabed(world.ground, x, y, z.clamp(max=-1e-3), t)
        near = smoothstep(-0.12, -0.75, z)
        out = mix(out, floor * (0.35 + 0.65 * body), near)
    return out


def _fire(world: World, x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
    tint = world.colours[1]
    out = mix(rgb(world.colours[0]), rgb((0.03, 0.02, 0.03)), smoothstep(-0.3, 0.9, z))
    light = flames(world.seed, world.speed, tint, x, y, z, t)
    out = torch.maximum(out + 0.25 * light, light)
    if world.ground is not None:
        below = ground_colour(world.ground, world.sky, x, y, z.clamp(max=-1e-3), t)
        out = mix(out, below, smoothstep(0.0, -0.35, z))
    return out


_KINDS = {"open": _open, "nebula": _nebula, "underwater": _underwater, "fire": _fire}


def colour(world: World, directions: Tensor, time_s: Tensor) -> Tensor:
    """Colour of the world.

    Args:
        world: The world.
        directions: Unit vectors, [N, 3].
        time_s: Seconds, [F].

    Returns:
        sRGB-coded colour, [F, N, 3] in 0..1.
    """
    x, y, z = (directions[None, :, i] for i in range(3))
    t = time_s[:, None]
    out = _KINDS[world.kind](world, x, y, z, t)
    for motes in world.motes:
        out = motes_over(motes, world.seed, x, y, z, t, out)
    return out.clamp(0.0, 1.0).expand(len(time_s), len(directions), 3)


def view_directions(yaw_deg: float, pitch_deg: float, fov_deg: float, size: int = 128) -> Tensor:
    """Unit vectors of the pixel centres of a square pinhole view, [size * size, 3], roll 0."""
    half = math.tan(math.radians(fov_deg) / 2.0)
    line = ((torch.arange(size) + 0.5) / size * 2.0 - 1.0) * half
    right, up = line[None, :].expand(size, size), -line[:, None].expand(size, size)
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    level, z = cp - up * sp, sp + up * cp
    x, y = level * cy - right * sy, level * sy + right * cy
    out = torch.stack((x, y, z), dim=-1).reshape(-1, 3)
    return out / out.norm(dim=-1, keepdim=True)


def erp_directions(height: int) -> Tensor:
    """Unit vectors of the pixel centres of an ERP picture of height x 2 height, [2 h h, 3]."""
    pitch = math.pi * (0.5 - (torch.arange(height) + 0.5) / height)
    yaw = 2.0 * math.pi * ((torch.arange(2 * height) + 0.5) / (2 * height) - 0.5)
    p, y = torch.meshgrid(pitch, yaw, indexing="ij")
    out = torch.stack((p.cos() * y.cos(), p.cos() * y.sin(), p.sin()), dim=-1)
    return out.reshape(-1, 3)


def frame_times(num_frames: int, start_s: float = 0.0) -> Tensor:
    """Seconds of consecutive frames at the model's rate, [num_frames]."""
    return start_s + torch.arange(num_frames) / FPS


def render_view(
    world: World,
    *,
    yaw_deg: float,
    pitch_deg: float,
    fov_deg: float,
    times_s: Tensor,
    size: int = 128,
) -> Tensor:
    """A perspective clip, [F, 3, size, size] in 0..1."""
    out = colour(world, view_directions(yaw_deg, pitch_deg, fov_deg, size), times_s)
    return out.reshape(len(times_s), size, size, 3).permute(0, 3, 1, 2).contiguous()


def render_erp(world: World, *, height: int, times_s: Tensor) -> Tensor:
    """The true panorama, [F, 3, height, 2 height] in 0..1."""
    out = colour(world, erp_directions(height), times_s)
    return out.reshape(len(times_s), height, 2 * height, 3).permute(0, 3, 1, 2).contiguous()
