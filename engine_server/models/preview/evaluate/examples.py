"""What the evaluation looks at: held-out worlds, prompts for them, and clips the model makes.

A level view (near the horizon, about 90 degrees wide) is where a family can be told: a view of the
zenith or of the feet often shows nothing but blue or sand. Rendered and generated clips share one
distribution of views: the generated clip of a held-out world is asked for with a caption of that
world and looks in the same direction, with the same field of view, from the same side of the light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import torch
from torch import Tensor

from ...adapter import Adapter, ViewGeometry
from ...guidance import guided
from .. import families
from ..captions import caption
from ..dataset import SIZE, Look, azimuth, elevation
from ..text import SYNONYMS
from ..worlds import frame_times, render_view

PITCH_DEG = (-10.0, 30.0)
FOV_DEG = (80.0, 100.0)

PROMPTS: dict[str, tuple[str, str, str]] = {
    "clouds": (
        "white clouds in a blue sky over a green meadow",
        "fluffy clouds drifting over hills by day",
        "scattered clouds under a blue sky",
    ),
    "sunset": (
        "orange sunset over hills",
        "a sunrise with glowing clouds over a meadow",
        "red and purple sky at sunset",
    ),
    "aurora": (
        "northern lights over snow and mountains",
        "green aurora in the night sky",
        "strong purple aurora over a forest",
    ),
    "stars": (
        "starry night with the milky way",
        "the milky way above mountains at night",
        "a clear night sky full of stars",
    ),
    "sea": ("open sea by day", "blue ocean with waves under a clear sky", "a calm sea at noon"),
    "snow": (
        "snowfall over snowy hills",
        "a snowy forest with falling snow",
        "cold white snow fields in winter",
    ),
    "desert": ("golden desert dunes by day", "hot desert under a blue sky", "sand dunes at noon"),
    "storm": (
        "a thunderstorm with lightning over the sea",
        "dark storm clouds over the meadow",
        "a dramatic storm with lightning",
    ),
    "rain": (
        "grey rain over hills",
        "rain falling on a meadow under an overcast sky",
        "a rainy day",
    ),
    "nebula": ("purple and blue nebula in deep space", "a red nebula with stars", "cosmic nebula"),
    "fire": ("fire and embers", "raging flames all around", "a burning fire with sparks"),
    "lava": ("a plain of glowing lava", "red lava under a dark sky", "molten lava and a volcano"),
    "mist": (
        "mountains in the mist",
        "misty mountains above a sea of clouds",
        "fog between the mountains in the morning",
    ),
    "underwater": (
        "under water with light from above",
        "turquoise underwater world with caustics",
        "underwater, green, over a sandy floor",
    ),
    "meadow": (
        "a green meadow with trees",
        "grass waving in the wind in a forest clearing",
        "grassy hills by day",
    ),
}
"""Plain prompts a person might write, three a family; a new family's own word stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How clips are drawn from the model: its intended setting, and what the method runs it at."""

    frames: int = 8
    steps: int = 16
    guidance_scale: float = 4.0
    shift: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a clip is asked for with: prompt, direction and noise.

    Attributes:
        yaw_deg: Heading, counted from the world's sun or moon.
        told: Whether the model is told where the view looks.
    """

    prompt: str
    yaw_deg: float = 0.0
    pitch_deg: float = 5.0
    fov_deg: float = 90.0
    seed: int = 0
    told: bool = True


def plain_prompts(family: str) -> tuple[str, ...]:
    """Prompts for a family that no caption was drawn for."""
    return PROMPTS.get(family, (family.replace("_", " "),))


def level_look(rng: Random, family: str) -> Look:
    """A new world of the family, seen near the horizon in any heading."""
    world = families.draw(rng, family)
    return Look(
        world=world,
        yaw_deg=rng.uniform(-180.0, 180.0),
        pitch_deg=rng.uniform(*PITCH_DEG),
        fov_deg=rng.uniform(*FOV_DEG),
        start_s=rng.uniform(0.0, 8.0),
    )


def held_out(family: str, count: int, *, seed: int = 0) -> list[Look]:
    """Worlds that no training has drawn: their generator is named after the evaluation."""
    return [level_look(Random(f"evaluation-{seed}-{family}-{k}"), family) for k in range(count)]


def rendered(look: Look, frames: int, *, size: int = SIZE) -> Tensor:
    """The true clip, [F, 3, size, size] in 0..1."""
    return render_view(
        look.world,
        yaw_deg=look.yaw_deg,
        pitch_deg=look.pitch_deg,
        fov_deg=look.fov_deg,
        times_s=frame_times(frames, look.start_s),
        size=size,
    )


def names_subject(text: str, look: Look) -> bool:
    """Whether a caption says all the subjects of the world, in any of their wordings."""
    padded = f" {text.lower()} "
    return all(
        any(f" {word.replace('_', ' ')} " in padded for word in SYNONYMS[token].split())
        for token in look.world.words.get("subject", ())
    )


def told_caption(look: Look, rng: Random) -> str:
    """A caption that names the subject, as training wrote them."""
    has_sky = look.world.kind == "open"
    text = caption(look.world.words, has_sky, look.pitch_deg, rng)
    for _ in range(50):
        if names_subject(text, look):
            break
        text = caption(look.world.words, has_sky, look.pitch_deg, rng)
    return text


def view_of(look: Look, seed: int) -> View:
    """What to ask the model for, to compare with the rendered clip of `look`."""
    sun = look.world.sky.sun
    light_yaw = 0.0 if sun is None else math.degrees(sun[0])
    return View(
        prompt=told_caption(look, Random(f"caption-{seed}")),
        yaw_deg=look.yaw_deg - light_yaw,
        pitch_deg=look.pitch_deg,
        fov_deg=look.fov_deg,
        seed=seed,
    )


def geometry(view: View) -> ViewGeometry:
    """Where the cells of a view look; not a number where it is not told."""
    yaw, pitch, fov = (torch.tensor([v]) for v in (view.yaw_deg, view.pitch_deg, view.fov_deg))
    heights, across = elevation(pitch, fov), azimuth(yaw, pitch, fov)
    if not view.told:
        heights, across = torch.full_like(heights, torch.nan), torch.full_like(across, torch.nan)
    return ViewGeometry(elevation_rad=heights, fov_deg=view.fov_deg, azimuth_rad=across)


def sigmas(sampling: Sampling) -> list[float]:
    """The falling noise levels of a clip, 1 to 0."""
    line = [1.0 - k / sampling.steps for k in range(sampling.steps + 1)]
    return [sampling.shift * u / (1.0 + (sampling.shift - 1.0) * u) for u in line]


@torch.inference_mode()
def generated_latents(adapter: Adapter, view: View, sampling: Sampling) -> Tensor:
    """Latents [C, F, h, w] of a clip by Euler steps; the same for the same view."""
    spec, where = adapter.spec, geometry(view)
    cond, uncond = adapter.encode_prompt([view.prompt]), adapter.encode_prompt([""])
    noise = torch.Generator().manual_seed(view.seed)
    x = torch.randn(1, spec.channels, sampling.frames, *spec.window_hw, generator=noise)
    for here, there in pairwise(sigmas(sampling)):
        aim = guided(
            adapter,
            x,
            here,
            where,
            cond=cond,
            uncond=uncond,
            guidance_scale=sampling.guidance_scale,
        )
        x = aim + (there / here) * (x - aim)
    return x[0]


def decoded(adapter: Adapter, latents: Tensor) -> Tensor:
    """Frames [F, 3, H, W] in 0..1 of latents [C, F, h, w]."""
    return torch.stack(list(adapter.decode(latents, wraps=False))) * 0.5 + 0.5


def generated(adapter: Adapter, view: View, sampling: Sampling) -> Tensor:
    """A clip the model makes, [F, 3, H, W] in 0..1."""
    return decoded(adapter, generated_latents(adapter, view, sampling))


def round_trip(adapter: Adapter, clip: Tensor) -> Tensor:
    """A clip [F, 3, H, W] in 0..1, through the autoencoder and back."""
    return decoded(adapter, adapter.encode(clip * 2.0 - 1.0, wraps=False))
