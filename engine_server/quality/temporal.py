"""How a video changes from frame to frame: flickering, degree and smoothness of its motion, MAWE.

Modelled on VBench (flickering, dynamic degree, motion smoothness) and StreamingT2V (MAWE, spread of
flow). Differs in: flow is DIS instead of a learned network, means weigh by solid angle, motion is
counted in degrees of arc as a view of 90 degrees would show it, and a loop's last pair counts.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .canvas import Canvas, row_weights
from .figures import mean, median, top_share_mean
from .flow import FlowField, speeds
from .moments import Moment, Pair
from .views import ANGLES, DOWN, HORIZON, UP

FACE_WEIGHTS = np.array(
    [1 / 3 if k in (UP, DOWN) else 1 / 12 if k in HORIZON else 0.0 for k in range(len(ANGLES))]
)
"""Of PanoWan (2025) and OmniFID; the six faces of a cube are among the 14 views."""
VIEW_DEG = 90.0
SAMPLED_FPS = 8.0
DYNAMIC_THRESHOLD_PX = 6.0
"""VBench: pixels of motion in a picture whose shorter side is 256."""
DYNAMIC_SIDE_PX = 256
DYNAMIC_SHARE = 0.05
DYNAMIC_COUNT = 4 / 16
MAWE_SIDE_PX = 720
MAWE_FACTOR = 9.5
MAWE_MIN_FLOW_PX = 0.5
"""Slower pairs than this are clamped to it: the published figure divides by zero there."""


class Flickering:
    """(255 - mean |f_t - f_t+1|) / 255 on the frames themselves, pixel by pixel as VBench has it,
    and with rows weighed by solid angle; and with the weights of PanoWan's faces of a cube (a third
    above, a third below, a twelfth for each side), on the views that are those faces."""

    def __init__(self, canvas: Canvas) -> None:
        self._weights = row_weights(canvas.height, is_sphere=canvas.is_sphere)
        self.levels: list[float] = []
        self._weighted: list[float] = []
        self._by_faces: list[float] = []

    def add(self, pair: Pair) -> None:
        """One pair of neighbours."""
        if pair.canvas.is_sphere:
            self._by_faces.append(float(pair.view_differences @ FACE_WEIGHTS))
        change = cv2.absdiff(pair.after.frame, pair.before.frame)
        height = change.shape[0]
        rows = change.reshape(height, -1).mean(axis=1, dtype=np.float64)
        self.levels.append(float(rows.mean()))
        self._weighted.append(float(rows @ self._weights))

    def result(self) -> dict[str, Any]:
        """Scores 0..1, 1 is a still."""
        means = {
            "score": mean(self.levels),
            "score_weighted": mean(self._weighted),
            "score_by_faces": mean(self._by_faces),
        }
        return {
            name: None if levels is None else (255.0 - levels) / 255.0
            for name, levels in means.items()
        }


class DynamicDegree:
    """Whether there is motion to speak of: the fastest 5 % of the sphere, eight times a second."""

    def __init__(self, canvas: Canvas, field: FlowField, fps: float) -> None:
        self._field = field
        self._stride = max(round(fps / SAMPLED_FPS), 1)
        self._threshold = DYNAMIC_THRESHOLD_PX * max(1.0, SAMPLED_FPS / fps)
        width = canvas.work_size[1]
        weights = np.repeat(canvas.row_weights[::2, None], len(range(0, width, 2)), axis=1)
        self._weights = weights.reshape(-1)
        self._last: Moment | None = None
        self._first: Moment | None = None
        self._fastest: list[float] = []

    def add(self, moment: Moment) -> None:
        """The next frame; only every `stride`-th is looked at."""
        if moment.index % self._stride:
            return
        if self._last is not None:
            self._measure(self._last, moment)
        self._first = self._first or moment
        self._last = moment

    def close_loop(self, num_frames: int) -> None:
        """The pair over the join, when a whole stride leads over it."""
        if num_frames % self._stride == 0 and self._last is not None and num_frames > 1:
            assert self._first is not None
            if self._last.index != self._first.index:
                self._measure(self._last, self._first)

    def _measure(self, before: Moment, after: Moment) -> None:
        motion = self._field.degrees(self._field.between(before.grey, after.grey))
        speed_px = speeds(motion[::2, ::2]).reshape(-1) * (DYNAMIC_SIDE_PX / VIEW_DEG)
        self._fastest.append(top_share_mean(speed_px, self._weights, DYNAMIC_SHARE))

    def result(self) -> dict[str, Any]:
        """The verdict of VBench's rule, and the figures it is made from."""
        needed = max(round(DYNAMIC_COUNT * len(self._fastest)), 1)
        above = sum(value > self._threshold for value in self._fastest)
        return {
            "is_dynamic": above >= needed if self._fastest else None,
            "pairs_above": above,
            "pairs_needed": needed,
            "top5_px256": median(self._fastest),
            "threshold_px256": self._threshold,
            "every_nth_frame": self._stride,
        }


