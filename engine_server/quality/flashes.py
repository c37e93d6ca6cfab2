"""Flashes against WCAG 2.3.1: at most three in any one second, or too small to matter.

Luminance (linear light, sRGB coefficients) on a grid of 128 by 64 cells around the viewer. In each
cell a transition is a change of 0.1 or more from the last peak or valley while the darker side is
below 0.8; transitions alternate, and two of them are a flash. A red transition is a change of more
than 20 in max(R - G - B, 0) * 320 where R / (R + G + B) reached 0.8 (the working definition of WCAG
2.0; that of 2.2 counts fewer). The video fails where cells that flashed more than three times
within one second take more than 0.006 steradian within a circle of 10 degrees: WCAG's "25 % of any
10 degree visual field", which inside a headset is anywhere. Cells need not flash in time with each
other to be counted together, which is stricter than WCAG. A loop is played on for another second.

Source: W3C, Web Content Accessibility Guidelines 2.2, "general flash and red flash thresholds".
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cv2
import numpy as np

from ..panorama.erp import cell_areas, cell_directions
from .canvas import Canvas, Place

CELLS = (64, 128)
MAX_FLASHES = 3.0
AREA_SR = 0.006
FIELD_DEG = 10.0
CHANGE = 0.1
DARKER = 0.8
RED_CHANGE = 20.0
RED_SHARE = 0.8
MAX_CENTRES = 200
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_ENCODED = np.arange(256, dtype=np.float32) / np.float32(255.0)
_LINEAR = np.where(_ENCODED <= 0.04045, _ENCODED / 12.92, ((_ENCODED + 0.055) / 1.055) ** 2.4)
LINEAR = _LINEAR.astype(np.float32)


class Flashes:
    """Counts transitions cell by cell, a frame at a time."""

    def __init__(self, canvas: Canvas, fps: float) -> None:
        self._canvas = canvas
        height, width = canvas.work_size
        self._cells = (min(CELLS[0], height), min(CELLS[1], width))
        self._fps = fps
        self._second = max(round(fps), 1)
        self._head: list[np.ndarray] = []
        self._index = 0
        areas = cell_areas(*self._cells).astype(np.float32)
        self._areas = areas.reshape(-1) if canvas.is_sphere else _plane_areas(self._cells)
        self._general = _Counter(self._cells, self._second)
        self._red = _Counter(self._cells, self._second)
        self._worst = {"general": _Worst(), "red": _Worst()}
        self.luminance: list[float] = []

    def add(self, work: np.ndarray) -> None:
        """The next working copy [h, w, 3] uint8."""
        light = cv2.LUT(work, LINEAR)
        cells = cv2.resize(light, self._cells[::-1], interpolation=cv2.INTER_AREA)
        if len(self._head) < self._second:
            self._head.append(cells)
        mean_light = float((cells @ _LUMINANCE).reshape(-1) @ self._areas / self._areas.sum())
        self.luminance.append(mean_light)
        self._step(cells)

    def close_loop(self) -> None:
        """Play the first second once more."""
        for cells in self._head:
            self._step(cells)

    def _step(self, cells: np.ndarray) -> None:
        luminance = cells @ _LUMINANCE
        self._general.add(luminance, CHANGE, dark_below=DARKER)
        total = cells.sum(axis=-1)
        red = np.maximum(2 * cells[..., 0] - total, 0.0) * 320.0
        is_red = cells[..., 0] >= RED_SHARE * np.maximum(total, 1e-6)
        self._red.add(red, RED_CHANGE, qualified=is_red)
        for name, counter in (("general", self._general), ("red", self._red)):
            flashes = counter.flashes
            if flashes.max() > self._worst[name].flashes:
                self._worst[name].note(flashes, self._index)
            if flashes.max() > MAX_FLASHES:
                self._worst[name].area_sr = max(
                    self._worst[name].area_sr, self._largest_area(flashes > MAX_FLASHES)
                )
        self._index += 1

    def _largest_area(self, flashing: np.ndarray) -> float:
        """Steradian of flashing cells in the fullest circle of `FIELD_DEG` around one of them."""
        found = np.flatnonzero(flashing.reshape(-1))
        if not self._canvas.is_sphere:
            return float(self._areas[found].sum())
        directions = cell_directions(*self._cells).reshape(-1, 3)[found]
        stride = max(len(found) // MAX_CENTRES, 1)
        near = directions[::stride] @ directions.T >= np.cos(np.radians(FIELD_DEG / 2))
        return float((near @ self._areas[found]).max())

    def result(self, num_frames: int) -> dict[str, Any]:
        """Flashes in the worst second of the worst cell, and whether that is too many."""
        found: dict[str, Any] = {}
        for name, worst in self._worst.items():
            place = self._place(worst.cell)
            found[name] = {
                "flashes_per_s": worst.flashes,
                "area_sr": worst.area_sr,
                "passes": worst.flashes <= MAX_FLASHES or worst.area_sr <= AREA_SR,
                "yaw_deg": place.yaw_deg,
                "pitch_deg": place.pitch_deg,
                "second": worst.index % max(num_frames, 1) / self._fps,
            }
        light = np.array(self.luminance)
        middle = float(np.median(light)) if len(light) else 0.0
        found["light_swing"] = float(np.ptp(light)) / max(middle, 0.01) if len(light) else None
        return found

    def _place(self, cell: int) -> Place:
        row, column = divmod(cell, self._cells[1])
        return self._canvas.place((row + 0.5) / self._cells[0], (column + 0.5) / self._cells[1])


class _Worst:
    """The most flashes seen so far, and where and when."""

    def __init__(self) -> None:
        self.flashes = 0.0
        self.area_sr = 0.0
        self.cell = 0
        self.index = 0

    def note(self, flashes: np.ndarray, index: int) -> None:
        self.cell = int(np.argmax(flashes))
        self.flashes = float(flashes.reshape(-1)[self.cell])
        self.index = index


class _Counter:
    """Alternating transitions of every cell, and how many lie in the last second."""

    def __init__(self, cells: tuple[int, int], second: int) -> None:
        self._high = np.full(cells, -np.inf, np.float32)
        self._low = np.full(cells, np.inf, np.float32)
        self._heading = np.zeros(cells, np.int8)
        self._qualified = np.zeros(cells, bool)
        self._recent: deque[np.ndarray] = deque(maxlen=second)
        self._count = np.zeros(cells, np.int16)

    @property
    def flashes(self) -> np.ndarray:
        """Flashes within the last second, by cell."""
        return self._count / 2.0

    def add(
        self,
        value: np.ndarray,
        change: float,
        *,
        dark_below: float = np.inf,
        qualified: np.ndarray | None = None,
    ) -> None:
        """One moment: `value` of every cell; where `qualified` was never so, nothing counts."""
        if qualified is not None:
            self._qualified |= qualified
        self._high = np.maximum(self._high, value)
        self._low = np.minimum(self._low, value)
        rose = (value - self._low >= change) & (self._low < dark_below) & (self._heading <= 0)
        fell = (self._high - value >= change) & (value < dark_below) & (self._heading >= 0) & ~rose
        moved = rose | fell
        counted = moved if qualified is None else moved & self._qualified
        self._heading[rose], self._heading[fell] = 1, -1
        self._high[rose] = value[rose]  # from a valley on only the peak after it matters,
        self._low[fell] = value[fell]  # and the other way round
        if qualified is not None:
            self._qualified[moved] = qualified[moved]
        if len(self._recent) == self._recent.maxlen:
            self._count -= self._recent[0]
        self._recent.append(counted.astype(np.int8))
        self._count += counted


def _plane_areas(cells: tuple[int, int]) -> np.ndarray:
    """Steradian of the cells of a plane that shows 90 degrees over its shorter side."""
    side = np.radians(90.0 / min(cells))
    return np.full(cells[0] * cells[1], side * side, np.float32)
