"""The join of a loop, from its last frame to its first, against every other pair of neighbours.

R = (D(N-1 -> 0) + floor) / (median_t D(t -> t+1) + floor), D the mean difference (8-bit levels) or
the mean speed of the flow (degrees a second), in each of the 14 views and in 32 regions: a mean
over the whole frame hides a jump in one place. A join passes where R is at most `LIMIT` or D no
larger than the 95th percentile of the other pairs.

Some place passes that by chance no more than 15 pairs allow, even in a perfect loop: so there is
also the excess of a pair, the largest of (D_t + floor) / (max over other pairs of D + floor) over
the views or the regions, for the join and for every other pair. A join stands out whose excess is
beyond that of all others.

Nor is the largest R of some place 1 in a perfect loop: no motion is even. `against_pairs` is that
R over its mean when each pair in turn is taken for the join: 1 in the mean where all pairs are
alike. And windows in time may leave their border at any pair, not at the join alone: `loudest_pair`
is the largest R, mean of the views, that any pair has so.

Mobius (2025) tells the mean squared difference of the first and the last frame, `ends_mse`. It is
told here too, and judged by nobody: in a loop that moves it is not 0.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .canvas import Canvas
from .figures import LEVEL_FLOOR, SPEED_FLOOR_DEG_S, mean, median, percentile
from .moments import Pair

LIMIT = 1.2
STALL = 0.4
"""A join that changes less than this share of the median holds the picture for a frame."""


class LoopJoin:
    """Gathers the pairs of a video in order; the join comes last, if there is one.

    Attributes:
        whole: Mean difference of every pair over the sphere, 8-bit levels.
        join_field: Difference over the join [h, w], softened; None without a join.
        largest_field: The largest softened difference of any other pair, pixel by pixel.
    """

    def __init__(self, canvas: Canvas, fps: float) -> None:
        self._canvas = canvas
        self._fps = fps
        self.whole: list[float] = []
        self._views: list[np.ndarray] = []
        self._regions: list[np.ndarray] = []
        self._view_speeds: list[np.ndarray] = []
        self._region_speeds: list[np.ndarray] = []
        self.join_field: np.ndarray | None = None
        self.largest_field: np.ndarray | None = None
        self._ends_mse: float | None = None

    def add(self, pair: Pair, *, is_join: bool = False) -> None:
        """The next pair of neighbours."""
        self.whole.append(self._canvas.mean(pair.difference))
        self._views.append(pair.view_differences)
        self._regions.append(self._canvas.region_means(pair.difference))
        self._view_speeds.append(pair.cutter.means(pair.speed) * self._fps)
        self._region_speeds.append(self._canvas.region_means(pair.speed) * self._fps)
        soft = _soft(self._canvas, pair.difference)
        if is_join:
            self.join_field = soft
            ends = cv2.absdiff(pair.after.frame, pair.before.frame).astype(np.float32)
            self._ends_mse = float(np.square(ends).mean(dtype=np.float64))
        elif self.largest_field is None:
            self.largest_field = soft
        else:
            self.largest_field = np.maximum(self.largest_field, soft)

    def result(self) -> dict[str, Any]:
        """Ratios by view and region; everything None where there is no join to speak of."""
        if self.join_field is None or len(self.whole) < 3:
            return {"has_join": self.join_field is not None, "views": [], "regions": []}
        views = compare(self._views, LEVEL_FLOOR)
        regions = compare(self._regions, LEVEL_FLOOR)
        view_speeds = compare(self._view_speeds, SPEED_FLOOR_DEG_S)
        region_speeds = compare(self._region_speeds, SPEED_FLOOR_DEG_S)
        every = each_as_join(self._views, LEVEL_FLOOR)
        whole = compare([np.array([value]) for value in self.whole], LEVEL_FLOOR)[0]
        return {
            "has_join": True,
            "whole": whole,
            "ends_mse": self._ends_mse,
            "worst_view": max(each["ratio"] for each in views),
            "mean_view": mean([each["ratio"] for each in views]),
            "against_pairs": float(every.max(axis=1)[-1] / every.max(axis=1).mean()),
            "loudest_pair": float(every.mean(axis=1).max()),
            "worst_region": max(each["ratio"] for each in regions),
            "worst_view_by_flow": max(each["ratio"] for each in view_speeds),
            "worst_region_by_flow": max(each["ratio"] for each in region_speeds),
            "passes": all(each["passes"] for each in (*views, *regions)),
            "excess_views": excess(self._views, LEVEL_FLOOR),
            "excess_regions": excess(self._regions, LEVEL_FLOOR),
            "stalls": whole["ratio"] < STALL and whole["join"] < (whole["interior_p5"] or 0.0),
            "views": views,
            "regions": regions,
            "views_by_flow": view_speeds,
            "regions_by_flow": region_speeds,
        }


def compare(values: list[np.ndarray], floor: float) -> list[dict[str, Any]]:
    """The last of `values` against the others, for each of their entries."""
    table = np.array(values)
    found = []
    for column in table.T:
        interior, join = column[:-1], float(column[-1])
        middle, high = median(interior) or 0.0, percentile(interior, 95) or 0.0
        ratio = (join + floor) / (middle + floor)
        found.append(
            {
                "ratio": ratio,
                "join": join,
                "interior_median": middle,
                "interior_p95": high,
                "interior_p5": percentile(interior, 5),
                "interior_max": float(interior.max()),
                "passes": bool(ratio <= LIMIT or join <= high + 1e-9),
            }
        )
    return found


def each_as_join(values: list[np.ndarray], floor: float) -> np.ndarray:
    """R of every place with each pair in turn taken for the join, ``[pairs, places]``."""
    table = np.array(values) + floor
    ordered, rank = np.sort(table, axis=0), table.argsort(axis=0).argsort(axis=0)
    middle = len(table) - 2  # twice the middle of the others, counted from 0
    low, high = (
        np.where(rank > index, ordered[index], ordered[index + 1])
        for index in (middle // 2, (middle + 1) // 2)
    )
    return table / ((low + high) / 2)


def excess(values: list[np.ndarray], floor: float) -> dict[str, float]:
    """How far the join goes beyond all other pairs somewhere, and how far any other pair does."""
    table = np.array(values) + floor
    ordered = np.sort(table, axis=0)
    others = np.where(table == ordered[-1], ordered[-2], ordered[-1])
    beyond = (table / others).max(axis=1)
    return {"join": float(beyond[-1]), "interior_max": float(beyond[:-1].max())}


def _soft(canvas: Canvas, field: np.ndarray) -> np.ndarray:
    """A working field [h, w] averaged over squares of a 32nd of its width."""
    spread = max(field.shape[1] // 64, 1)
    rows = min(spread, field.shape[0])
    around = canvas.padded(field, rows=rows, columns=spread)
    soft = cv2.boxFilter(around, -1, (2 * spread + 1, 2 * rows + 1))
    return soft[rows : rows + field.shape[0], spread : spread + field.shape[1]]