class Smoothness:
    """How well every odd frame is foretold by its neighbours: motion without judder."""

    def __init__(self, canvas: Canvas, field: FlowField) -> None:
        self._canvas = canvas
        self._field = field
        self._recent: list[Moment] = []
        self.levels: list[tuple[int, float]] = []

    def add(self, moment: Moment) -> None:
        """The next frame."""
        self._recent = [*self._recent[-2:], moment]
        if moment.index % 2 == 0 and len(self._recent) == 3:
            self._measure(self._recent[0], self._recent[1], self._recent[2])

    def close_loop(self, first: Moment, num_frames: int) -> None:
        """The last frame of a loop of even length lies between the last but one and the first."""
        if num_frames % 2 == 0 and num_frames > 2:
            self._measure(self._recent[-2], self._recent[-1], first)

    def _measure(self, before: Moment, middle: Moment, after: Moment) -> None:
        foretold = midpoint(self._field, before, after)
        error = np.abs(foretold - middle.work).mean(axis=-1, dtype=np.float32)
        self.levels.append((middle.index, self._canvas.mean(error)))

    def result(self) -> dict[str, Any]:
        """(255 - mean error) / 255; 1 is motion that the neighbours tell completely."""
        levels = [level for _, level in self.levels]
        worst = max(self.levels, key=lambda each: each[1], default=None)
        return {
            "score": (255.0 - float(np.mean(levels))) / 255.0 if levels else None,
            "mean_error_levels": mean(levels),
            "worst_frame": None if worst is None else worst[0],
        }


def midpoint(field: FlowField, before: Moment, after: Moment) -> np.ndarray:
    """The frame half-way, [h, w, 3] float32: the mean of both frames, each drawn half-way along
    the flow to the other: m(x) = (a(x - F_ab(x) / 2) + b(x - F_ba(x) / 2)) / 2."""
    forth = field.between(before.grey, after.grey)
    back = field.between(after.grey, before.grey)
    near = field.sampled(before.work, forth, -0.5)
    near += field.sampled(after.work, back, -0.5)
    return near * 0.5


class Mawe:
    """Motion-aware warp error over classical flow: mean_t W_t / (9.5 M_t).

    M_t is the mean length of the flow in pixels of a 90-degree view 720 pixels wide; W_t the mean
    squared error over RGB (0..255) of the frame pushed along its flow to the nearest pixels,
    against the next one, where anything arrived.
    """

    def __init__(self, canvas: Canvas, field: FlowField) -> None:
        self._canvas = canvas
        self._field = field
        self._values: list[float] = []
        self._clamped = 0
        self._speed = self._speed_squared = 0.0

    def add(self, pair: Pair) -> None:
        """One pair of neighbours."""
        pushed, arrived = self._field.splatted(pair.before.work, pair.flow)
        error = pushed.astype(np.float32) - pair.after.work
        squares = np.square(error).mean(axis=-1) * arrived
        weight = self._canvas.mean(arrived.astype(np.float32))
        warp_error = self._canvas.mean(squares) / max(weight, 1e-6)
        length_px = self._canvas.mean(pair.speed) * (MAWE_SIDE_PX / VIEW_DEG)
        self._clamped += length_px < MAWE_MIN_FLOW_PX
        self._values.append(warp_error / (MAWE_FACTOR * max(length_px, MAWE_MIN_FLOW_PX)))
        self._speed += self._canvas.mean(pair.speed)
        self._speed_squared += self._canvas.mean(np.square(pair.speed))

    def result(self, fps: float) -> dict[str, Any]:
        """MAWE-DIS, the pairs that were clamped, and the spread of the flow."""
        count = max(len(self._values), 1)
        average = self._speed / count
        spread = np.sqrt(max(self._speed_squared / count - average**2, 0.0))
        return {
            "mawe_dis": mean(self._values),
            "clamped_pairs": self._clamped,
            "mean_speed_deg_s": average * fps if self._values else None,
            "speed_spread_deg_s": float(spread) * fps if self._values else None,
        }
