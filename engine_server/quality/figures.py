"""Small arithmetic that every figure shares: floors, medians, percentiles, numbers for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

DIGITS = 6
LEVEL_FLOOR = 0.1
"""8-bit levels added to both sides of a ratio of differences, so that two still places compare as
equal; a tenth of a level is less than any codec leaves."""
SPEED_FLOOR_DEG_S = 0.5
"""Degrees a second added to both sides of a ratio of speeds."""


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: figures to six digits, nothing that is no number."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None
    return value


def median(values: Sequence[float] | np.ndarray) -> float | None:
    """The median, or None of nothing."""
    return float(np.median(values)) if len(values) else None


def mean(values: Sequence[float] | np.ndarray) -> float | None:
    """The mean, or None of nothing."""
    return float(np.mean(values)) if len(values) else None


def percentile(values: Sequence[float] | np.ndarray, share: float) -> float | None:
    """The `share`-th percentile (0 to 100), or None of nothing."""
    return float(np.percentile(values, share)) if len(values) else None


def top_share_mean(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Mean of the largest `values` that make up `share` of the total weight; both flat."""
    order = np.argsort(values)[::-1]
    sorted_weights = weights[order]
    taken = np.cumsum(sorted_weights)
    count = int(np.searchsorted(taken, share * taken[-1])) + 1
    return float(np.average(values[order[:count]], weights=sorted_weights[:count]))
