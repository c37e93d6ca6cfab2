"""The seam of the ring: the last column against the first, measured like any two neighbours.

Everything is measured on the frames themselves, on at most `MAX_ROWS` evenly spaced rows, and
beside each figure stands the same figure of the columns inside, because a difference of neighbours
is not zero in a perfect ring. DynamicScaler fig. 7 (Liu et al. 2024) shows a seam by laying frames
side by side; `album.py` shows it likewise.

* end continuity: mean |I[:, 0] - I[:, W - 1]|, I in 0..1 (PanoWan, section 5.2); its ratio to the
  mean difference of neighbouring columns, rows weighed by solid angle, and that ratio's 95th
  percentile over the columns inside.
* line: what a standing vertical line would leave. e = d_x - (d_x-1 + d_x+1) / 2 with d_x the step
  from column x to the next, in luma averaged over time and over `BANDS` bands of rows *with its
  sign*; the root mean square over the bands, divided by its median over all columns.
* discontinuity score (ECCV 2024, arXiv 2407.18207; implementations differ, this is ours): luma in
  0..1; a_k the Scharr-x response (3, 10, 3 down, -1, 0, 1 across, edge rows repeated) centred on
  the second-last, last, first and second column; mean over rows of
  (|a_1| / (|a_0| + 0.1) + |a_2| / (|a_3| + 0.1)) / 2.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .canvas import Canvas, grey_of, row_weights
from .figures import mean, median, percentile

LIMIT = 1.2
MAX_ROWS = 1024
BANDS = 16
DS_POSITIONS = 64
DS_FLOOR = 0.1
STEP_FLOOR = 0.1 / 255
LINE_FLOOR = 0.1


class Seam:
    """Gathers frames; columns are compared on the frame itself."""

    def __init__(self, canvas: Canvas) -> None:
        self._rows = slice(None, None, max(canvas.height // MAX_ROWS, 1))
        weights = row_weights(canvas.height, is_sphere=canvas.is_sphere)[self._rows]
        self._weights = weights / weights.sum()
        width = canvas.width
        spaced = np.linspace(0, width, min(DS_POSITIONS, width), endpoint=False).astype(np.int64)
        self._left = (spaced - 1) % width
        self._steps = np.zeros(width)
        self._bands = np.zeros((min(BANDS, canvas.height), width))
        self._profile = np.zeros(len(weights))
        self._ends: list[float] = []
        self._ratios: list[float] = []
        self._scores: list[np.ndarray] = []

    def add(self, frame: np.ndarray) -> None:
        """The next frame [H, W, 3] uint8."""
        rows = frame[self._rows]
        ends = np.abs(rows[:, 0].astype(np.int16) - rows[:, -1]).mean(axis=-1) / 255.0
        steps = column_steps(rows, self._weights)
        self._ends.append(float(ends.mean()))
        self._profile += ends
        self._steps += steps
        inside = float(steps[:-1].mean())
        self._ratios.append((float(steps[-1]) + STEP_FLOOR) / (inside + STEP_FLOOR))
        grey = grey_of(frame)
        self._bands += cv2.resize(
            grey.astype(np.float32),
            (grey.shape[1], len(self._bands)),
            interpolation=cv2.INTER_AREA,
        )
        self._scores.append(discontinuity(grey[self._rows], self._left))

    def profile(self) -> np.ndarray:
        """Ratio of every column's step to the mean of all inside, time-averaged; the last is the
        seam."""
        steps = self._steps / max(len(self._ends), 1) + STEP_FLOOR
        return steps / steps[:-1].mean()

    def result(self) -> dict[str, Any]:
        """All figures of the seam."""
        profile, lines = self.profile(), line_profile(self._bands / max(len(self._ends), 1))
        scores = np.array(self._scores)
        worst = int(np.argmax(self._ratios))
        high = percentile(profile[:-1], 95) or 0.0
        lines_high = percentile(lines[:-1], 95) or 0.0
        strongest = int(np.argmax(lines[:-1]))
        return {
            "end_continuity": mean(self._ends),
            "ratio": float(profile[-1]),
            "interior_p95": high,
            "worst_frame": worst,
            "worst_frame_ratio": self._ratios[worst],
            "passes": bool(profile[-1] <= LIMIT or profile[-1] <= high + 1e-9),
            "line": float(lines[-1]),
            "line_interior_p95": lines_high,
            "line_interior_max": float(lines[strongest]),
            "line_interior_max_yaw_deg": ((strongest + 1) / len(lines) - 0.5) * 360.0,
            "worst_pitch_deg": self._worst_pitch(),
            "discontinuity_score": mean(scores[:, 0]),
            "discontinuity_interior_mean": mean(scores[:, 1:].mean(axis=0)),
            "discontinuity_interior_p95": percentile(scores[:, 1:].mean(axis=0), 95),
        }

    def _worst_pitch(self) -> float:
        """Pitch of the band of a twelfth of the height where the seam's step is largest."""
        span = max(len(self._profile) // 12, 1)
        smooth = np.convolve(self._profile, np.ones(span), mode="valid")
        middle = (int(np.argmax(smooth)) + span / 2) / len(self._profile)
        return (0.5 - middle) * 180.0


def column_steps(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean |I[:, x + 1] - I[:, x]| of every x on the ring [W], 0..1; the last is the seam."""
    height, width = rows.shape[:2]
    following = np.concatenate([rows[:, 1:], rows[:, :1]], axis=1)
    change = cv2.absdiff(following, rows).reshape(height, -1).astype(np.float32)
    return (weights @ change).reshape(width, -1).mean(axis=1, dtype=np.float64) / 255.0


def line_profile(bands: np.ndarray) -> np.ndarray:
    """Strength of a standing line between column x and the next [W], median 1; last: the seam."""
    steps = np.roll(bands, -1, axis=1) - bands
    kinks = steps - 0.5 * (np.roll(steps, 1, axis=1) + np.roll(steps, -1, axis=1))
    strength = np.sqrt(np.square(kinks).mean(axis=0))
    return (strength + LINE_FLOOR) / ((median(strength) or 0.0) + LINE_FLOOR)


def discontinuity(grey: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Discontinuity score of the border after each column of `left`.

    Args:
        grey: [H, W] uint8.
        left: The column left of each border; columns wrap.

    Returns:
        A score a border, float64.
    """
    width = grey.shape[1]
    around = (left[:, None] + np.arange(-2, 4)) % width
    columns = grey[:, around].astype(np.float32) / np.float32(255.0)
    above = np.concatenate([columns[:1], columns[:-1]])
    below = np.concatenate([columns[1:], columns[-1:]])
    smooth = 3.0 * above + 10.0 * columns + 3.0 * below
    edges = np.abs(smooth[..., 2:] - smooth[..., :-2])
    first = edges[..., 1] / (edges[..., 0] + DS_FLOOR)
    second = edges[..., 2] / (edges[..., 3] + DS_FLOOR)
    return 0.5 * (first + second).mean(axis=0, dtype=np.float64)
