"""Procedural worlds: colour as a function of direction, time and parameters.

The same function is drawn as a perspective clip (what the model is trained on) and as a true
panorama (what people and oracle tests compare with). Directions: x forward (yaw 0), y right
(yaw +90), z up. The size of a pixel decides only how fine the detail is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .ground import HILLY, Ground, Ridge, flames, ground_colour, hills_over, ridge_over
from .noise import Colour, fbm, glints, mix, noise, noise2, rgb, smoothstep
from .rays import Rays, direction
from .sky import Sky, sky_colour
from .stars import starfield
from .trees import Trees, trees_over
from .water import under_water

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
    layers: int = 5


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
    trees: Trees | None = None
    motes: tuple[Motes, ...] = ()
    colours: tuple[Colour, ...] = ()
    speed: float = 0.3
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


def motes_over(motes: Motes, seed: float, rays: Rays, out: Tensor) -> Tensor:
    """Paint drifting motes over `out`: fields of dots moving through shells around the eye.

    Each layer is finer than the one before; those too fine for the pixels are left out.
    """
    vx, vy, vz = motes.velocity
    for layer in range(motes.layers):
        ratio = 1.75**layer
        s = motes.scale * ratio
        pixel = rays.pixel * s  # in cells
        if motes.size < 0.45 * pixel:
            break
        edge = max(1.3 * pixel, 0.45 * motes.size)
        pace = ratio**0.35
        dot, own = glints(
            rays.x * s - vx * pace * rays.t + seed + 5.0 * layer,
            rays.y * s - vy * pace * rays.t,
            (rays.z * s - vz * pace * rays.t) / motes.stretch,
            motes.size,
            motes.density,
            min(edge, 0.9 - motes.size),
        )
        faint = min(1.0, (motes.size / pixel) ** 0.7) * 0.93**layer
        out = mix(out, motes.colour, dot * (motes.opacity * faint * (0.6 + 0.4 * own)))
    return out


def _columns(mask: Tensor) -> Tensor:
    return mask[0].nonzero()[:, 0]


def _open(world: World, rays: Rays) -> Tensor:
    frames, count = len(rays.t), rays.z.shape[1]
    out = torch.zeros(frames, count, 3, device=rays.z.device)
    up = _columns(rays.z > (-1.0 if _hilly(world) else -0.03))
    if len(up):
        part = rays.take(up)
        seen = sky_colour(world.sky, part.along(part.x, part.y, part.z.clamp(min=0.0)))
        for ridge in world.ridges:
            seen = ridge_over(ridge, world.sky, part, seen)
        out[:, up] = seen.expand(frames, -1, -1)
    if world.ground is not None and _hilly(world):
        low = _columns(rays.z / rays.flat() < 0.6)
        if len(low):
            out[:, low] = hills_over(world.ground, world.sky, rays.take(low), out[:, low])
    elif world.ground is not None:
        low = _columns(rays.z < 0.012 + rays.pixel)
        if len(low):
            part = rays.take(low)
            down = part.along(part.x, part.y, part.z.clamp(max=-1e-3))
            below = ground_colour(world.ground, world.sky, down)
            edge = smoothstep(0.5 * rays.pixel, -0.5 * rays.pixel, part.z)
            out[:, low] = mix(out[:, low], below, edge)
    if world.trees is not None:
        low = _columns(rays.z / rays.flat() < 1.25 * world.trees.height)
        if len(low):
            out[:, low] = trees_over(world.trees, world.sky, rays.take(low), out[:, low])
    return out


def _hilly(world: World) -> bool:
    return world.ground is not None and world.ground.kind in HILLY


def _nebula(world: World, rays: Rays) -> Tensor:
    deep, first, second, core = world.colours
    x, y, z = rays.x, rays.y, rays.z
    s, go = world.seed, world.speed * rays.t
    blur = 1.2 * rays.pixel
    qx, qy, qz = 1.2 * x + s, 1.2 * y + 0.3 * go, 1.2 * z + 0.1 * go
    warp = noise2(qx * 0.8, qy * 0.8, qz * 0.8 + 0.15 * go)
    ax, ay = qx + 0.5 * warp[0], qy + 0.5 * warp[1]
    a = fbm(ax, ay, qz + 0.2 * go, 5, blur, 0.55)
    b = fbm(qx + 4.0 - 0.5 * warp[1], qy + 0.5 * warp[0], qz + 7.0 + 0.2 * go, 4, blur, 0.55)
    thread = torch.exp(-((noise(1.5 * ax + 2.0, 1.5 * ay, 1.5 * qz) + 0.35 * a).abs() / 0.22))
    behind = rays.along(y, z, x)
    out = rgb(deep, x) + starfield(world.sky.seed, 0.9 * world.sky.stars, rays)
    out = mix(out, first, smoothstep(-0.7, 1.6, a) * 0.95)
    out = mix(out, second, smoothstep(-0.2, 1.8, b) * 0.9)
    bright = smoothstep(0.2, 2.2, a + 0.5 * b)
    out = mix(out, core, (bright * (0.55 + 0.4 * thread)).clamp(max=0.92))
    out = mix(out, second, 0.3 * thread * smoothstep(-0.6, 0.8, b))
    for k in range(3):
        at = direction(2.4 * k + 7.0 * s, 0.9 * math.sin(5.0 * s + 1.9 * k))
        gap = 1.0 - (x * at[0] + y * at[1] + z * at[2])
        light = 0.55 * torch.exp(-gap / 0.02) + 0.3 * torch.exp(-gap / 0.15)
        out = mix(out, core, (light * (0.75 + 0.25 * a)).clamp(0.0, 0.9))
    lanes = fbm(1.7 * qx + 0.6 * warp[1], 1.7 * qy, 1.7 * qz + 3.0, 4, 1.5 * blur, 0.6)
    dust = smoothstep(0.45, 1.25, lanes)
    out = mix(out, 0.5 * rgb(deep, x), dust * 0.85)
    return out + starfield(world.sky.seed + 3.0, 0.6 * world.sky.stars, behind)


def _underwater(world: World, rays: Rays) -> Tensor:
    return under_water(world.colours, world.seed, world.speed, world.ground, rays)


def _fire(world: World, rays: Rays) -> Tensor:
    tint = world.colours[1]
    z = rays.z
    go = world.speed * rays.t
    smoke = fbm(1.6 * rays.x, 1.6 * rays.y, 1.2 * z - 0.7 * go, 4, 1.6 * rays.pixel)
    back = mix(world.colours[0], (0.03, 0.02, 0.03), smoothstep(-0.3, 0.8, z + 0.12 * smoke))
    light = flames(world.seed, world.speed, tint, rays)
    out = torch.maximum(back + 0.25 * light, light)
    low = _columns(z < 0.0)
    if world.ground is not None and len(low):
        part = rays.take(low)
        down = part.along(part.x, part.y, part.z.clamp(max=-1e-3))
        below = ground_colour(world.ground, world.sky, down)
        near = smoothstep(0.0, -0.12, part.z)[..., None]
        out[:, low] = torch.maximum(out[:, low] * (1.0 - 0.7 * near), below * near)
    return out


_KINDS = {"open": _open, "nebula": _nebula, "underwater": _underwater, "fire": _fire}


def colour(
    world: World, directions: Tensor, time_s: Tensor, pixel: float = math.pi / 256.0
) -> Tensor:
    """Colour of the world.

    Args:
        world: The world.
        directions: Unit vectors, [N, 3].
        time_s: Seconds, [F].
        pixel: Radians a pixel spans: detail finer than that is left out.

    Returns:
        sRGB-coded colour, [F, N, 3] in 0..1, where `directions` lie.
    """
    x, y, z = (directions[None, :, i] for i in range(3))
    t = time_s.to(directions.device)[:, None]
    rays = Rays(x=x, y=y, z=z, t=t, pixel=pixel)
    out = _KINDS[world.kind](world, rays)
    for motes in world.motes:
        out = motes_over(motes, world.seed, rays, out)
    return out.clamp(0.0, 1.0).expand(len(time_s), len(directions), 3)


def view_directions(
    yaw_deg: float,
    pitch_deg: float,
    fov_deg: float,
    size: int = 128,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Unit vectors of the pixel centres of a square pinhole view, [size * size, 3], roll 0."""
    half = math.tan(math.radians(fov_deg) / 2.0)
    line = ((torch.arange(size, device=device) + 0.5) / size * 2.0 - 1.0) * half
    right, up = line[None, :].expand(size, size), -line[:, None].expand(size, size)
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    level, z = cp - up * sp, sp + up * cp
    x, y = level * cy - right * sy, level * sy + right * cy
    out = torch.stack((x, y, z), dim=-1).reshape(-1, 3)
    return out / out.norm(dim=-1, keepdim=True)


