"""Whether motion goes through the join at the speed and in the direction it has elsewhere.

v_t is the flow from frame t to the next, degrees of arc a frame, over the whole sphere; |.| its
root mean square, weighed by solid angle. The jump at t is
|v_t - (v_t-1 + v_t+1) / 2| / (|(v_t-1 + v_t+1) / 2| + floor): 0 for motion that goes on as it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .canvas import Canvas
from .figures import SPEED_FLOOR_DEG_S, mean, median, percentile
from .moments import Pair


class Velocity:
    """Gathers the flow of all pairs in order; the join comes last, if there is one."""

    def __init__(self, canvas: Canvas, fps: float) -> None:
        self._canvas = canvas
        self._fps = fps
        self._floor = SPEED_FLOOR_DEG_S / fps
        self._recent: list[np.ndarray] = []
        self._head: list[np.ndarray] = []
        self._sum: np.ndarray | None = None
        self._count = 0
        self._join: np.ndarray | None = None
        self.jumps: list[float] = []
        self._accelerations: list[float] = []

    def add(self, pair: Pair, *, is_join: bool = False) -> None:
        """The next pair of neighbours."""
        motion = pair.motion
        if is_join:
            self._join = motion
        else:
            self._sum = motion.copy() if self._sum is None else self._sum + motion
            self._count += 1
        if len(self._head) < 2:
            self._head.append(motion)
        if self._recent and not is_join:
            self._accelerations.append(self._rms(motion - self._recent[-1]))
        self._recent = [*self._recent[-2:], motion]
        if len(self._recent) == 3 and not is_join:
            self.jumps.append(self._jump(*self._recent))

    def result(self) -> dict[str, Any]:
        """Jump and acceleration at the join and elsewhere."""
        found: dict[str, Any] = {
            "interior_median": median(self.jumps),
            "interior_p95": percentile(self.jumps, 95),
            "acceleration_interior_deg_s2": _scaled(median(self._accelerations), self._fps**2),
        }
        if self._join is None or len(self._recent) < 3 or self._count < 2 or self._sum is None:
            return {"jump": None, "jump_from_mean": None, "acceleration_deg_s2": None, **found}
        before, join, after = self._recent[-2], self._join, self._head[0]
        drift = self._sum / self._count
        change = [self._rms(join - before), self._rms(after - join)]
        return {
            "jump": self._jump(before, join, after),
            "jump_from_mean": self._rms(join - drift) / (self._rms(drift) + self._floor),
            "acceleration_deg_s2": _scaled(mean(change), self._fps**2),
            "goes_on": self._cosine(before, after),
            **found,
        }

    def _jump(self, before: np.ndarray, middle: np.ndarray, after: np.ndarray) -> float:
        around = 0.5 * (before + after)
        return self._rms(middle - around) / (self._rms(around) + self._floor)

    def _rms(self, motion: np.ndarray) -> float:
        return float(np.sqrt(self._canvas.mean(np.square(motion).sum(axis=-1))))

    def _cosine(self, one: np.ndarray, other: np.ndarray) -> float | None:
        """Cosine between two flows; None where one of them is next to nothing."""
        lengths = self._rms(one), self._rms(other)
        if min(lengths) < self._floor:
            return None
        return self._canvas.mean((one * other).sum(axis=-1)) / (lengths[0] * lengths[1])


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
