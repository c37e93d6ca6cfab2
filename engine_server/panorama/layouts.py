"""Which way the views look: sets of upright square views that cover the sphere with margin.

A layout is a stack of rows: each row holds views of one pitch, evenly spaced in yaw. Layouts are
found by search for a given reach (the tangent half-width of the part of a view that may be owned),
in two families, with and without views at the poles, so that steps can alternate between two sets
of borders that lie apart.

Measured, 90-degree views of 16 cells, tipped by up to 2.5 degrees: half a cell of margin takes 10
views with poles and 11 without, a whole cell 12 and 13; 6 have no margin at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .erp import Floats

_GRID_PER_VIEW = 48
_SLACK = 0.985
_MAX_ROWS = 40
_NARROW = math.tan(math.radians(20))
"""Reach below which each row covers a band of its own: a search takes minutes there, and gains few
views, because a band of narrow views is nearly flat.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Views of one pitch: the first at `phase` of the spacing, `count` around the ring."""

    pitch_deg: float
    count: int
    phase: float

    def angles(self, pitch_offset_deg: float) -> list[tuple[float, float]]:
        """(yaw_deg, pitch_deg) of every view; tipped past a pole, a view comes down beyond it."""
        pitch = self.pitch_deg + pitch_offset_deg
        turn = 0.0
        if abs(pitch) > 90:
            pitch, turn = math.copysign(180 - abs(pitch), pitch), 180.0
        return [
            ((turn + (self.phase + k) * 360 / self.count + 180) % 360 - 180, pitch)
            for k in range(self.count)
        ]


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of views, top to bottom."""

    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        """How many views the layout has."""
        return sum(row.count for row in self.rows)

    def angles(self, pitch_offset_deg: float = 0.0) -> list[tuple[float, float]]:
        """(yaw_deg, pitch_deg) of every view, the whole layout tipped by `pitch_offset_deg`."""
        return [pair for row in self.rows for pair in row.angles(pitch_offset_deg)]


@lru_cache(maxsize=4096)
def _row_need(row: Row, offset_deg: float, grid_rows: int) -> Floats:
    """Reach a row needs for each point of a grid ``[rows, 2 * rows]``: its nearest view in yaw."""
    yaw0, pitch_deg = row.angles(offset_deg)[0]
    yaw = ((np.arange(2 * grid_rows) + 0.5) / (2 * grid_rows) - 0.5) * 2 * np.pi
    point = (0.5 - (np.arange(grid_rows) + 0.5) / grid_rows)[:, None] * np.pi
    spacing = 2 * np.pi / row.count
    turn = (yaw - math.radians(yaw0) + spacing / 2) % spacing - spacing / 2
    pitch = math.radians(pitch_deg)
    flat = np.cos(point) * np.cos(turn)
    depth = math.sin(pitch) * np.sin(point) + math.cos(pitch) * flat
    across = np.abs(np.cos(point) * np.sin(turn))
    upward = np.abs(math.cos(pitch) * np.sin(point) - math.sin(pitch) * flat)
    return np.where(depth > 1e-6, np.maximum(across, upward) / np.maximum(depth, 1e-6), np.inf)


def needed_reach(layout: Layout, pitch_offset_deg: float = 0.0, *, grid_rows: int = 90) -> float:
    """Smallest tangent half-width of the owned part at which the layout still covers the sphere."""
    needs = [_row_need(row, pitch_offset_deg, grid_rows) for row in layout.rows]
    return float(np.minimum.reduce(needs).max())


def _grid_rows(reach: float) -> int:
    return max(90, math.ceil(180 / math.degrees(2 * math.atan(reach)) * _GRID_PER_VIEW))


def _stack(pitches: list[float], counts: dict[float, int], poles: bool) -> Layout:
    rows = [Row(pitch, counts[abs(pitch)], (k % 2) / 2) for k, pitch in enumerate(pitches)]
    if poles:
        rows = [Row(90.0, 1, 0.0), *rows, Row(-90.0, 1, 0.0)]
    return Layout(tuple(rows))


def _covers(layout: Layout, reach: float, offsets: tuple[float, ...]) -> bool:
    return _worst(layout, reach, offsets) <= reach * _SLACK


def _thinnest(
    pitches: list[float], reach: float, offsets: tuple[float, ...], poles: bool
) -> Layout | None:
    """The rows with as few views each as still cover, or None when no number does."""
    half = math.atan(reach)
    most = {abs(p): math.ceil(2 * np.pi * math.cos(math.radians(p)) / half) + 3 for p in pitches}
    counts = dict(most)
    if not _covers(_stack(pitches, counts, poles), reach, offsets):
        return None
    for level in sorted(counts, reverse=True):
        low, high = 1, counts[level]
        while low < high:
            middle = (low + high) // 2
            trial = {**counts, level: middle}
            if _covers(_stack(pitches, trial, poles), reach, offsets):
                high = middle
            else:
                low = middle + 1
        counts[level] = high
    return _stack(pitches, counts, poles)