def view_pixel(fov_deg: float, size: int) -> float:
    """Radians that a pixel of a square pinhole view spans, between its centre and its middle."""
    return 0.8 * 2.0 * math.tan(math.radians(fov_deg) / 2.0) / size


def erp_directions(height: int, device: torch.device | str = "cpu") -> Tensor:
    """Unit vectors of the pixel centres of an ERP picture of height x 2 height, [2 h h, 3]."""
    rows = torch.arange(height, device=device)
    columns = torch.arange(2 * height, device=device)
    pitch = math.pi * (0.5 - (rows + 0.5) / height)
    yaw = 2.0 * math.pi * ((columns + 0.5) / (2 * height) - 0.5)
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
    device: torch.device | str = "cpu",
) -> Tensor:
    """A perspective clip, [F, 3, size, size] in 0..1, on the device."""
    rays = view_directions(yaw_deg, pitch_deg, fov_deg, size, device)
    out = colour(world, rays, times_s, view_pixel(fov_deg, size))
    return out.reshape(len(times_s), size, size, 3).permute(0, 3, 1, 2).contiguous()


def render_erp(
    world: World, *, height: int, times_s: Tensor, device: torch.device | str = "cpu"
) -> Tensor:
    """The true panorama, [F, 3, height, 2 height] in 0..1, on the device."""
    out = colour(world, erp_directions(height, device), times_s, math.pi / height)
    return out.reshape(len(times_s), height, 2 * height, 3).permute(0, 3, 1, 2).contiguous()
