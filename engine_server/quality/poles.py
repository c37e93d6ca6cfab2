"""Zenith and nadir: is the pole one point, does the picture go on across it, does it look normal?

* constancy: std_x I[0, x] / mean |d_x I| at the equator: the row at the pole is nearly one point.
* closing: std_x I[0, x] / the mean step downwards over the eight rows at the pole. For a smooth
  picture the row at the pole is a circle half a pixel in radius: about 0.55, whatever the slope.
* crossing: mean_x |I[0, x] - I[0, x + W/2]| / mean |d_y I| over the sphere: what lies across the
  pole is the next pixel.
* pinch, in a view of 90 degrees at the pole, 3 to 25 degrees from it: mean |gradient along circles
  around it| / mean |gradient away from it|, divided by the same around the middle of the four
  horizon views. Above 1: rays that meet in a star; below 1: rings.
* detail: mean |gradient| within 25 degrees of the pole / the same in the eight slanted views.
* spin: how fast the picture within 20 degrees turns about the pole, degrees a second, seen from
  above, beyond the turning of the picture between 30 and 40 degrees from it. Too little by up to a
  third, more where the cap has little texture: it is a warning, not a measurement. Its share is
  what part of the cap's motion (squared) is turning: 1 for a wheel, 0 for a drift.

I is 0..1, mean over RGB. Figures are means over time, the spin is the median.
No published weight-free figure of the poles is known to us: these definitions are our own. The
verdict rests on closing, not on constancy, whose measure is the far-away equator; and neither on
detail nor on rings: a calm zenith, or a sky that only darkens upwards, has little of its own.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .canvas import Canvas, grey_of, row_weights
from .figures import mean, median
from .flow import grid
from .moments import Moment, Pair
from .views import DOWN, FOV_DEG, HORIZON, SLANTED, UP

NAMES = ("zenith", "nadir")
FIGURES = ("constancy", "closing", "crossing", "pinch", "detail", "spin_deg_s", "spin_share")
RING_DEG = (3.0, 25.0)
SPIN_INNER_DEG = 20.0
SPIN_OUTER_DEG = (30.0, 40.0)
STEP_FLOOR = 0.25 / 255
GRADIENT_FLOOR = 0.25
MAX_COLUMNS = 512
CAP_ROWS = 9
MIN_SPIN_PX = 64
"""Views of fewer pixels a side show too little to tell a turning from a drift."""


class Poles:
    """Gathers frames and pairs of a sphere."""

    def __init__(self, canvas: Canvas, size_px: int, fps: float) -> None:
        self._fps = fps
        self._columns = slice(None, None, max(canvas.width // MAX_COLUMNS, 1))
        self._weights = row_weights(canvas.height, is_sphere=True)
        self._polar = _polar(size_px)
        self._figures: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in FIGURES
        }

    def add(self, moment: Moment) -> None:
        """The next frame."""
        frame = moment.frame
        across, down = self._steps(frame)
        greys = [grey_of(view).astype(np.float32) for view in moment.views]
        gradients = [_gradients(grey, self._polar) for grey in greys]
        usual = _ratio([gradients[index][:2] for index in HORIZON])
        detail = float(np.mean([gradients[index][2] for index in SLANTED]))
        for pole, (row, view) in enumerate(((0, UP), (-1, DOWN))):
            line = frame[row].astype(np.float64).mean(axis=-1) / 255.0
            opposite = np.abs(line - np.roll(line, len(line) // 2)).mean()
            self._note("constancy", pole, line.std() / (across + STEP_FLOOR))
            self._note("closing", pole, line.std() / (self._cap_step(frame, row) + STEP_FLOOR))
            self._note("crossing", pole, opposite / (down + STEP_FLOOR))
            self._note("pinch", pole, _ratio([gradients[view][:2]]) / usual)
            share = (gradients[view][2] + GRADIENT_FLOOR) / (detail + GRADIENT_FLOOR)
            self._note("detail", pole, share)

    def add_pair(self, pair: Pair) -> None:
        """The next pair of neighbours: how the caps turn."""
        for pole, view in enumerate((UP, DOWN)):
            if len(self._polar["radius"]) < MIN_SPIN_PX:
                return
            before, after = (grey_of(each.views[view]) for each in (pair.before, pair.after))
            turn, share = self._turn(pair.field.of_view(before, after), before)
            self._note("spin_deg_s", pole, (-turn if pole == 0 else turn) * self._fps)
            self._note("spin_share", pole, share)

    def result(self) -> dict[str, Any]:
        """Means over time for both poles; of the spin the median."""
        return {
            name: {
                figure: (median if figure.startswith("spin") else mean)(values[pole])
                for figure, values in self._figures.items()
            }
            for pole, name in enumerate(NAMES)
        }

    def _note(self, figure: str, pole: int, value: float) -> None:
        self._figures[figure][pole].append(float(value))

    def _steps(self, frame: np.ndarray) -> tuple[float, float]:
        """Mean step along the equator, and downwards over the sphere; 0..1."""
        middle = frame.shape[0] // 2
        equator = frame[middle - 1 : middle + 1].astype(np.int16)
        across = np.abs(np.roll(equator, -1, axis=1) - equator).mean() / 255.0
        thin = frame[:, self._columns].astype(np.int16)
        rows = np.abs(thin[1:] - thin[:-1]).mean(axis=(1, 2)) / 255.0
        weights = self._weights[1:] + self._weights[:-1]
        return float(across), float(rows @ weights / weights.sum())

    def _cap_step(self, frame: np.ndarray, row: int) -> float:
        """Mean step downwards over the rows at a pole; 0..1."""
        cap = frame[:CAP_ROWS] if row == 0 else frame[-CAP_ROWS:]
        return float(np.abs(np.diff(cap.astype(np.float64).mean(axis=-1), axis=0)).mean()) / 255.0

    def _turn(self, flow: np.ndarray, grey: np.ndarray) -> tuple[float, float]:
        """Degrees a frame, clockwise on the view, of the cap beyond its surroundings, and the
        share of the cap's motion that is turning."""
        polar = self._polar
        along, _ = _polar_slopes(grey.astype(np.float32), polar)
        trust = cv2.boxFilter(np.square(along), -1, (5, 5)) + 1e-3
        inner, share = _clockwise(flow, polar, trust * (polar["away_deg"] < SPIN_INNER_DEG))
        low, high = SPIN_OUTER_DEG
        ring = (polar["away_deg"] > low) & (polar["away_deg"] < high)
        return inner - _clockwise(flow, polar, trust * ring)[0], share