@lru_cache(maxsize=64)
def find_layout(
    reach: float, offsets: tuple[float, ...], *, poles: bool, parity: int | None = None
) -> Layout | None:
    """The layout of fewest views that covers the sphere at every pitch offset.

    Args:
        reach: Tangent half-width of the part of a view that may be owned.
        offsets: Pitch offsets in degrees the whole layout will be tipped by.
        poles: Whether one view looks straight up and one straight down.
        parity: 1 for layouts with a row on the horizon, 0 for those without, None for either.

    Returns:
        The best layout found, or None if the reach is too small for any within `_MAX_ROWS` rows.
    """
    if reach < _NARROW:
        return _banded(reach * _SLACK, offsets, poles=poles, parity=parity)
    height = 2 * math.degrees(math.atan(reach))
    fewest = max(1, math.floor((180 - (height if poles else 0)) / height))
    best, best_score = None, (math.inf, math.inf)
    for num_rows in range(fewest, min(fewest + 3, _MAX_ROWS) + 1):
        if parity is not None and num_rows % 2 != parity:
            continue
        for share in np.linspace(0.45, 1.05, 13):
            spacing = round(height * float(share) * 2) / 2
            if num_rows > 1 and (num_rows - 1) * spacing / 2 >= 90:
                continue
            pitches = [((num_rows - 1) / 2 - k) * spacing for k in range(num_rows)]
            found = _thinnest(pitches, reach, offsets, poles)
            if found is None:
                continue
            score = (found.count, _worst(found, reach, offsets))
            if score < best_score:
                best, best_score = found, score
    return best


def _banded(
    reach: float, offsets: tuple[float, ...], *, poles: bool, parity: int | None
) -> Layout | None:
    """The layout of fewest views whose rows cover bands of equal height, each by itself."""
    cap = math.atan(reach)
    tip = math.radians(max(abs(offset) for offset in offsets))
    top = math.pi / 2 - cap + 2 * tip if poles else math.pi / 2
    best: Layout | None = None
    fewest = max(1, math.ceil(top / cap))
    for num_rows in range(fewest, fewest + fewest // 4 + 4):
        if parity is not None and num_rows % 2 != parity:
            continue
        half_band = top / num_rows
        pitches = [(num_rows - 1 - 2 * k) * half_band for k in range(num_rows)]
        counts = [_count_for(pitch, half_band, reach, tip, open_top=not poles) for pitch in pitches]
        if None in counts:
            continue
        rows = [
            Row(math.degrees(pitch), count or 1, (k % 2) / 2)
            for k, (pitch, count) in enumerate(zip(pitches, counts, strict=True))
        ]
        if poles:
            rows = [Row(90.0, 1, 0.0), *rows, Row(-90.0, 1, 0.0)]
        if best is None or Layout(tuple(rows)).count < best.count:
            best = Layout(tuple(rows))
    return best


def _count_for(
    pitch: float, half_band: float, reach: float, tip: float, *, open_top: bool
) -> int | None:
    """Views around the ring that cover a band, however the layout is tipped; None: no number does.

    With `open_top` a band that ends at a pole goes on ending there when it is tipped.
    """
    at_pole = open_top and abs(pitch) + half_band > math.pi / 2 - 1e-9
    count, most = 1, math.ceil(math.pi * math.cos(max(0, abs(pitch) - tip)) / math.atan(reach)) + 4
    for offset in (-tip, 0.0, tip):
        tipped = abs(pitch) + offset
        if tipped > math.pi / 2:
            return None
        high = math.pi / 2 if at_pole else min(math.pi / 2, tipped + half_band)
        point = np.linspace(tipped - half_band, high, 17)[:, None]
        while count <= most and _farthest(tipped, point, math.pi / count) > reach:
            count += 1
    return count if count <= most else None


def _farthest(pitch: float, point: Floats, widest_turn: float) -> float:
    """Reach that a view needs for points of these pitches, turned away by up to `widest_turn`."""
    turn = np.linspace(0, widest_turn, 33)
    flat = np.cos(point) * np.cos(turn)
    depth = math.sin(pitch) * np.sin(point) + math.cos(pitch) * flat
    across = np.cos(point) * np.sin(turn)
    upward = np.abs(math.cos(pitch) * np.sin(point) - math.sin(pitch) * flat)
    need = np.maximum(across, upward) / np.maximum(depth, 1e-6)
    return math.inf if bool((depth <= 1e-6).any()) else float(need.max())


def find_layouts(reach: float, offsets: tuple[float, ...]) -> tuple[Layout, ...]:
    """Two layouts for alternate steps, their borders apart, or () if the reach is too small.

    The first has views at the poles, the second none; where it costs at most half as much again,
    one has a row on the horizon and the other has not.
    """
    first = find_layout(reach, offsets, poles=True)
    either = find_layout(reach, offsets, poles=False)
    if first is None or either is None:
        return ()
    apart = find_layout(reach, offsets, poles=False, parity=1 - len(first.rows) % 2)
    if apart is not None and apart.count <= 1.5 * first.count:
        return first, apart
    return first, either


def _worst(layout: Layout, reach: float, offsets: tuple[float, ...]) -> float:
    grid_rows = _grid_rows(reach)
    return max(needed_reach(layout, offset, grid_rows=grid_rows) for offset in offsets)
