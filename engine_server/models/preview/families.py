"""The families of worlds: each draws one world, with its words, from a random generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

from .elements import fire, lava, nebula, underwater
from .ground import Ground, Ridge
from .grounds import (
    dune_ground,
    field_ground,
    forest_edge,
    hills,
    meadow_ground,
    merge,
    rainfall,
    sea_ground,
    snow_ground,
    snowfall,
    tinted,
)
from .skies import (
    Words,
    aurora_sky,
    blend,
    day_sky,
    heading,
    night_sky,
    overcast_night,
    overcast_sky,
    pace,
    storm_sky,
    sunset_sky,
    wind,
)
from .sky import Clouds, Sky
from .worlds import World


def fair_clouds(rng: Random) -> World:
    """Fair-weather clouds high over fields, or over the sea."""
    motion, speed = pace(rng)
    sky, a = day_sky(rng, speed, rng.choice((0.28, 0.42, 0.42, 0.6)))
    if rng.random() < 0.12:
        ground, b = sea_ground(rng, sky, rng.uniform(0.15, 0.4), speed)
        ridges, c = (), {}
    else:
        ground, b = field_ground(rng, sky, speed)
        ridges, c = hills(rng, sky, rng.choice(("", "", "hills", "mountains")))
    words = merge({"subject": ("clouds",), "motion": motion, "mood": ("bright",)}, a, b, c)
    return World(family="clouds", sky=sky, ground=ground, ridges=ridges, words=words)


def sunset(rng: Random) -> World:
    """Sunset or sunrise over sea, hills, desert or snow."""
    motion, speed = pace(rng)
    sky, a = sunset_sky(rng, speed)
    grounds = ("sea", "sea", "sea", "fields", "fields", "meadow", "dunes", "snow")
    return _over(rng, "sunset", sky, a, motion, speed, grounds)


def aurora(rng: Random) -> World:
    """Northern lights over sea, snow or hills."""
    motion, speed = pace(rng)
    sky, a = aurora_sky(rng, speed)
    return _over(rng, "aurora", sky, a, motion, speed, ("sea", "sea", "snow", "snow", "meadow"))


def starry_night(rng: Random) -> World:
    """Stars, Milky Way or moon over anything."""
    motion, speed = pace(rng)
    milky = rng.random() < 0.75
    base, a = night_sky(rng, moon=False if milky else None)
    yaw, pitch = heading(rng), rng.uniform(-0.5, 0.7)
    axis = (math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch))
    sky = replace(
        base,
        stars=rng.uniform(0.9, 1.3),
        milky_way=rng.uniform(0.9, 1.3) if milky else 0.0,
        milky_axis=axis,
    )
    a = merge({"subject": ("stars", "milkyway") if milky else ("stars",)}, a)
    return _over(
        rng,
        "stars",
        sky,
        a,
        motion,
        speed,
        ("sea", "snow", "dunes", "meadow", "mountains", "fields"),
    )


def _over(
    rng: Random,
    family: str,
    sky: Sky,
    sky_words: Words,
    motion: tuple[str, ...],
    speed: float,
    grounds: tuple[str, ...],
) -> World:
    """A world with this sky over one of the grounds."""
    where = rng.choice(grounds)
    skyline = rng.choice(("", "", "hills", "mountains"))
    trees, d = None, {}
    if where == "sea":
        ground, b = sea_ground(rng, sky, rng.choice((0.14, 0.2, 0.35, 0.5)), speed)
        skyline = rng.choice(("", "", "", "mountains"))
    elif where in ("snow", "mountains"):
        ground, b = snow_ground(rng, sky, speed)
    elif where == "dunes":
        ground, b = dune_ground(rng, sky, speed)
        b = merge(b, {"scene": ("desert",)})
        skyline = ""
    elif where == "fields":
        ground, b = field_ground(rng, sky, speed)
    else:
        ground, b = meadow_ground(rng, sky, speed)
        b = merge(b, {"scene": ("meadow",)})
    if where == "mountains":
        skyline = "mountains"
    if where in ("snow", "meadow") and family in ("aurora", "stars") and rng.random() < 0.4:
        trees, d = forest_edge(rng, sky, speed, 0.5 if where == "snow" else 0.0)
        skyline = ""
    ridges, c = hills(rng, sky, skyline)
    words = merge(sky_words, {"motion": motion}, b, c, d)
    return World(family=family, sky=sky, ground=ground, ridges=ridges, trees=trees, words=words)


def meadow(rng: Random) -> World:
    """Grass hills in the wind, or a clearing in the forest."""
    motion, speed = pace(rng)
    wood = rng.random() < 0.5
    dull = rng.random() < 0.15
    sky, a = overcast_sky(rng, speed) if dull else day_sky(rng, speed, rng.choice((0.0, 0.1, 0.1)))
    ground, b = meadow_ground(rng, sky, speed, bloom=0.5)
    trees, c = forest_edge(rng, sky, speed) if wood else (None, {})
    ridges, d = hills(rng, sky, "" if wood else rng.choice(("", "", "hills", "mountains")))
    a = {role: words for role, words in a.items() if role != "subject" and role != "colour"}
    if dull:
        a["weather"] = ("overcast",)
    subject = ("forest", "meadow") if wood else ("meadow", "hills")
    breeze = ("windy",) if rng.random() < 0.5 else ()
    words = merge({"subject": subject, "motion": (*motion, *breeze)}, a, b, c, d)
    return World(family="meadow", sky=sky, ground=ground, ridges=ridges, trees=trees, words=words)


def sea(rng: Random) -> World:
    """The open sea by day or night."""
    motion, speed = pace(rng)
    night = rng.random() < 0.25
    if night:
        sky, a = night_sky(rng, moon=True)
        sky = replace(sky, stars=rng.uniform(0.15, 0.35), glow=rng.uniform(0.4, 0.6))
    else:
        sky, a = day_sky(rng, speed, rng.choice((0.0, 0.1, 0.28, 0.28)))
    ground, b = sea_ground(rng, sky, rng.choice((0.16, 0.25, 0.45, 0.75, 1.0)), speed)
    words = merge({"subject": ("sea",)}, a, b, {"motion": motion})
    return World(family="sea", sky=sky, ground=ground, words=words)


def snow(rng: Random) -> World:
    """Snow land, mostly with falling snow, mostly by day."""
    motion, speed = pace(rng)
    falling = rng.random() < 0.75
    sky, a = overcast_sky(rng, speed) if falling else day_sky(rng, speed)
    if falling and rng.random() < 0.15:
        sky, a = overcast_night(rng, speed)
    a = {role: words for role, words in a.items() if role != "subject"}
    ground, b = snow_ground(rng, sky, speed)
    trees, c = None, {}
    ridges, d = hills(rng, sky, rng.choice(("", "hills", "mountains", "mountains")))
    if rng.random() < 0.4:
        trees, c = forest_edge(rng, sky, speed, rng.uniform(0.4, 0.9))
        ridges, d = (), {}
    motes = (snowfall(rng, speed, sky),) if falling else ()
    subject = ("snow", "snowfall") if falling else ("snow",)
    words = merge({"subject": subject, "motion": motion}, a, b, c, d)
    return World(
        family="snow",
        seed=rng.uniform(0, 16),
        sky=sky,
        ground=ground,
        ridges=ridges,
        trees=trees,
        motes=motes,
        words=words,
    )


def desert(rng: Random) -> World:
    """Dunes by day, sometimes in the evening, with dust in the air."""
    motion, speed = pace(rng)
    if rng.random() < 0.87:
        sky, a = day_sky(rng, speed, rng.choice((0.0, 0.0, 0.0, 0.1)))
        sky = replace(sky, zenith=blend(sky.zenith, (0.78, 0.72, 0.62), rng.uniform(0.15, 0.3)))
    else:
        sky, a = sunset_sky(rng, speed)
    ground, b = dune_ground(rng, sky, speed)
    sky = replace(sky, horizon=blend(sky.horizon, ground.light, 0.35), fog=0.45)
    if sky.sun is not None and not any(w in a.get("subject", ()) for w in ("sunset", "sunrise")):
        sky = replace(sky, sun=(sky.sun[0], rng.uniform(0.22, 0.75)))
    words = merge({"subject": ("desert",), "motion": motion, "mood": ("hot", "dust")}, a, b)
    return World(family="desert", sky=sky, ground=ground, words=words)


def storm(rng: Random) -> World:
    """Dark clouds, nearly always with lightning, over sea or land."""
    motion, speed = pace(rng)
    flash = rng.random() < 0.88
    sky, a = storm_sky(rng, speed, flash)
    wet = rng.random() < 0.3
    if rng.random() < 0.6:
        ground, b = sea_ground(rng, sky, rng.choice((0.5, 0.8, 1.0)), speed)
        ridges, c = (), {}
    else:
        ground, b = field_ground(rng, sky, speed)
        ridges, c = hills(rng, sky, rng.choice(("", "hills", "mountains")))
    motes = (rainfall(rng, speed),) if wet else ()
    words = merge(a, {"motion": motion, "weather": ("rain",) if wet else ()}, b, c)
    return World(
        family="storm",
        seed=rng.uniform(0, 16),
        sky=sky,
        ground=ground,
        ridges=ridges,
        motes=motes,
        words=words,
    )


def rain(rng: Random) -> World:
    """Grey sky, curtains of rain, drops on water and in puddles."""
    motion, speed = pace(rng)
    sky, a = overcast_sky(rng, speed, veil=rng.uniform(0.5, 0.9))
    sky_words = merge({"subject": ("rain",)}, a)
    trees, c = None, {}
    ridges: tuple[Ridge, ...] = ()
    if rng.random() < 0.5:
        ground, b = sea_ground(rng, sky, rng.uniform(0.15, 0.4), speed)
        ground = replace(ground, drops=1.0)
    else:
        ground, b = meadow_ground(rng, sky, speed, wet=True)
        b = merge(b, {"scene": ("meadow",)})
        if rng.random() < 0.4:
            trees, c = forest_edge(rng, sky, speed)
        else:
            ridges, c = hills(rng, sky, rng.choice(("", "hills")))
    words = merge(sky_words, {"motion": motion}, b, c)
    return World(
        family="rain",
        seed=rng.uniform(0, 16),
        sky=sky,
        ground=ground,
        ridges=ridges,
        trees=trees,
        motes=(rainfall(rng, speed),),
        words=words,
    )


def _thin_day(rng: Random, speed: float) -> tuple[Sky, Words]:
    return day_sky(rng, speed, rng.choice((0.0, 0.1)))


def mist(rng: Random) -> World:
    """Mountains above a sea of mist."""
    motion, speed = pace(rng)
    sky, a = (sunset_sky if rng.random() < 0.3 else _thin_day)(rng, speed)
    pale = blend(sky.horizon, (0.86, 0.88, 0.92), 0.5)
    veil = Clouds(
        scale=rng.uniform(0.8, 1.1),
        cover=0.55,
        soft=rng.uniform(0.9, 1.2),
        wind=wind(rng, 0.5 * speed),
        churn=0.25 * speed,
        lit=blend(pale, (1.0, 1.0, 1.0), 0.25),
        shade=blend(pale, sky.zenith, 0.25),
        opacity=rng.uniform(0.6, 0.85),
    )
    zenith = blend(sky.zenith, pale, rng.uniform(0.2, 0.4))
    clouds = (*sky.clouds[:1], veil) if rng.random() < 0.3 else (veil,)
    sky = replace(sky, horizon=blend(sky.horizon, pale, 0.6), zenith=zenith, clouds=clouds)
    dark = blend(tinted(sky, (0.1, 0.19, 0.27)), sky.zenith, 0.35)
    ridges = tuple(
        Ridge(
            colour=blend(pale, dark, 0.22 + 0.2 * k),
            height=(0.42, 0.3, 0.19, 0.1)[k] * rng.uniform(0.85, 1.1),
            rise=(0.17, 0.13, 0.1, 0.07)[k],
            detail=1.5 + 0.45 * k,
            seed=rng.uniform(0, 16),
            mist=0.85,
            drift=0.2 * speed * (1.0 + 0.4 * k),
            ragged=0.47,
            face=0.1,
            peaked=0.45,
        )
        for k in range(4)
    )
    ground = Ground(
        kind="mist",
        seed=rng.uniform(0, 16),
        colour=blend(pale, dark, 0.62),
        light=blend(pale, (1.0, 1.0, 1.0), 0.45),
        speed=1.2 * speed,
        scale=1.7,
    )
    words = merge({"subject": ("mist", "mountains"), "motion": motion, "mood": ("mysterious",)}, a)
    return World(family="mist", sky=sky, ground=ground, ridges=ridges, words=words)


FAMILIES: dict[str, Callable[[Random], World]] = {
    "clouds": fair_clouds,
    "sunset": sunset,
    "aurora": aurora,
    "stars": starry_night,
    "sea": sea,
    "snow": snow,
    "desert": desert,
    "storm": storm,
    "rain": rain,
    "nebula": nebula,
    "fire": fire,
    "lava": lava,
    "mist": mist,
    "underwater": underwater,
    "meadow": meadow,
}


def draw(rng: Random, family: str | None = None) -> World:
    """A world of the family, or of any family."""
    return FAMILIES[family or rng.choice(tuple(FAMILIES))](rng)
