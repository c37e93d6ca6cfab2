"""Skies of many kinds, drawn from a random generator, each with the words that are true of it."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from .noise import Colour
from .sky import Aurora, Clouds, Sky

Words = dict[str, tuple[str, ...]]

SPEEDS = (("calm", "slow"), 0.45), ((), 1.0), (("fast", "windy"), 1.9)


def near(rng: Random, colour: Colour, spread: float = 0.06) -> Colour:
    """A colour close to the given one."""
    tone = rng.uniform(0.93, 1.07)
    r, g, b = (min(1.0, max(0.0, c * tone + rng.uniform(-1, 1) * spread)) for c in colour)
    return r, g, b


def shade(colour: Colour, by: float) -> Colour:
    """The colour made darker or brighter by a factor."""
    r, g, b = (min(1.0, c * by) for c in colour)
    return r, g, b


def blend(a: Colour, b: Colour, weight: float) -> Colour:
    """Between two colours; 0 is a."""
    r, g, bl = (p + (q - p) * weight for p, q in zip(a, b, strict=True))
    return r, g, bl


def pace(rng: Random) -> tuple[tuple[str, ...], float]:
    """Words for how strongly things move, and the factor that goes with them."""
    words, factor = rng.choice(SPEEDS)
    return words, factor * rng.uniform(0.85, 1.15)


def heading(rng: Random) -> float:
    """A yaw in radians."""
    return rng.uniform(-math.pi, math.pi)


def wind(rng: Random, speed: float) -> tuple[float, float]:
    """Wind of a given speed from anywhere."""
    yaw = heading(rng)
    return speed * math.cos(yaw), speed * math.sin(yaw)


def cirrus(rng: Random, speed: float, lit: Colour, opacity: float = 0.55) -> Clouds:
    """High thin streaks."""
    return Clouds(
        scale=rng.uniform(0.9, 1.3),
        cover=rng.uniform(0.35, 0.5),
        soft=rng.uniform(0.8, 1.1),
        wind=wind(rng, 0.3 * speed),
        churn=0.1 * speed,
        lit=lit,
        shade=shade(lit, 0.92),
        opacity=opacity,
        streak=rng.uniform(2.5, 4.0),
    )


def day_sky(rng: Random, speed: float, cover: float | None = None) -> tuple[Sky, Words]:
    """Blue sky, more or less cloudy; cover 0 is clear, below 0.2 high thin streaks."""
    amount = rng.choice((0.0, 0.1, 0.28, 0.42, 0.6)) if cover is None else cover
    name = {0.0: ("clear",), 0.28: ("fair", "clouds"), 0.42: ("clouds",), 0.6: ("cloudy", "clouds")}
    clouds = ()
    if amount > 0.2:
        clouds = (
            Clouds(
                scale=rng.uniform(1.1, 1.7),
                cover=amount,
                soft=rng.uniform(0.16, 0.4),
                wind=wind(rng, 0.5 * speed),
                churn=0.2 * speed,
                shade=near(rng, (0.56, 0.63, 0.75), 0.04),
            ),
        )
    elif amount > 0.0:
        clouds = (cirrus(rng, speed, (1.0, 1.0, 1.0), rng.uniform(0.4, 0.7)),)
    sky = Sky(
        seed=rng.uniform(0, 16),
        zenith=near(
            rng, rng.choice(((0.07, 0.28, 0.74), (0.1, 0.36, 0.8), (0.05, 0.22, 0.6))), 0.03
        ),
        horizon=near(rng, (0.70, 0.85, 0.96), 0.03),
        falloff=rng.uniform(0.45, 0.65),
        sun=(heading(rng), rng.uniform(0.3, 1.1)),
        sun_colour=(1.0, 0.97, 0.86),
        sun_size=rng.uniform(0.035, 0.05),
        glow=rng.uniform(0.4, 0.6),
        clouds=clouds,
    )
    if amount == 0.1:
        return sky, {"weather": ("fair", "wisps", "sun"), "time": ("day",), "colour": ("blue",)}
    said = (*name.get(amount, ("clouds",)), "sun")
    return sky, {"weather": said, "time": ("day",), "colour": ("blue",)}


SUNSETS: dict[str, tuple[Colour, Colour]] = {
    "orange": ((1.0, 0.56, 0.2), (0.2, 0.22, 0.46)),
    "red": ((0.93, 0.28, 0.13), (0.24, 0.12, 0.3)),
    "pink": ((1.0, 0.52, 0.56), (0.36, 0.3, 0.62)),
    "gold": ((1.0, 0.76, 0.34), (0.32, 0.42, 0.66)),
    "purple": ((0.86, 0.42, 0.62), (0.22, 0.12, 0.42)),
}


def sunset_sky(rng: Random, speed: float) -> tuple[Sky, Words]:
    """Low sun, warm horizon, coloured clouds."""
    name = rng.choice(tuple(SUNSETS))
    horizon, zenith = (near(rng, c, 0.04) for c in SUNSETS[name])
    rising = rng.random() < 0.35
    cover = rng.choice((0.0, 0.1, 0.3, 0.42, 0.52))
    clouds = ()
    if cover == 0.1:
        clouds = (cirrus(rng, speed, blend(horizon, (1.0, 0.85, 0.7), 0.4), 0.75),)
    elif cover > 0.0:
        clouds = (
            Clouds(
                scale=rng.uniform(1.1, 1.7),
                cover=cover,
                soft=rng.uniform(0.2, 0.45),
                wind=wind(rng, 0.45 * speed),
                churn=0.2 * speed,
                lit=blend(horizon, (1.0, 0.9, 0.75), 0.35),
                shade=blend(shade(zenith, 1.15), horizon, 0.22),
            ),
        )
    sky = Sky(
        seed=rng.uniform(0, 16),
        zenith=zenith,
        horizon=horizon,
        falloff=rng.uniform(0.55, 0.8),
        sun=(heading(rng), rng.uniform(0.05, 0.24)),
        sun_colour=blend(horizon, (1.0, 0.86, 0.52), 0.65),
        sun_size=rng.uniform(0.05, 0.075),
        glow=rng.uniform(0.75, 0.95),
        clouds=clouds,
    )
    words: Words = {"subject": ("sunrise" if rising else "sunset",), "colour": (name, "warm")}
    weather = {0.0: ("clear",), 0.1: ("wisps",)}
    words["weather"] = weather.get(cover, ("clouds",))
    words["scene"] = ("sun",)
    words["time"] = ("morning",) if rising else ("evening",)
    return sky, words


def night_sky(rng: Random, moon: bool | None = None) -> tuple[Sky, Words]:
    """Dark blue, stars, perhaps a moon."""
    with_moon = rng.random() < 0.4 if moon is None else moon
    sky = Sky(
        seed=rng.uniform(0, 16),
        zenith=near(rng, (0.015, 0.03, 0.11), 0.015),
        horizon=near(rng, (0.06, 0.12, 0.26), 0.03),
        falloff=0.45,
        sun=(heading(rng), rng.uniform(0.25, 0.9)) if with_moon else None,
        sun_colour=(0.8, 0.86, 1.0),
        sun_size=rng.uniform(0.06, 0.08),
        glow=0.3,
        moon=True,
        stars=rng.uniform(0.45, 0.7) if with_moon else rng.uniform(0.7, 1.1),
    )
    words: Words = {"subject": ("moon",) if with_moon else (), "time": ("night",)}
    words["weather"] = ("clear", "stars")
    return sky, words


AURORAS: dict[str, tuple[Colour, Colour]] = {
    "green": ((0.12, 1.0, 0.42), (0.1, 0.55, 0.45)),
    "purple": ((0.62, 0.25, 1.0), (0.85, 0.2, 0.7)),
    "red": ((1.0, 0.22, 0.25), (0.75, 0.1, 0.35)),
    "blue": ((0.15, 0.55, 1.0), (0.25, 0.2, 0.95)),
    "pink": ((1.0, 0.35, 0.7), (0.6, 0.2, 0.8)),
    "green purple": ((0.15, 1.0, 0.45), (0.6, 0.15, 0.9)),
}


def aurora_sky(rng: Random, speed: float) -> tuple[Sky, Words]:
    """Northern lights in a starry night."""
    name = rng.choices(tuple(AURORAS), (5.0, 1.0, 0.7, 1.0, 0.8, 2.0))[0]
    hem, fringe = AURORAS[name]
    strong = rng.choice((0.8, 1.2, 1.7))
    base, _ = night_sky(rng, moon=False)
    sky = Sky(
        seed=base.seed,
        zenith=blend(base.zenith, hem, 0.05),
        horizon=blend(base.horizon, hem, 0.16),
        falloff=0.4,
        stars=rng.uniform(0.4, 0.8),
        aurora=Aurora(
            hem=near(rng, hem, 0.05),
            fringe=near(rng, fringe, 0.05),
            strength=strong,
            speed=1.7 * speed,
            scale=rng.uniform(1.1, 1.6),
            turn=heading(rng),
        ),
    )
    strength = {0.8: ("faint",), 1.2: (), 1.7: ("strong", "bright")}[strong]
    words: Words = {"subject": ("aurora",), "colour": tuple(name.split()), "mood": strength}
    words["time"] = ("night",)
    words["weather"] = ("stars",)
    return sky, words


def overcast_sky(rng: Random, speed: float, veil: float = 0.0) -> tuple[Sky, Words]:
    """Grey from edge to edge; veil is the strength of distant curtains of rain."""
    tone = rng.uniform(0.9, 1.12) if veil == 0.0 else rng.uniform(0.75, 0.95)
    sky = Sky(
        seed=rng.uniform(0, 16),
        zenith=shade((0.5, 0.54, 0.6), tone),
        horizon=shade((0.72, 0.75, 0.78), tone),
        falloff=0.6,
        clouds=(
            Clouds(
                scale=rng.uniform(1.2, 1.8),
                cover=0.8,
                soft=0.6,
                wind=wind(rng, 0.5 * speed),
                churn=0.25 * speed,
                lit=shade((0.76, 0.78, 0.82) if veil == 0.0 else (0.66, 0.69, 0.74), tone),
                shade=shade((0.44, 0.48, 0.54) if veil == 0.0 else (0.36, 0.4, 0.46), tone),
            ),
        ),
        veil=veil,
        fog=0.4,
    )
    return sky, {
        "subject": ("overcast",),
        "colour": ("grey",),
        "weather": ("clouds",),
        "time": ("day",),
    }


def overcast_night(rng: Random, speed: float) -> tuple[Sky, Words]:
    """Low clouds in the dark, as when snow falls."""
    base, words = overcast_sky(rng, speed)
    (layer,) = base.clouds
    layer = replace(layer, lit=near(rng, (0.22, 0.26, 0.37), 0.02), shade=(0.07, 0.09, 0.16))
    sky = replace(base, zenith=(0.06, 0.08, 0.15), horizon=(0.16, 0.2, 0.31), clouds=(layer,))
    return sky, {**words, "time": ("night",), "colour": ("dark", "blue")}


def storm_sky(rng: Random, speed: float, flash: bool) -> tuple[Sky, Words]:
    """Dark clouds, perhaps lightning."""
    tint = rng.choice(((0.46, 0.5, 0.58), (0.5, 0.44, 0.58), (0.42, 0.52, 0.5)))
    sky = Sky(
        seed=rng.uniform(0, 16),
        zenith=shade(tint, 0.45),
        horizon=near(rng, tint, 0.03),
        falloff=0.5,
        clouds=(
            Clouds(
                scale=rng.uniform(1.2, 1.8),
                cover=0.82,
                soft=0.5,
                wind=wind(rng, 0.7 * speed),
                churn=0.35 * speed,
                lit=shade(tint, 1.15),
                shade=shade(tint, 0.33),
            ),
        ),
        flash=rng.uniform(0.7, 1.0) if flash else 0.0,
        flash_at=(heading(rng), rng.uniform(0.2, 0.5)),
        flash_time=rng.uniform(0.0, 1.3),
        fog=0.35,
    )
    words: Words = {
        "subject": ("storm", "lightning") if flash else ("storm",),
        "colour": ("dark", "grey"),
    }
    words["mood"] = ("dramatic",)
    words["weather"] = ("clouds",)
    return sky, words
