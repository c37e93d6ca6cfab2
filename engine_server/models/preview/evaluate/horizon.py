"""Whether the model looks where it is told: the horizon's row, and the words for directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from ...adapter import Adapter
from ..dataset import Look, draw_look
from .classifier import SPAN, FamilyNet, shown
from .examples import Sampling, View, generated, held_out, rendered

PITCHES_DEG = (-20.0, 0.0, 20.0)
PHRASES = {"up": "looking up", "level": "at the horizon", "down": "looking down"}
LEAST_GAP_DEG = 5.0
EDGE_PX = 5  # rows on either side of an edge that are compared

AWAY_DEG = 130.0
"""Heading of views whose horizon is read: away from the sun, whose glow is an edge of its own."""

FLAT_PROMPTS = (
    "blue open sea under a clear sky",
    "open sea by day with waves",
    "golden desert dunes by day",
    "turquoise sea under fair clouds",
)
"""Worlds with a bare horizon."""

WORD_PROMPTS = (
    "white clouds over a green meadow",
    "golden desert dunes under a blue sky",
    "orange sunset over the meadow",
    "northern lights over snow",
    "grey rain over a meadow",
)
"""Worlds whose sky and ground cannot be taken for each other."""

TOLD_DEG = {"up": 60.0, "level": 0.0, "down": -60.0}
"""What the reading of pitches is tried on: the same prompts, told where to look."""


def true_row(pitch_deg: float, fov_deg: float, size: int) -> float:
    """Row of the horizon in a square view with roll 0, pixels from the top; may lie outside."""
    tangents = math.tan(math.radians(pitch_deg)) / math.tan(math.radians(fov_deg) / 2.0)
    return size / 2.0 * (1.0 + tangents)


def horizon_row(clip: Tensor, edge_px: int = EDGE_PX) -> int:
    """Row of the strongest level edge of a clip [F, 3, H, W]: the first row below it.

    Means over columns and frames; the edge is where the colour of the rows above differs most from
    the colour of the rows below.
    """
    profile = clip.mean(dim=(0, 3)).T  # [H, 3]
    total = torch.cat((profile.new_zeros(1, 3), profile.cumsum(dim=0)))
    rows = range(edge_px, len(profile) - edge_px + 1)
    steps = [total[r + edge_px] - 2.0 * total[r] + total[r - edge_px] for r in rows]
    return edge_px + int(torch.stack(steps).norm(dim=1).argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonReport:
    """What was found of directions.

    Attributes:
        correlation, error_px: Of the generated horizons with the true ones, and their mean
            distance, rows of 128.
        rendered_correlation, rendered_error_px: The same of rendered views: what the estimate
            itself misses.
        pitch_deg: Mean pitch that the classifier reads off untold clips, by direction phrase.
        told_pitch_deg: The same of clips that are told: 60 degrees up, level, 60 degrees down.
        ordered: Share of prompts whose clips stand in the right order: up above level above down,
            `LEAST_GAP_DEG` apart.
        told_ordered: The same of clips that are told.
        pitch_error_deg: What that reading misses on rendered views in every direction.
    """

    correlation: float
    error_px: float
    rendered_correlation: float
    rendered_error_px: float
    pitch_deg: dict[str, float]
    told_pitch_deg: dict[str, float]
    ordered: float
    told_ordered: float
    pitch_error_deg: float


def _agreement(found: list[float], true: list[float]) -> tuple[float, float]:
    """Correlation and mean distance; a correlation with what never changes is 0."""
    a, b = torch.tensor(found), torch.tensor(true)
    distance = float((a - b).abs().mean())
    a, b = a - a.mean(), b - b.mean()
    norm = float(a.norm() * b.norm())
    return (float((a * b).sum()) / norm if norm > 1e-9 else 0.0), distance


def _told(adapter: Adapter, sampling: Sampling, prompts: tuple[str, ...]) -> tuple[float, float]:
    still = Sampling(
        frames=1,
        steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        shift=sampling.shift,
    )
    found, true = [], []
    for seed, prompt in enumerate(prompts):
        for pitch in PITCHES_DEG:
            view = View(prompt=prompt, yaw_deg=AWAY_DEG, pitch_deg=pitch, seed=seed)
            clip = generated(adapter, view, still)
            found.append(float(horizon_row(clip)))
            true.append(true_row(pitch, 90.0, clip.shape[-1]))
    return _agreement(found, true)


def _rendered() -> tuple[float, float]:
    found, true = [], []
    for look in held_out("sea", 8):
        for pitch in PITCHES_DEG:
            there = Look(
                world=look.world, yaw_deg=look.yaw_deg, pitch_deg=pitch, fov_deg=90.0, start_s=0.0
            )
            clip = rendered(there, 1)
            found.append(float(horizon_row(clip)))
            true.append(true_row(pitch, 90.0, clip.shape[-1]))
    return _agreement(found, true)


def _pitch_error(classifier: FamilyNet, count: int = 100) -> float:
    rng, total = Random("evaluation-pitch"), 0.0
    for _ in range(count):
        look = draw_look(rng)
        with torch.inference_mode():
            read = float(classifier(shown(look)[None])[1]) * 90.0
        total += abs(read - look.pitch_deg)
    return total / count


def look_for_horizons(
    adapter: Adapter,
    classifier: FamilyNet,
    sampling: Sampling,
    *,
    quick: bool,
    note: Callable[[str], None],
) -> HorizonReport:
    """Views told where they look, and views that have only a word for it."""
    note("horizon: views that are told their elevation")
    correlation, error = _told(adapter, sampling, FLAT_PROMPTS[: 2 if quick else None])
    reference = _rendered()
    short = Sampling(
        frames=SPAN + 1,
        steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        shift=sampling.shift,
    )

    def read(view: View) -> float:
        return classifier.pitch_deg(generated(adapter, view, short))

    words: list[tuple[float, float, float]] = []
    angles: list[tuple[float, float, float]] = []
    for seed, prompt in enumerate(WORD_PROMPTS[: 2 if quick else None]):
        note(f"horizon: {prompt}, looking up, at the horizon, looking down")
        up, level, down = (
            read(View(prompt=f"{prompt}, {phrase}", seed=seed, told=False))
            for phrase in PHRASES.values()
        )
        words.append((up, level, down))
        up, level, down = (
            read(View(prompt=prompt, seed=seed, pitch_deg=pitch)) for pitch in TOLD_DEG.values()
        )
        angles.append((up, level, down))
    return HorizonReport(
        correlation=correlation,
        error_px=error,
        rendered_correlation=reference[0],
        rendered_error_px=reference[1],
        pitch_deg=_means(words),
        told_pitch_deg=_means(angles),
        ordered=_ordered(words),
        told_ordered=_ordered(angles),
        pitch_error_deg=_pitch_error(classifier),
    )


def _means(triples: list[tuple[float, float, float]]) -> dict[str, float]:
    """Of each direction, over prompts."""
    columns = zip(PHRASES, zip(*triples, strict=True), strict=True)
    return {name: sum(values) / len(values) for name, values in columns}


def _ordered(triples: list[tuple[float, float, float]]) -> float:
    """Share of (up, level, down) that are, each by `LEAST_GAP_DEG` or more."""
    right = [up - level >= LEAST_GAP_DEG <= level - down for up, level, down in triples]
    return sum(right) / len(right)
