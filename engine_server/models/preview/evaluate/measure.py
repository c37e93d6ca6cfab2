"""One family measured: what the model makes of it, beside what the renderer draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ...adapter import Adapter
from ..dataset import draw_look
from . import statistics
from .classifier import FamilyNet, shown
from .examples import (
    Sampling,
    View,
    generated,
    held_out,
    plain_prompts,
    rendered,
    round_trip,
    view_of,
)

# Added above and below the line of a ratio, so that the ratio of two nothings is 1.
LEAST_COLOUR = 0.01  # of 1
LEAST_MOTION = 0.05  # pixels a frame
LEAST_CHROMA = 1.0
PLAIN_SEED = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is looked at of each family.

    Attributes:
        captions: Held-out worlds that a clip is made for.
        seeds: Clips of the first plain prompt, that differ in nothing but the noise.
        named: Held-out worlds that the classifier names.
    """

    captions: int = 12
    seeds: int = 3
    named: int = 40


@dataclass(slots=True, kw_only=True)
class Clips:
    """Clips [F, 3, H, W] in 0..1 of one family."""

    family: str
    rendered: list[Tensor] = field(default_factory=list)
    passed: list[Tensor] = field(default_factory=list)  # rendered, through the autoencoder
    captioned: list[Tensor] = field(default_factory=list)  # made for the same views
    plain: list[Tensor] = field(default_factory=list)  # made for plain prompts
    seeded: list[Tensor] = field(default_factory=list)  # of one prompt, by seed; some of `plain`
    prompts: list[str] = field(default_factory=list)


def gather(
    adapter: Adapter,
    family: str,
    size: Size,
    sampling: Sampling,
    *,
    make: bool,
    note: Callable[[str], None],
) -> Clips:
    """The clips of a family; with `make` also those of the model."""
    clips = Clips(family=family)
    for number, look in enumerate(held_out(family, size.captions)):
        clips.rendered.append(rendered(look, sampling.frames))
        clips.passed.append(round_trip(adapter, clips.rendered[-1]))
        if make:
            view = view_of(look, number)
            note(f"{family}: {view.prompt}")
            clips.prompts.append(view.prompt)
            clips.captioned.append(generated(adapter, view, sampling))
    if make:
        first, *others = plain_prompts(family)
        for seed in range(size.seeds):
            note(f"{family}: {first}")
            view = View(prompt=first, seed=PLAIN_SEED + seed)
            clips.seeded.append(generated(adapter, view, sampling))
        rest = others if size.seeds > 1 else []
        views = [View(prompt=other, seed=PLAIN_SEED) for other in rest]
        clips.plain = clips.seeded + [generated(adapter, view, sampling) for view in views]
    return clips


def named(classifier: FamilyNet, clips: list[Tensor]) -> Counter[str]:
    """How often the classifier says what."""
    return Counter(classifier.family(clip) for clip in clips)


def named_held_out(classifier: FamilyNet, family: str, count: int) -> Counter[str]:
    """What the classifier says of rendered worlds that nothing was trained on."""
    looks = held_out(family, count, seed=1)
    with torch.inference_mode():
        best = [int(classifier(shown(look)[None])[0].argmax()) for look in looks]
    return Counter(classifier.names[number] for number in best)


def furthest(ratios: list[float]) -> float:
    """The ratio that is furthest from 1, as a factor."""
    return max(ratios, key=lambda ratio: abs(math.log(max(ratio, 1e-9))))


def mean_of(measure: Callable[[Tensor], float], clips: list[Tensor]) -> float:
    """Mean of a measure over clips."""
    return sum(measure(clip) for clip in clips) / len(clips)


def colours(clips: list[Tensor]) -> tuple[list[float], list[float]]:
    """Mean of red, green and blue, and their standard deviation within frames."""
    means = torch.stack([statistics.channel_means(clip) for clip in clips]).mean(dim=0)
    spreads = torch.stack([statistics.channel_spreads(clip) for clip in clips]).mean(dim=0)
    return means.tolist(), spreads.tolist()


def facts(clips: list[Tensor]) -> dict[str, Any]:
    """All statistics of a set of clips, plain numbers."""
    means, spreads = colours(clips)
    return {
        "mean_rgb": means,
        "spread_rgb": spreads,
        "chroma": mean_of(statistics.chroma, clips),
        "contrast": mean_of(statistics.contrast, clips),
        "slope": mean_of(statistics.spectrum_slope, clips),
        "fine": mean_of(statistics.fine_energy, clips),
        "motion_px": mean_of(statistics.motion, clips),
        "change": mean_of(statistics.change, clips),
    }


def ratios(made: dict[str, Any], wanted: dict[str, Any]) -> dict[str, float]:
    """What `facts` of generated clips are of those of rendered ones; 1 is alike."""

    def ratio(name: str, least: float) -> float:
        return (made[name] + least) / (wanted[name] + least)

    def channels(name: str) -> float:
        pairs = zip(made[name], wanted[name], strict=True)
        return furthest([(a + LEAST_COLOUR) / (b + LEAST_COLOUR) for a, b in pairs])

    return {
        "colour": channels("mean_rgb"),
        "spread": channels("spread_rgb"),
        "chroma": ratio("chroma", LEAST_CHROMA),
        "contrast": ratio("contrast", LEAST_COLOUR),
        "slope": ratio("slope", 0.0),
        "fine": ratio("fine", LEAST_COLOUR / 10.0),
        "motion": ratio("motion_px", LEAST_MOTION),
    }


def distances(clips: list[Tensor]) -> list[float]:
    """Of every pair."""
    return [statistics.distance(a, b) for a, b in combinations(clips, 2)]


def variety(clips: Clips) -> dict[str, float]:
    """How unlike the clips of a family are, beside how unlike rendered worlds are.

    least: Smallest distance of two clips made for different held-out worlds, over the smallest of
    those worlds themselves. seeds: smallest distance of two clips of one prompt, over the median
    of different worlds.
    """
    worlds = distances(clips.passed)
    made, seeded = distances(clips.captioned), distances(clips.seeded)
    found = {}
    if worlds and made:
        found["least"] = min(made) / max(min(worlds), 1e-6)
    if worlds and seeded:
        found["seeds"] = min(seeded) / max(median(worlds), 1e-6)
        found["seed_distance"] = median(seeded)
    return found


def fidelity(clips: Clips) -> dict[str, Any]:
    """The autoencoder on held-out frames: PSNR in dB, and what it adds to red, green and blue."""
    pairs = list(zip(clips.passed, clips.rendered, strict=True))
    drift = torch.stack([statistics.colour_drift(a, b) for a, b in pairs]).mean(dim=0)
    return {
        "psnr_db": sum(statistics.psnr_db(a, b) for a, b in pairs) / len(pairs),
        "drift_rgb": drift.tolist(),
    }


def held_out_psnr_db(adapter: Adapter, count: int) -> float:
    """Mean PSNR of the autoencoder on frames drawn as training draws them, in every direction."""
    looks = [draw_look(Random(f"evaluation-frame-{number}")) for number in range(count)]
    frames = [rendered(look, 1) for look in looks]
    return sum(statistics.psnr_db(round_trip(adapter, frame), frame) for frame in frames) / count
