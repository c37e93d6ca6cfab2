"""Worlds of one element, without open sky: space, fire, lava, the sea from below."""

from __future__ import annotations

from random import Random

from .ground import Ground, Ridge
from .noise import Colour
from .skies import Words, blend, near, pace, shade, wind
from .sky import Clouds, Sky
from .worlds import Motes, World

NEBULAE: dict[str, tuple[Colour, Colour, Colour]] = {
    "purple blue": ((0.3, 0.1, 0.6), (0.1, 0.3, 0.85), (1.0, 0.75, 0.95)),
    "red orange": ((0.6, 0.1, 0.12), (0.95, 0.42, 0.12), (1.0, 0.9, 0.65)),
    "blue turquoise": ((0.05, 0.2, 0.6), (0.05, 0.6, 0.65), (0.8, 1.0, 1.0)),
    "pink purple": ((0.75, 0.18, 0.5), (0.35, 0.12, 0.7), (1.0, 0.85, 0.85)),
    "green gold": ((0.08, 0.4, 0.25), (0.7, 0.6, 0.15), (1.0, 1.0, 0.8)),
}


def nebula(rng: Random) -> World:
    """Clouds of gas and stars in every direction."""
    motion, speed = pace(rng)
    name = rng.choice(tuple(NEBULAE))
    first, second, core = (near(rng, c, 0.05) for c in NEBULAE[name])
    deep = blend((0.01, 0.01, 0.04), first, 0.08)
    sky = Sky(seed=rng.uniform(0, 16), stars=rng.uniform(0.8, 1.2))
    words: Words = {"subject": ("nebula", "space"), "colour": tuple(name.split()), "motion": motion}
    words["weather"] = ("stars",)
    words["mood"] = ("mysterious",)
    return World(
        family="nebula",
        kind="nebula",
        seed=rng.uniform(0, 16),
        sky=sky,
        colours=(deep, first, second, core),
        speed=0.8 * speed,
        words=words,
    )


def fire(rng: Random) -> World:
    """Flames all around over embers."""
    motion, speed = pace(rng)
    tint = near(rng, (1.0, rng.choice((0.2, 0.32, 0.42)), 0.05), 0.03)
    ground = Ground(
        kind="coals",
        seed=rng.uniform(0, 16),
        light=tint,
        speed=0.8 * speed,
        scale=1.7,
        haze=0.04,
    )
    sparks = Motes(
        colour=(1.0, 0.72, 0.25),
        scale=5.0,
        size=0.07,
        density=0.6,
        velocity=(*wind(rng, 0.5), 2.2 * speed),
    )
    words: Words = {
        "subject": ("fire",),
        "scene": ("embers",),
        "colour": ("red", "orange"),
        "mood": ("hot",),
    }
    words["motion"] = motion
    return World(
        family="fire",
        kind="fire",
        seed=rng.uniform(0, 16),
        sky=Sky(horizon=shade(tint, 0.5), zenith=(0.03, 0.02, 0.03)),
        ground=ground,
        motes=(sparks,),
        colours=(shade(tint, 0.35), tint),
        speed=1.3 * speed,
        words=words,
    )


def lava(rng: Random) -> World:
    """A lava plain under a dark red sky."""
    motion, speed = pace(rng)
    tint = near(rng, (1.0, rng.choice((0.18, 0.3, 0.4)), 0.04), 0.03)
    sky = _glowing_sky(rng, speed)
    ground = Ground(
        kind="lava",
        seed=rng.uniform(0, 16),
        light=tint,
        rough=rng.uniform(0.3, 0.9),
        speed=0.9 * speed,
        scale=1.7,
    )
    ridge = Ridge(
        colour=(0.07, 0.04, 0.05),
        height=0.14,
        rise=0.09,
        detail=1.8,
        seed=rng.uniform(0, 16),
        mist=0.5,
    )
    sparks = Motes(
        colour=(1.0, 0.6, 0.2),
        scale=6.0,
        size=0.07,
        density=0.35,
        velocity=(*wind(rng, 0.4), 1.6 * speed),
    )
    words: Words = {
        "subject": ("lava",),
        "scene": ("embers",),
        "colour": ("red", "dark"),
        "mood": ("hot", "dramatic"),
    }
    words["motion"] = motion
    return World(
        family="lava",
        seed=rng.uniform(0, 16),
        sky=sky,
        ground=ground,
        ridges=(ridge,),
        motes=(sparks,),
        words=words,
    )


def _glowing_sky(rng: Random, speed: float) -> Sky:
    """Dark red smoke over lava."""
    return Sky(
        seed=rng.uniform(0, 16),
        zenith=(0.06, 0.03, 0.05),
        horizon=near(rng, (0.55, 0.16, 0.06), 0.05),
        falloff=0.45,
        clouds=(
            Clouds(
                cover=0.5,
                soft=0.6,
                wind=wind(rng, 0.4 * speed),
                lit=(0.5, 0.16, 0.09),
                shade=(0.09, 0.05, 0.06),
            ),
        ),
        fog=0.3,
    )


WATERS: dict[str, tuple[Colour, Colour, Colour]] = {
    "blue": ((0.0, 0.05, 0.2), (0.02, 0.3, 0.62), (0.5, 0.85, 1.0)),
    "turquoise": ((0.0, 0.14, 0.24), (0.03, 0.5, 0.6), (0.6, 1.0, 0.95)),
    "green": ((0.01, 0.12, 0.1), (0.06, 0.42, 0.3), (0.75, 1.0, 0.7)),
}


def underwater(rng: Random) -> World:
    """Under water: light from above, sand or the deep below."""
    motion, speed = pace(rng)
    name = rng.choice(tuple(WATERS))
    ground = None
    scene: tuple[str, ...] = ("deep",)
    if rng.random() < 0.7:
        sand = near(rng, (0.9, 0.82, 0.6), 0.03)
        ground = Ground(
            kind="seabed",
            seed=rng.uniform(0, 16),
            colour=shade(sand, 0.55),
            light=sand,
            speed=speed,
            scale=1.8,
        )
        scene = ("sand",)
    bubbles = Motes(
        colour=(0.85, 0.97, 1.0),
        scale=4.0,
        size=0.09,
        density=0.3,
        velocity=(0.2, 0.1, 1.3 * speed),
        opacity=0.6,
    )
    words: Words = {"subject": ("underwater",), "scene": scene, "colour": (name,), "motion": motion}
    return World(
        family="underwater",
        kind="underwater",
        seed=rng.uniform(0, 16),
        ground=ground,
        motes=(bubbles,),
        colours=tuple(near(rng, c, 0.03) for c in WATERS[name]),
        speed=1.2 * speed,
        words=words,
    )
