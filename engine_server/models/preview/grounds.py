"""Grounds, skylines and weather of many kinds, lit by the sky above them, with their words."""

from __future__ import annotations

from random import Random

from .ground import Ground, Ridge
from .noise import Colour
from .skies import Words, blend, near, shade, wind
from .sky import Sky
from .trees import Trees
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
    return min(1.0, 0.12 + 1.05 * light + glow)


def tinted(sky: Sky, colour: Colour, amount: float = 0.35) -> Colour:
    """A ground colour as lit by this sky."""
    light = blend(sky.zenith, sky.horizon, 0.6)
    top = max(max(light), 1e-3)
    cast = (light[0] / top, light[1] / top, light[2] / top)
    if sky.aurora is not None:
        cast = blend(cast, sky.aurora.hem, 0.4)
    lit = brightness(sky)
    amount = max(amount, min(0.8, 1.0 - 1.4 * lit))
    r, g, b = (c * (1.0 - amount + amount * k) for c, k in zip(colour, cast, strict=True))
    return shade((r, g, b), lit)


def hills(rng: Random, sky: Sky, kind: str) -> tuple[tuple[Ridge, ...], Words]:
    """A skyline: hills or snowy mountains; or none."""
    seed = rng.uniform(0, 16)
    if kind == "mountains":
        far = blend(tinted(sky, (0.3, 0.36, 0.48)), sky.horizon, 0.25)
        ridges = (
            Ridge(
                colour=far,
                height=0.24,
                rise=0.13,
                detail=1.9,
                seed=seed,
                snow=0.9,
                mist=0.5,
                ragged=0.5,
                peaked=0.8,
                white=tinted(sky, (0.95, 0.96, 1.0), 0.5),
            ),
            Ridge(
                colour=shade(far, 0.6), height=0.08, rise=0.05, detail=2.4, seed=seed + 5, mist=0.4
            ),
        )
        return ridges, {"scene": ("mountains",)}
    if kind == "hills":
        tone = blend(tinted(sky, (0.2, 0.31, 0.22)), sky.horizon, 0.2)
        return (Ridge(colour=tone, height=0.07, rise=0.04, detail=1.6, seed=seed, mist=0.4),), {
            "scene": ("hills",)
        }
    return (), {}


def sea_ground(rng: Random, sky: Sky, rough: float, speed: float) -> tuple[Ground, Words]:
    """Open water."""
    lit = brightness(sky)
    name, base = rng.choice(
        (("blue", (0.02, 0.16, 0.36)), ("turquoise", (0.02, 0.36, 0.42)), ("", (0.03, 0.13, 0.25)))
    )
    if lit < 0.45:
        name, base = "", (0.03, 0.1, 0.21)
    elif sky.sun is not None and sky.sun[1] < 0.25:
        name, base = "", blend(shade(sky.zenith, 0.5), (0.02, 0.12, 0.22), 0.4)
    ground = Ground(
        kind="sea",
        seed=rng.uniform(0, 16),
        colour=shade(near(rng, base, 0.02), 0.25 + 0.75 * lit),
        light=shade((0.9, 0.95, 1.0), 0.2 + 0.8 * lit),
        rough=rough,
        speed=1.4 * speed,
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
        colour=tinted(sky, (0.42, 0.55, 0.8), 0.5),
        light=tinted(sky, (0.97, 0.98, 1.0), 0.4),
        rough=rng.uniform(0.6, 1.3),
        speed=0.5 * speed,
    )
    return ground, {"scene": ("snow",), "colour": ("white",), "mood": ("cold",)}


SANDS: dict[str, Colour] = {
    "gold": (0.93, 0.68, 0.36),
    "red": (0.83, 0.4, 0.22),
    "pale": (0.94, 0.83, 0.64),
}


def dune_ground(rng: Random, sky: Sky, speed: float) -> tuple[Ground, Words]:
    """Sand."""
    name = rng.choice(tuple(SANDS))
    sand = near(rng, SANDS[name], 0.03)
    dark = blend(shade(sand, 0.42), (0.3, 0.16, 0.2), 0.3)
    ground = Ground(
        kind="dunes",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, dark, 0.15),
        light=tinted(sky, shade(sand, 1.08), 0.06),
        rough=rng.uniform(0.7, 1.2),
        speed=1.2 * speed,
    )
    return ground, {"colour": (name,)}


