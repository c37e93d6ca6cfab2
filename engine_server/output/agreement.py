"""Whether two versions of a loop move alike: the correlation of their optical flows.

Coarse to fine is to add detail and keep the motion. Both versions are brought down to a pixel for a
cell of the coarse one: what is finer is the finer stage's to find. Between every two neighbouring
frames the flow of each is measured (OpenCV's DIS, which looks at two such pixels and more), as
angles on the sphere, and the two flows are compared: 1 is the same motion, 0 has nothing to do with
it, -1 is the opposite.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..flow_search import FlowSearch
from .surroundings import with_surroundings

LEAST_MOTION_PX = 0.15
"""Root mean square of a flow, in pixels a frame, under which it is mostly error: a starry night of
the preview model, which hardly moves, measures 0.12, waves 0.28."""
PAD = 16
TRUST_SPREAD_PX = 2.0
FLAT_STEP = 3.0
"""Difference of neighbouring pixels, in 255ths, under which a place is too flat for its flow."""

KEPT, LOST = 0.8, 0.4
"""Correlations from which the motion counts as kept, and under which as lost."""


class MotionAgreement:
    """Compares two versions frame by frame; two frames of each are held at a time.

    Args:
        width: Pixels across the ring at which the two are compared.
        surface: What they lie on, see `JobSpec.surface`.
    """

    def __init__(self, *, width: int = 128, surface: str = "sphere") -> None:
        self._width = width
        self._surface = surface
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._both = self._first = self._second = self._weight = 0.0

    def watch(
        self, frames: Iterator[np.ndarray], others: Iterator[np.ndarray]
    ) -> Iterator[np.ndarray]:
        """`frames` as they are, each compared with its counterpart; ERPs [H, W, 3], 0..1."""
        for frame, other in zip(frames, others, strict=True):
            self.add(frame, other)
            yield frame

    def add(self, frame: np.ndarray, other: np.ndarray) -> None:
        """Take the next frame of both, any sizes."""
        width = min(self._width, frame.shape[1], other.shape[1]) // 2 * 2
        size = width, max(1, round(width * frame.shape[0] / frame.shape[1]))
        now = _grey(frame, size), _grey(other, size)
        if self._before is not None:
            first, second = (_flow(old, new) for old, new in zip(self._before, now, strict=True))
            narrowing = self._areas(size[1])
            for flow in (first, second):  # a column of a panorama narrows towards the poles
                flow[..., 0] *= narrowing
            area = narrowing * _trust(now[0]) * _trust(now[1])
            self._both += float((area * (first * second).sum(-1)).sum())
            self._first += float((area * np.square(first).sum(-1)).sum())
            self._second += float((area * np.square(second).sum(-1)).sum())
            self._weight += float(area.sum())
        self._before = now

    def _areas(self, height: int) -> np.ndarray:
        """How large a pixel of each row is, [height, 1]."""
        if self._surface != "sphere":
            return np.ones((height, 1))
        return np.cos((0.5 - (np.arange(height) + 0.5) / height) * np.pi)[:, None]

    @property
    def correlation(self) -> float | None:
        """Of all flows so far, -1..1; None where one of the two does not move."""
        least = LEAST_MOTION_PX**2 * self._weight
        if min(self._first, self._second) <= least:
            return None
        return self._both / float(np.sqrt(self._first * self._second))

    @property
    def sentence(self) -> str:
        """The correlation in words."""
        value = self.correlation
        if value is None:
            return "One of the two hardly moves, so that their motion cannot be compared."
        kept = "is kept" if value >= KEPT else "is kept in part"
        kept = kept if value >= LOST else "is another"
        return f"The motion of the coarse loop {kept}: flow correlation {value:.2f}."


def _grey(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame as uint8 grey of `size` (width, height)."""
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.ascontiguousarray(small, np.float32), cv2.COLOR_RGB2GRAY)
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _trust(grey: np.ndarray) -> np.ndarray:
    """How far to trust flow at each pixel, 0..1: where all is one grey, it says nothing."""
    steps = np.square(np.diff(grey.astype(np.float32), axis=1, append=grey[:, :1]))
    steps[:-1] += np.square(np.diff(grey.astype(np.float32), axis=0))
    edges = cv2.GaussianBlur(steps, (0, 0), TRUST_SPREAD_PX)
    return edges / (edges + FLAT_STEP**2)


def _flow(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Flow [H, W, 2] in pixels, over the seam and the poles."""
    before, after = (
        with_surroundings(grey[..., None], rows=PAD, columns=PAD)[..., 0].astype(np.uint8)
        for grey in (old, new)
    )
    return FlowSearch().between(before, after)[PAD:-PAD, PAD:-PAD]
