"""The families of worlds: each draws one world, with its words, from a random generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

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
    near,
    night_sky,
    overcast_sky,
    pace,
    shade,
    storm_sky,
    sunset_sky,
    wind,
)
from .noise import Colour
from .sky import Clouds, Sky
from .worlds import Motes, World


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
        rng, "stars", sky, a, motion, speed, ("sea", "snow", "dunes", "meadow", "mountains", "fields")
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
        ground, b = sea_ground(rng, sky, rng.choice((0.14, 0.2, 0.45, 0.75)), speed)
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
    night = rng.random() < 0.28
    if night:
        sky, a = night_sky(rng, moon=rng.random() < 0.75)
    else:
        sky, a = day_sky(rng, speed, rng.choice((0.0, 0.1, 0.1, 0.28)))
    ground, b = sea_ground(rng, sky, rng.choice((0.16, 0.25, 0.45, 0.75, 1.0)), speed)
    words = merge({"subject": ("sea",)}, a, b, {"motion": motion})
    return World(family="sea", sky=sky, ground=ground, words=words)


def snow(rng: Random) -> World:
    """Snow land, mostly with falling snow, mostly by day."""
    motion, speed = pace(rng)
    falling = rng.random() < 0.75
    sky, a = overcast_sky(rng, speed) if falling else day_sky(rng, speed)
    if falling and rng.random() < 0.15:
        sky, a = night_sky(rng)
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
    if rng.random() < 0.8:
        sky, a = day_sky(rng, speed, rng.choice((0.0, 0.0, 0.1, 0.28)))
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


def _thin_day(rng: Random, speed: float) -> tuple[Sky, Words]:
    return day_sky(rng, speed, rng.choice((0.0, 0.1, 0.28)))


def mist(rng: Random) -> World:
    """Mountains above a sea of mist."""
    motion, speed = pace(rng)
    sky, a = (sunset_sky if rng.random() < 0.3 else _thin_day)(rng, speed)
    pale = blend(sky.horizon, (0.86, 0.88, 0.92), 0.5)
    sky = replace(sky, horizon=blend(sky.horizon, pale, 0.6))
    dark = blend(tinted(sky, (0.1, 0.19, 0.27)), sky.zenith, 0.35)
    ridges = tuple(
        Ridge(
            colour=blend(pale, dark, 0.22 + 0.2 * k),
            height=(0.42, 0.3, 0.19, 0.1)[k] * rng.uniform(0.85, 1.1),
            rise=(0.17, 0.13, 0.1, 0.07)[k],
            detail=1.5 + 0.45 * k,
            seed=rng.uniform(0, 16),
            mist=0.85,
            drift=0.14 * speed * (1.0 + 0.4 * k),
            ragged=0.47,
            face=0.1,
        )
        for k in range(4)
    )
    ground = Ground(
        kind="mist",
        seed=rng.uniform(0, 16),
        colour=blend(pale, dark, 0.35),
        light=blend(pale, (1.0, 1.0, 1.0), 0.45),
        speed=0.9 * speed,
        scale=1.7,
    )
    words = merge({"subject": ("mist", "mountains"), "motion": motion, "mood": ("mysterious",)}, a)
    return World(family="mist", sky=sky, ground=ground, ridges=ridges, words=words)


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
        sand = near(rng, (0.75, 0.68, 0.48), 0.04)
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
