"""The pictures of a report, gathered while frames go by: the join through time, seam, poles."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from .canvas import Canvas
from .figures import LEVEL_FLOOR
from .loop_join import LoopJoin
from .moments import Moment
from .plugins import MAX_FRAMES, has_plugins
from .seam import column_steps
from .views import ANGLES, DOWN, UP, lookup

SLICE_PITCHES_DEG = (35.0, 0.0, -25.0)
SLICE_HEIGHT_PX = 200
SEAM_SPAN_DEG = (60.0, 60.0)
SEAM_WIDTH_PX = 360
POLE_PX = 280
HEAT_STOPS = (1.15, 1.5, 2.0)
TICK_PX = 10
TICK = (255, 60, 60)
JPEG_QUALITY = 88


class Album:
    """Keeps strips and small pictures of a video's frames."""

    def __init__(self, canvas: Canvas, *, loop: bool) -> None:
        self._canvas = canvas
        self._loop = loop
        self._slices: list[np.ndarray] = []
        self._poles: list[np.ndarray] = []
        self._seam: np.ndarray | None = None
        self._seam_step = -1.0
        self._backdrop: np.ndarray | None = None
        self._samples: list[np.ndarray] = []
        self._sample_stride = 1
        self._keeps_samples = has_plugins()

    def add(self, moment: Moment) -> None:
        """The next frame."""
        height = self._canvas.work_size[0]
        rows = [min(int((0.5 - pitch / 180.0) * height), height - 1) for pitch in SLICE_PITCHES_DEG]
        self._slices.append(moment.work[rows])
        if moment.index == 0:
            self._backdrop = moment.work
            if self._canvas.is_sphere:
                self._poles = [self._pole(moment.frame, view) for view in (UP, DOWN)]
        if self._canvas.ring:
            self._keep_seam(moment)
        if self._keeps_samples:
            self._keep_sample(moment)

    def samples(self) -> list[np.ndarray]:
        """At most `MAX_FRAMES` evenly spaced working copies, if a plug-in wants them."""
        stride = max(-(-len(self._samples) // MAX_FRAMES), 1)
        return self._samples[::stride]

    def pictures(self, join: LoopJoin) -> dict[str, bytes]:
        """Everything there is, as PNG or JPEG."""
        found = {"slice": self._slice()}
        if self._seam is not None:
            found["seam"] = self._seam_close()
        if self._poles:
            found["zenith"], found["nadir"] = (_jpeg(pole) for pole in self._poles)
        if join.join_field is not None and join.largest_field is not None:
            found["join_map"] = self._heat(join.join_field, join.largest_field)
        return found

    def _slice(self) -> bytes:
        """Time downwards, one row of the panorama across; a loop starts half-way, so that its
        join lies in the middle. The row is that of three whose picture changes most."""
        stack = np.stack(self._slices)
        change = stack.astype(np.float32).std(axis=0).mean(axis=(1, 2))
        half = len(stack) // 2 if self._loop else 0
        picture = np.roll(stack[:, int(np.argmax(change))], half, axis=0)
        height = max(SLICE_HEIGHT_PX, len(stack))
        size = (picture.shape[1], height)
        tall = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
        if self._loop:
            join = height * half // len(stack)
            tall[join - 1 : join + 1, :TICK_PX] = tall[join - 1 : join + 1, -TICK_PX:] = TICK
        return _png(tall)

    def _keep_seam(self, moment: Moment) -> None:
        work = moment.work
        step = float(column_steps(work[:, [-1, 0]], self._canvas.row_weights)[0])
        if step <= self._seam_step:
            return
        self._seam_step = step
        frame = moment.frame
        height, width = frame.shape[:2]
        across = max(round(width * SEAM_SPAN_DEG[0] / 720.0), 1)
        down = max(round(height * SEAM_SPAN_DEG[1] / 360.0), 1)
        rows = frame[max(height // 2 - down, 0) : height // 2 + down]
        self._seam = np.concatenate([rows[:, -across:], rows[:, :across]], axis=1)

    def _seam_close(self) -> bytes:
        assert self._seam is not None
        scale = SEAM_WIDTH_PX / self._seam.shape[1]
        size = (SEAM_WIDTH_PX, max(round(self._seam.shape[0] * scale), 1))
        how = cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA
        close = cv2.resize(self._seam, size, interpolation=how)
        middle = SEAM_WIDTH_PX // 2
        close[:TICK_PX, middle - 1 : middle + 1] = close[-TICK_PX:, middle - 1 : middle + 1] = TICK
        return _jpeg(close)

    def _pole(self, frame: np.ndarray, view: int) -> np.ndarray:
        height, width = frame.shape[:2]
        across, down = lookup((ANGLES[view],), POLE_PX, height=height, width=width)
        around = self._canvas.padded(frame, rows=2, columns=2)
        return cv2.remap(around, across, down, cv2.INTER_LINEAR)

    def _keep_sample(self, moment: Moment) -> None:
        if moment.index % self._sample_stride:
            return
        self._samples.append(moment.work)
        if len(self._samples) == 2 * MAX_FRAMES:
            self._samples = self._samples[::2]
            self._sample_stride *= 2

    def _heat(self, join: np.ndarray, largest: np.ndarray) -> bytes:
        """Where the join changes more than any other pair: the first frame in grey, tinted from
        1.15 times the largest other change (nothing) over 1.5 (yellow) to twice it (red)."""
        assert self._backdrop is not None
        ratio = (join + LEVEL_FLOOR) / (largest + LEVEL_FLOOR)
        strength = np.interp(ratio, HEAT_STOPS, (0.0, 0.6, 0.9))[..., None]
        warmth = np.interp(ratio, HEAT_STOPS, (0.0, 0.0, 1.0))[..., None]
        colour = (1 - warmth) * np.array([255.0, 200.0, 40.0]) + warmth * np.array([230, 30, 30])
        grey = cv2.cvtColor(self._backdrop, cv2.COLOR_RGB2GRAY)[..., None] * 0.7
        return _jpeg(np.rint(grey * (1 - strength) + colour * strength).astype(np.uint8))


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG")
    return stream.getvalue()


def _jpeg(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