FLOWERS: dict[str, Colour] = {
    "gold": (1.0, 0.85, 0.15),
    "red": (0.95, 0.15, 0.1),
    "purple": (0.6, 0.35, 0.9),
    "white": (1.0, 1.0, 1.0),
}


def meadow_ground(
    rng: Random, sky: Sky, speed: float, wet: bool = False, bloom: float = 0.0
) -> tuple[Ground, Words]:
    """Grass in the wind: with puddles when wet, with flowers in a share `bloom` of the worlds."""
    grass = near(rng, rng.choice(((0.25, 0.5, 0.12), (0.38, 0.52, 0.13), (0.2, 0.43, 0.17))), 0.03)
    flowers = rng.uniform(0.15, 0.4) if rng.random() < bloom else 0.0
    petals = rng.choice(tuple(FLOWERS))
    ground = Ground(
        kind="meadow",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, shade(grass, 0.5)),
        light=tinted(sky, shade(grass, 1.45)),
        accent=sky.horizon if wet else tinted(sky, FLOWERS[petals], 0.2),
        rough=rng.uniform(0.5, 1.1),
        speed=0.9 * speed,
        flowers=0.0 if wet else flowers,
        drops=1.0 if wet else 0.0,
    )
    words: Words = {"colour": ("green",)}
    if flowers > 0.0 and not wet:
        words["scene"] = ("flowers",)
        words["colour"] = ("green", petals)
    return ground, words


def field_ground(rng: Random, sky: Sky, speed: float) -> tuple[Ground, Words]:
    """Fields and woods far below."""
    dark, pale, ripe = rng.choice(
        (
            ((0.15, 0.34, 0.13), (0.44, 0.6, 0.25), (0.8, 0.7, 0.36)),
            ((0.18, 0.36, 0.2), (0.5, 0.62, 0.36), (0.7, 0.52, 0.34)),
            ((0.13, 0.3, 0.16), (0.35, 0.55, 0.28), (0.86, 0.8, 0.4)),
        )
    )
    ground = Ground(
        kind="fields",
        seed=rng.uniform(0, 16),
        colour=tinted(sky, dark),
        light=tinted(sky, near(rng, pale, 0.03)),
        accent=tinted(sky, near(rng, ripe, 0.03)),
        speed=speed,
        scale=rng.uniform(1.6, 2.4),
        haze=0.12,
    )
    return ground, {"scene": ("fields",), "colour": ("green",)}


def forest_edge(rng: Random, sky: Sky, speed: float, snow: float = 0.0) -> tuple[Trees, Words]:
    """Trees around a clearing: firs or broad-leaved."""
    conifer = snow > 0.0 or rng.random() < 0.6
    autumn = not conifer and rng.random() < 0.3
    leaf = (0.16, 0.36, 0.18) if conifer else rng.choice(((0.2, 0.42, 0.12), (0.28, 0.46, 0.1)))
    if autumn:
        leaf = rng.choice(((0.75, 0.35, 0.08), (0.82, 0.55, 0.12), (0.65, 0.2, 0.1)))
    trees = Trees(
        leaf=tinted(sky, near(rng, leaf, 0.02)),
        bark=tinted(sky, (0.22, 0.15, 0.1)),
        conifer=conifer,
        height=rng.uniform(0.75, 1.25),
        count=rng.choice((18, 22, 28)),
        sway=0.012 * speed,
        speed=0.7 + 0.5 * speed,
        gap=rng.uniform(0.05, 0.4),
        seed=rng.uniform(0, 16),
        snow=snow,
    )
    words: Words = {"scene": ("forest", "pines") if conifer else ("forest",)}
    if autumn:
        words["colour"] = ("autumn",)
    return trees, words


def snowfall(rng: Random, speed: float, sky: Sky) -> Motes:
    """Falling snow."""
    white = shade((1.0, 1.0, 1.0), 0.6 + 0.4 * brightness(sky))
    drift = wind(rng, 0.6 * speed)
    return Motes(
        colour=white,
        scale=4.4,
        size=0.1,
        density=rng.uniform(0.7, 1.0),
        velocity=(*drift, -1.8 * speed),
        opacity=1.0,
    )


def rainfall(rng: Random, speed: float) -> Motes:
    """Falling rain: long pale streaks."""
    return Motes(
        colour=(0.84, 0.88, 0.94),
        scale=8.0,
        size=0.08,
        density=0.97,
        velocity=(*wind(rng, 0.8), -7.0 * (0.6 + 0.4 * speed)),
        stretch=9.0,
        opacity=0.7,
        layers=4,
    )
