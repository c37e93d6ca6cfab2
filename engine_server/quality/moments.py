"""One frame, and one pair of neighbouring frames, with everything that several figures need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .canvas import Canvas, grey_of
from .flow import FlowField, speeds
from .views import Views


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame of the video.

    Attributes:
        index: From 0.
        frame: [H, W, 3] uint8, RGB.
        work: Its working copy [h, w, 3] uint8.
        grey: Luma of the working copy [h, w] uint8.
        views: The 14 views of the working copy [n, px, px, 3] uint8.
    """

    index: int
    frame: np.ndarray
    work: np.ndarray
    grey: np.ndarray
    views: np.ndarray


@dataclass(frozen=True, eq=False)
class Pair:
    """Two neighbouring frames; the pair of index t leads from frame t to the next.

    The last pair of a loop leads from its last frame to its first.
    """

    before: Moment
    after: Moment
    canvas: Canvas
    field: FlowField
    cutter: Views

    @property
    def index(self) -> int:
        """That of the frame it starts from."""
        return self.before.index

    @cached_property
    def difference(self) -> np.ndarray:
        """Mean over RGB of |after - before|, 8-bit levels, [h, w] float32."""
        return cv2.absdiff(self.after.work, self.before.work).mean(axis=-1, dtype=np.float32)

    @cached_property
    def view_differences(self) -> np.ndarray:
        """Mean |after - before| in each view, 8-bit levels."""
        change = cv2.absdiff(self.after.views.reshape(-1, 3), self.before.views.reshape(-1, 3))
        return change.reshape(len(self.after.views), -1).mean(axis=1, dtype=np.float64)

    @cached_property
    def flow(self) -> np.ndarray:
        """Flow in pixels of the working copy [h, w, 2]."""
        return self.field.between(self.before.grey, self.after.grey)

    @cached_property
    def motion(self) -> np.ndarray:
        """Flow in degrees of arc [h, w, 2]: to the right and downwards."""
        return self.field.degrees(self.flow)

    @cached_property
    def speed(self) -> np.ndarray:
        """Length of `motion`, degrees a frame, [h, w]."""
        return speeds(self.motion)


class Lens:
    """Makes moments and pairs of one video's frames."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.cutter = Views(canvas)
        self.field = FlowField(canvas)

    def moment(self, index: int, frame: np.ndarray) -> Moment:
        """What is measured of one frame [H, W, 3] uint8."""
        work = self.canvas.work_copy(frame)
        return Moment(
            index=index,
            frame=frame,
            work=work,
            grey=grey_of(work),
            views=self.cutter.cut(work),
        )

    def pair(self, before: Moment, after: Moment) -> Pair:
        """Two moments as neighbours."""
        return Pair(before, after, self.canvas, self.field, self.cutter)