def _polar(size_px: int) -> dict[str, np.ndarray]:
    """Polar coordinates of a view's pixels about its middle."""
    offset = grid(size_px, size_px) - np.float32((size_px - 1) / 2)
    radius = np.sqrt(np.square(offset).sum(axis=-1))
    away = np.degrees(np.arctan(radius / (size_px / 2) * np.tan(np.radians(FOV_DEG / 2))))
    outward = offset / np.maximum(radius, 0.5)[..., None]
    ring = (away > RING_DEG[0]) & (away < RING_DEG[1])
    return {"offset": offset, "radius": radius, "outward": outward, "away_deg": away, "ring": ring}


def _polar_slopes(grey: np.ndarray, polar: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Slope along circles about the middle and away from it, levels a pixel."""
    down, right = np.gradient(grey)
    outward = polar["outward"]
    along = down * outward[..., 0] - right * outward[..., 1]
    return along, right * outward[..., 0] + down * outward[..., 1]


def _gradients(grey: np.ndarray, polar: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """Mean gradient along circles, away from the middle, and in all, levels a pixel."""
    ring = polar["ring"]
    if not ring.any():
        return 0.0, 0.0, 0.0
    along, radial = _polar_slopes(grey, polar)
    length = np.sqrt(np.square(along) + np.square(radial))
    means = [float(np.abs(part[ring]).mean()) for part in (along, radial, length)]
    return means[0], means[1], means[2]


def _ratio(gradients: list[tuple[float, float]]) -> float:
    """Gradient along circles over gradient away from the middle, of all given views together."""
    along, radial = np.mean(np.array(gradients), axis=0)
    return float((along + GRADIENT_FLOOR) / (radial + GRADIENT_FLOOR))


def _clockwise(
    flow: np.ndarray, polar: dict[str, np.ndarray], trust: np.ndarray
) -> tuple[float, float]:
    """Least-squares rotation about the middle, degrees a frame, clockwise as the view is seen, and
    the share of the flow's energy that it explains.

    `trust` weighs the pixels: turning shows only where the picture changes along circles.
    """
    x, y = polar["offset"][..., 0], polar["offset"][..., 1]
    squares = float((trust * (np.square(x) + np.square(y))).sum())
    moment = float((trust * (x * flow[..., 1] - y * flow[..., 0])).sum())
    energy = float((trust * np.square(flow).sum(axis=-1)).sum())
    share = moment**2 / max(squares * energy, 1e-9)
    return float(np.degrees(moment / max(squares, 1e-6))), share
