"""Captions for rendered clips: many wordings of the same facts."""

from __future__ import annotations

from random import Random

from .text import SYNONYMS

Words = dict[str, tuple[str, ...]]

ORDER = ("mood", "motion", "colour", "subject", "scene", "weather", "time")
KEEP = {
    "subject": 0.97,
    "scene": 0.75,
    "colour": 0.65,
    "time": 0.45,
    "weather": 0.45,
    "motion": 0.5,
    "mood": 0.35,
}
JOINERS = ("over", "with", "and", "under", "above a", "in", "near the", "beside", "across")
OPENINGS = (
    "",
    "",
    "",
    "a view of",
    "a landscape with",
    "a world of",
    "a panorama of",
    "beautiful scenery with",
    "a cinematic shot of",
    "an HDRI of",
)
DIRECTIONS = {
    "up": ("looking up", "sky above", "the zenith", "straight up", "overhead"),
    "horizon": ("at the horizon", "straight ahead", "at eye level", "in the distance"),
    "down": ("looking down", "the ground below", "straight down", "underfoot", "downwards"),
}


def direction_word(pitch_deg: float) -> str:
    """Token for where a view looks."""
    if pitch_deg > 35.0:
        return "up"
    if pitch_deg < -30.0:
        return "down"
    return "horizon"


def wording(token: str, rng: Random) -> str:
    """One way of saying a token; the first is the commonest."""
    words = SYNONYMS[token].split()
    word = words[0] if rng.random() < 0.4 else rng.choice(words)
    return word.replace("_", " ")


def facts(true: Words, has_sky: bool, pitch_deg: float, rng: Random, point: bool = False) -> Words:
    """The tokens a caption will say, by role: a random part of what is true of the clip."""
    said: Words = {}
    every = {word for words in true.values() for word in words}
    lively = bool(every & {"rough", "waves", "fast", "windy"})
    for role in ORDER:
        words = true.get(role, ())
        if lively:
            words = tuple(w for w in words if w != "calm")
        keep = KEEP[role]
        said[role] = tuple(w for w in words if rng.random() < keep)
    if not said["subject"] and not said["scene"]:
        said["subject"] = true.get("subject", ())
    if has_sky and rng.random() < 0.2:
        said["weather"] = (*said["weather"], "sky")
    # out of sight is mostly out of mind: no ground in a view of the zenith, no sky below the feet
    if pitch_deg > 60.0 and rng.random() < 0.7:
        said["scene"] = ()
    if rng.random() < (0.9 if point else 0.4):
        said["direction"] = (direction_word(pitch_deg),)
    return said


def caption(true: Words, has_sky: bool, pitch_deg: float, rng: Random, point: bool = False) -> str:
    """One caption for a view at this pitch in degrees of a world with these words.

    point: nearly always say where the view looks, for a network that is not told otherwise.
    """
    said = facts(true, has_sky, pitch_deg, rng, point)
    nouns = [w for role in ("subject", "scene", "weather", "time") for w in said.get(role, ())]
    adjectives = [w for role in ("mood", "motion", "colour") for w in said.get(role, ())]
    rng.shuffle(nouns)
    rng.shuffle(adjectives)
    words = [wording(w, rng) for w in adjectives]
    for i, noun in enumerate(nouns):
        if i > 0:
            words.append(rng.choice(JOINERS))
        words.append(wording(noun, rng))
    parts = [rng.choice(OPENINGS), " ".join(words)]
    where = [rng.choice(DIRECTIONS[word]) for word in said.get("direction", ())]
    return ", ".join(" ".join(p for p in part if p) for part in (parts, where) if any(part))
