"""Grounds, skylines and weather of many kinds, lit by the sky above them, with their words."""

from __future__ import annotations

from random import Random

from .ground import Ground, Ridge
from .skies import Words, blend, near, shade, wind
from .sky import Colour, Sky
from .worlds import Motes


def merge(*parts: Words) -> Words:
    """Words of several parts together, by role, without repeats."""
    out: Words = {}
    for part in parts:
        for role, words in part.items():
            out[role] = tuple(dict.fromkeys((*out.get(role, ()), *words)))
    return out


def brightness(sky: Sky) -> float:
    """How much light the sky gives the ground, about 0.1 at night to 1 by day."""
    light = 0.5 * (max(sky.zenith) + max(sky.horizon))
    glow = 0.25 * sky.aurora.strength if sky.aurora is not None else 0.0
    return min(1.0, 0.12 + 0.95 * light + glow)


def tinted(sky: Sky, colour: Colour, amount: float = 0.35) -> Colour:
    """A ground colour as lit by this sky."""
    light = blend(sky.zenith, sky.horizon, 0.6)
    top = max(max(light), 1e-3)
    cast = (light[0] / top, light[1] / top, light[2] / top)
    if sky.aurora is not None:
        cast = blend(cast, sky.aurora.hem, 0.4)
    r, g, b = (c * (1.0 - amount + amount * k) for c, k in zip(colour, cast, strict=True))
    return shade((r, g, b), brightness(sky))


def hills(rng: Random, sky: Sky, kind: str) -> tuple[tuple[Ridge, ...], Words]:
    """A skyline: hills, snowy mountains, a forest; or none."""
    seed = rng.uniform(0, 16)
    if kind == "mountains":
        far = blend(tinted(sky, (0.3, 0.36, 0.48)), sky.horizon, 0.25)
        ridges = (
            Ridge(colour=far, height=0.26, rise=0.15, detail=1.9, seed=seed, snow=0.9, mist=0.6),
            Ridge(
                colour=shade(far, 0.6), height=0.08, rise=0.05, detail=2.4, seed=seed + 5, mist=0.4
            ),
        )
        return ridges, {"scene": ("mountains",)}
    if kind == "hills":
        tone = tinted(sky, (0.16, 0.24, 0.18))
        return (Ridge(colour=tone, height=0.07, rise=0.04, detail=1.6, seed=seed, mist=0.4),), {
            "scene": ("hills",)
        }
    if kind == "forest":
        tone = tinted(sky, (0.06, 0.15, 0.10))
        edge = Ridge(
            colour=tone, height=0.1, rise=0.03, detail=2.0, seed=seed, spikes=0.12, mist=0.25
        )
        return (edge,), {"scene": ("forest",)}
    return (), {}


def sea_ground(rng: Random, sky: Sky, rough: float, speed: float) -> tuple[Ground, Words]:
    """Open water."""
    lit = brightness(sky)
    name, base = rng.choice(
        (("blue", (0.02, 0.16, 0.36)), ("turquoise", (0.02, 0.36, 0.42)), ("", (0.03, 0.13, 0.25)))
    )
    if lit < 0.45:
        name, base = "", (0.01, 0.05, 0.12)
    ground = Ground(
        kind="sea",
        seed=rng.uniform(0, 16),
        colour=shade(near(rng, base, 0.02), 0.25 + 0.75 * lit),
        light=shade((0.9, 0.95, 1.0), 0.2 + 0.8 * lit),
        rough=rough,
        speed=0.9 * speed,
        scale=rng.uniform(1.5, 2.0),
    )
    words: Words = {"scene": ("sea",), "colour": (name,) if name else ()}
    words["motion"] = (
        ("calm",) if rough < 0.3 else (("waves",) if rough < 0.7 else ("rough", "waves"))
    )
    return ground, words


def snow_ground(rng: Random, sky: Sky, speed: float) -> tuple[Ground, Words]:
    """Snow fields."""
    ground = Ground(
        kind="snow",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, (0.6, 0.7, 0.86), 0.5),
        light=tinted(sky, (0.97, 0.98, 1.0), 0.4),
        rough=rng.uniform(0.8, 1.3),
        speed=0.5 * speed,
        scale=rng.uniform(1.0, 1.4),
    )
    return ground, {"scene": ("snow",), "colour": ("white",), "mood": ("cold",)}


SANDS: dict[str, Colour] = {
    "gold": (0.9, 0.66, 0.34),
    "red": (0.78, 0.36, 0.2),
    "pale": (0.92, 0.8, 0.6),
}


def dune_ground(rng: Random, sky: Sky, speed: float) -> tuple[Ground, Words]:
    """Sand."""
    name = rng.choice(tuple(SANDS))
    sand = near(rng, SANDS[name], 0.03)
    ground = Ground(
        kind="dunes",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, shade(sand, 0.5)),
        light=tinted(sky, shade(sand, 1.08)),
        rough=rng.uniform(0.7, 1.1),
        speed=1.2 * speed,
        scale=rng.uniform(0.6, 0.9),
    )
    return ground, {"colour": (name,)}


def meadow_ground(rng: Random, sky: Sky, speed: float) -> tuple[Ground, Words]:
    """Grass in the wind."""
    grass = near(rng, rng.choice(((0.24, 0.5, 0.12), (0.36, 0.52, 0.14), (0.16, 0.42, 0.16))), 0.03)
    ground = Ground(
        kind="meadow",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, shade(grass, 0.6)),
        light=tinted(sky, shade(grass, 1.35)),
        rough=0.6,
        speed=1.2 * speed,
        scale=rng.uniform(0.7, 1.0),
    )
    return ground, {"colour": ("green",)}


def snowfall(rng: Random, speed: float, sky: Sky) -> Motes:
    """Falling snow."""
    white = shade((1.0, 1.0, 1.0), 0.45 + 0.55 * brightness(sky))
    drift = wind(rng, 0.6 * speed)
    return Motes(
        colour=white,
        scale=5.5,
        size=0.16,
        density=0.65,
        velocity=(*drift, -1.9 * speed),
        opacity=0.95,
    )


def rainfall(rng: Random, speed: float) -> Motes:
    """Falling rain: long pale streaks."""
    return Motes(
        colour=(0.78, 0.83, 0.9),
        scale=9.0,
        size=0.12,
        density=0.8,
        velocity=(*wind(rng, 0.8), -9.0 * speed),
        stretch=5.0,
        opacity=0.55,
    )
