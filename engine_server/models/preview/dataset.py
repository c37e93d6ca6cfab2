"""Rendered clips for training: views in every direction of freshly drawn worlds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from . import families
from .worlds import World, frame_times, render_view

SIZE = 128  # pixels along a side of a training view
CELLS = 16  # latent cells along a side


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One view of one world."""

    world: World
    yaw_deg: float
    pitch_deg: float
    fov_deg: float
    start_s: float


def draw_look(rng: Random) -> Look:
    """A world of any family, seen in any direction, through a field of 10 to 110 degrees.

    Half of the fields are 80 degrees or wider, a fifth 40 or narrower.
    """
    world = families.draw(rng)
    if rng.random() < 0.6:
        pitch = math.degrees(math.asin(rng.uniform(-1.0, 1.0)))
    else:
        pitch = rng.choice((rng.uniform(-90.0, 90.0), rng.gauss(5.0, 18.0)))
    kind = rng.random()
    if kind < 0.5:
        fov = rng.uniform(80.0, 110.0)
    elif kind < 0.78:
        fov = rng.uniform(40.0, 80.0)
    else:
        fov = math.exp(rng.uniform(math.log(10.0), math.log(40.0)))
    return Look(
        world=world,
        yaw_deg=rng.uniform(-180.0, 180.0),
        pitch_deg=max(-90.0, min(90.0, pitch)),
        fov_deg=fov,
        start_s=rng.uniform(0.0, 8.0),
    )


def render(look: Look, num_frames: int, device: torch.device | str = "cpu") -> Tensor:
    """The clip, uint8 [F, 3, 128, 128], on the device."""
    frames = render_view(
        look.world,
        yaw_deg=look.yaw_deg,
        pitch_deg=look.pitch_deg,
        fov_deg=look.fov_deg,
        times_s=frame_times(num_frames, look.start_s),
        size=SIZE,
        device=device,
    )
    return (frames * 255.0).round().to(torch.uint8)


def to_signed(frames: Tensor) -> Tensor:
    """uint8 pixels to floats in -1..1."""
    return frames.float() / 127.5 - 1.0


def elevation(pitch_deg: Tensor, fov_deg: Tensor, cells: int = CELLS) -> Tensor:
    """Elevation in radians of the cell centres of views with roll 0, [N, cells, cells]."""
    half = torch.tan(torch.deg2rad(fov_deg) / 2.0)[:, None, None]
    line = (torch.arange(cells) + 0.5) / cells * 2.0 - 1.0
    right, up = line[None, None, :] * half, -line[None, :, None] * half
    pitch = torch.deg2rad(pitch_deg)[:, None, None]
    height = pitch.sin() + up * pitch.cos()
    return torch.asin((height / torch.sqrt(1.0 + right * right + up * up)).clamp(-1.0, 1.0))


def azimuth(yaw_deg: Tensor, pitch_deg: Tensor, fov_deg: Tensor, cells: int = CELLS) -> Tensor:
    """Yaw in radians, not wrapped, of the cell centres of views with roll 0, [N, cells, cells]."""
    half = torch.tan(torch.deg2rad(fov_deg) / 2.0)[:, None, None]
    line = (torch.arange(cells) + 0.5) / cells * 2.0 - 1.0
    right, up = line[None, None, :] * half, -line[None, :, None] * half
    pitch = torch.deg2rad(pitch_deg)[:, None, None]
    level = pitch.cos() - up * pitch.sin()
    return torch.deg2rad(yaw_deg)[:, None, None] + torch.atan2(right, level)
