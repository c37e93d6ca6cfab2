"""Variants held against one of them, prompt by prompt and seed by seed.

The spread of a table of means is mostly that of the prompts. Pairs of the same prompt and seed take
it out; and smoothness, which blur and stillness win, is compared at equal motion and sharpness.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cases import FULL
from .tables import QUALITY, Column, Result, values

COLUMNS = {column.name: column for column in QUALITY}
REFERENCES = {"methods": "fused", "ablation": FULL}  # by table
FIGURES = tuple(
    COLUMNS[name]
    for name in (
        "join_worst_view",
        "join_against_pairs",
        "loudest_pair",
        "end_continuity_ratio",
        "pole_constancy",
        "pole_crossing",
        "boiling",
    )
)
SMOOTHNESS = COLUMNS["smoothness"]
COVARIATES = COLUMNS["dynamic_top5"], COLUMNS["sharpness"]
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)  # Student, 1 to 10 of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One figure of a variant beside the reference.

    Attributes:
        mean: Of the logarithms of variant over reference, as a factor; above 1 is larger.
        low, high: Its interval of 95 % (Student's t).
        wins: Pairs in which the reference is better.
        pairs: All pairs.
    """

    mean: float
    low: float
    high: float
    wins: int
    pairs: int


def _student(freedom: int) -> float:
    return _T95[freedom - 1] if freedom <= len(_T95) else 1.96 + 2.5 / freedom


def _cases(results: Sequence[Result], column: Column) -> dict[tuple[Any, ...], float]:
    """A positive figure by prompt, seed."""
    found = {}
    for result in results:
        for value in values([result], column):
            found[result["prompt"], result["seed"]] = max(value, 1e-6)
    return found


def paired(
    results: Sequence[Result], variant: str, column: Column, *, reference: str
) -> Paired | None:
    """A variant beside the reference, over what both have; None for nothing in common."""
    theirs = _cases([r for r in results if r["variant"] == variant], column)
    ours = _cases([r for r in results if r["variant"] == reference], column)
    logs = [math.log(theirs[case] / ours[case]) for case in theirs if case in ours]
    if not logs:
        return None
    mean = statistics.fmean(logs)
    spread = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else math.inf
    reach = _student(len(logs) - 1) * spread if len(logs) > 1 else math.inf
    wins = sum(value * column.better < 0 for value in logs)
    return Paired(
        mean=math.exp(mean),
        low=math.exp(mean - reach),
        high=math.exp(min(mean + reach, 700.0)),
        wins=wins,
        pairs=len(logs),
    )


def roughness_at_equal_looks(
    results: Sequence[Result], *, reference: str
) -> dict[str, tuple[float, float, float]]:
    """By variant: its roughness over the reference's at equal motion and sharpness, 95 % low, high.

    Roughness is 1 - smoothness (docs/quality.md). Least squares of its logarithm on a level for
    each prompt and seed, one for each variant, and the logarithms of `COVARIATES`. Empty where
    there are too few results to tell.
    """
    rows = []
    for result in results:
        found = [values([result], column) for column in (SMOOTHNESS, *COVARIATES)]
        if all(found):
            rough, *looks = (one[0] for one in found)
            case = (result["prompt"], result["seed"])
            rows.append((case, result["variant"], max(1.0 - rough, 1e-6), looks))
    cases = list(dict.fromkeys(row[0] for row in rows))
    others = [v for v in dict.fromkeys(row[1] for row in rows) if v != reference]
    width = len(cases) + len(others) + len(COVARIATES)
    if len(rows) <= width or not others:
        return {}
    design, wanted = np.zeros((len(rows), width)), np.zeros(len(rows))
    for line, (case, variant, rough, looks) in enumerate(rows):
        wanted[line] = math.log(rough)
        design[line, cases.index(case)] = 1.0
        if variant != reference:
            design[line, len(cases) + others.index(variant)] = 1.0
        design[line, -len(COVARIATES) :] = np.log(np.maximum(looks, 1e-3))
    inverse = np.linalg.pinv(design.T @ design)
    found = inverse @ design.T @ wanted
    freedom = len(rows) - width
    noise = float(np.square(wanted - design @ found).sum()) / freedom
    reach = _student(freedom) * np.sqrt(noise * np.diag(inverse))
    return {
        variant: (math.exp(found[k]), math.exp(found[k] - reach[k]), math.exp(found[k] + reach[k]))
        for k, variant in enumerate(others, start=len(cases))
    }


def with_pairs(texts: dict[str, str], results: Sequence[Result]) -> dict[str, str]:
    """Tables by name, each with its comparison below."""
    return {
        name: f"{text}\n\n{markdown(_of(results, name), reference=REFERENCES[name])}"
        for name, text in texts.items()
    }


def _of(results: Sequence[Result], table: str) -> list[Result]:
    return [result for result in results if result["table"] == table]


def markdown(results: Sequence[Result], *, reference: str) -> str:
    """The comparison as a Markdown table, one row a variant; "-" where nothing is shared."""
    variants = [v for v in dict.fromkeys(r["variant"] for r in results) if v != reference]
    rough = roughness_at_equal_looks(results, reference=reference)
    titles = [column.title for column in FIGURES]
    head = f"| against {reference} | {' | '.join(titles)} | roughness at equal motion, sharpness |"
    lines = [head, f"|---|{'---|' * (len(FIGURES) + 1)}"]
    for variant in variants:
        cells = []
        for column in FIGURES:
            pair = paired(results, variant, column, reference=reference)
            cells.append("-" if pair is None else _cell(pair))
        told = rough.get(variant)
        cells.append("-" if told is None else f"{told[0]:.2f} ({told[1]:.2f} to {told[2]:.2f})")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(pair: Paired) -> str:
    interval = f" ({pair.low:.2f} to {pair.high:.2f})" if pair.pairs > 1 else ""
    return f"{pair.mean:.2f}{interval}, {pair.wins} of {pair.pairs}"
