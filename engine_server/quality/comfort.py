"""Comfort of a viewer inside: does the world turn, tilt or bob around them?

A rigid turning w of the whole picture moves direction d by w x d. It is fitted to the flow by least
squares, weighed by solid angle and by how much texture there is to see motion by, and re-weighed
(Cauchy) so that what most of the sphere does counts, not what one thing in it does.

* yaw rate: about the vertical axis; tilt rate: about a horizontal one. Degrees a second.
* horizon: the same fit to the band within 30 degrees of the horizon, with a common rise and
  sinking; tilt and rise are summed up over time, the drift is the farthest they get from the start.

The limits of `verdict.py` are our judgement for a seated viewer, not a study's.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..panorama.erp import cell_directions
from .canvas import Canvas
from .figures import percentile
from .moments import Pair

GRID_PX = 4
HORIZON_DEG = 30.0
ROUNDS = 6
TEXTURE_LEVELS = 1.0
SPREAD_FLOOR_DEG = 0.02
AGREES_SHARE = 0.3


class Comfort:
    """Gathers the pairs of a sphere in order."""

    def __init__(self, canvas: Canvas, fps: float) -> None:
        self._fps = fps
        height, width = canvas.work_size
        thin = (slice(GRID_PX // 2, None, GRID_PX), slice(GRID_PX // 2, None, GRID_PX))
        self._thin = thin if min(height, width) >= 4 * GRID_PX else (slice(None), slice(None))
        directions = cell_directions(height, width)[self._thin].reshape(-1, 3)
        self._east, self._north = _tangents(directions)
        weights = np.repeat(canvas.row_weights[:, None], width, axis=1)
        self._weights = weights[self._thin].reshape(-1).astype(np.float64)
        near = np.abs(directions[:, 2]) < np.sin(np.radians(HORIZON_DEG))
        self._band = near if near.any() else np.ones_like(near)
        self.turns: list[np.ndarray] = []
        self._agreement: list[float] = []
        self._tilts: list[np.ndarray] = []

    def add(self, pair: Pair) -> None:
        """The next pair of neighbours."""
        motion = pair.motion[self._thin].reshape(-1, 2).astype(np.float64)
        east, north = motion[:, 0], -motion[:, 1]
        weights = self._weights * _texture(pair.before.grey)[self._thin].reshape(-1)
        rows = np.concatenate([self._north, -self._east])
        target = np.concatenate([east, north])
        turn, residual = robust_fit(rows, target, np.concatenate([weights, weights]))
        self.turns.append(turn)
        self._agreement.append(_agreement(turn, residual, weights))
        band = self._band
        rise = np.ones((int(band.sum()), 1))
        tilt, _ = robust_fit(
            np.concatenate([-self._east[band][:, :2], rise], axis=1), north[band], weights[band]
        )
        self._tilts.append(tilt)

    def result(self) -> dict[str, Any]:
        """Rates in degrees a second, drifts in degrees."""
        if not self.turns:
            return {name: None for name in FIGURES}
        turns = np.array(self.turns) * self._fps
        yaw, tilt = turns[:, 2], np.hypot(turns[:, 0], turns[:, 1])
        path = np.cumsum(np.array(self._tilts), axis=0)
        path = np.concatenate([np.zeros((1, 3)), path])
        return {
            "yaw_rate_deg_s": float(np.median(yaw)),
            "yaw_rate_p95_deg_s": percentile(np.abs(yaw), 95),
            "tilt_rate_deg_s": float(np.median(tilt)),
            "tilt_rate_p95_deg_s": percentile(tilt, 95),
            "turning_share": float(np.median(self._agreement)),
            "horizon_tilt_deg": float(np.hypot(path[:, 0], path[:, 1]).max()),
            "horizon_rise_deg": float(np.ptp(path[:, 2])),
        }


FIGURES = (
    "yaw_rate_deg_s",
    "yaw_rate_p95_deg_s",
    "tilt_rate_deg_s",
    "tilt_rate_p95_deg_s",
    "turning_share",
    "horizon_tilt_deg",
    "horizon_rise_deg",
)


def robust_fit(
    rows: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """x with rows @ x = target in the sense of iteratively re-weighed (Cauchy) least squares.

    Returns:
        x and the residual of every row.
    """
    size = rows.shape[1]
    found = np.zeros(size)
    trust = weights.copy()
    residual = target
    for _ in range(ROUNDS):
        normal = (rows * trust[:, None]).T @ rows + 1e-12 * np.eye(size)
        found = np.linalg.solve(normal, (rows * trust[:, None]).T @ target)
        residual = target - rows @ found
        spread = 1.5 * float(np.average(np.abs(residual), weights=weights + 1e-30))
        trust = weights / (1.0 + np.square(residual / max(spread, SPREAD_FLOOR_DEG)))
    return found, residual


def _agreement(turn: np.ndarray, residual: np.ndarray, weights: np.ndarray) -> float:
    """Share of the textured sphere that moves as the turning says, to within a third of it."""
    half = len(residual) // 2
    miss = np.hypot(residual[:half], residual[half:])
    near = miss < AGREES_SHARE * float(np.linalg.norm(turn)) + SPREAD_FLOOR_DEG
    return float(np.average(near, weights=weights + 1e-30))


def _texture(grey: np.ndarray) -> np.ndarray:
    """0..1: how much there is to see motion by."""
    right = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    length = cv2.boxFilter(np.sqrt(right**2 + down**2), -1, (9, 9))
    return length / (length + TEXTURE_LEVELS)


def _tangents(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors to the right and upwards at directions [n, 3] (see `panorama/erp.py`)."""
    x, y, z = directions.T
    flat = np.maximum(np.hypot(x, y), 1e-9)
    east = np.stack([-y / flat, x / flat, np.zeros_like(x)], axis=-1)
    north = np.stack([-z * x / flat, -z * y / flat, flat], axis=-1)
    return east, north
