"""One pass over a video: every figure is fed as frames go by, and nothing of them all is kept.

Held at a time: the first frame, the last and the one before, each with its working copy and views,
and small copies of all (98 kB each) for what needs the whole loop: cuts and reversal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...shared.errors import InvalidJob
from .album import Album
from .canvas import Canvas, make_canvas
from .comfort import FIGURES as COMFORT_FIGURES
from .comfort import Comfort
from .cuts import Cuts, reversal
from .document import Report
from .flashes import Flashes
from .look import Look
from .loop_join import LoopJoin
from .moments import Lens, Moment, Pair
from .plugins import run_plugins
from .poles import Poles
from .seam import Seam
from .temporal import DynamicDegree, Flickering, Mawe, Smoothness
from .velocity import Velocity
from .verdict import judge


class Evaluation:
    """Takes frames one by one and ends in a report.

    Args:
        fps: Frames a second.
        loop: Whether the last frame leads to the first.
        surface: "sphere", "ring" or "plane"; None: a sphere when frames are twice as wide as high,
            else a plane.
        prompt: What was asked for; plug-ins may want it.
        source: A name for the report.
        remarks: Sentences on what had to be assumed.
    """

    def __init__(
        self,
        *,
        fps: float,
        loop: bool = True,
        surface: str | None = None,
        prompt: str = "",
        source: str = "",
        remarks: tuple[str, ...] = (),
    ) -> None:
        if not (np.isfinite(fps) and fps > 0):
            raise InvalidJob(
                f"Frames a second have to be a number above 0, not {fps}.", field="fps"
            )
        self._fps, self._loop, self._surface = float(fps), loop, surface
        self._prompt, self._source, self._remarks = prompt, source, remarks
        self._meters: _Meters | None = None
        self._first: Moment | None = None
        self._last: Moment | None = None
        self._count = 0

    def add(self, frame: np.ndarray) -> None:
        """The next frame [H, W, 3], RGB, sRGB-encoded: uint8, or floats of 0..1.

        Raises:
            InvalidJob: Its shape is not that of a picture, or not that of the frames before.
        """
        frame = _eight_bit(frame)
        meters = self._meters
        if meters is None:
            canvas = make_canvas(frame.shape[1], frame.shape[0], self._surface)
            meters = self._meters = _Meters(canvas, self._fps, loop=self._loop)
        shape = (meters.canvas.height, meters.canvas.width, 3)
        if frame.shape != shape:
            raise InvalidJob(
                f"Frame {self._count} has the shape {frame.shape}, the first one {shape}.",
                field="path",
            )
        moment = meters.lens.moment(self._count, frame)
        meters.see(moment)
        if self._last is not None:
            meters.compare(meters.lens.pair(self._last, moment), is_join=False)
        self._first = self._first or moment
        self._last = moment
        self._count += 1

    def finish(self) -> Report:
        """All figures and the verdict.

        Raises:
            InvalidJob: There was no frame.
        """
        meters, first, last = self._meters, self._first, self._last
        if meters is None or first is None or last is None:
            raise InvalidJob("There is no frame to look at.", field="path")
        loop = self._loop and self._count > 1
        if loop:
            meters.close_loop(first, last, self._count)
        metrics = meters.result(loop=loop, num_frames=self._count)
        metrics["plugins"] = run_plugins(
            meters.album.samples(), fps=self._fps, loop=self._loop, prompt=self._prompt
        )
        canvas = meters.canvas
        video = {
            "source": self._source,
            "width": canvas.width,
            "height": canvas.height,
            "num_frames": self._count,
            "fps": self._fps,
            "loop": self._loop,
            "surface": canvas.surface,
            "measured_width": canvas.work_size[1],
            "remarks": list(self._remarks),
        }
        return Report(
            video=video,
            metrics=metrics,
            series=meters.series(self._fps),
            verdict=judge(metrics, video, canvas),
            pictures=meters.album.pictures(meters.join),
        )


class _Meters:
    """Every figure of one video."""

    def __init__(self, canvas: Canvas, fps: float, *, loop: bool) -> None:
        self.canvas = canvas
        self.lens = Lens(canvas)
        field = self.lens.field
        self.album = Album(canvas, loop=loop)
        self.look = Look(canvas)
        self.flicker = Flickering(canvas)
        self.dynamic = DynamicDegree(canvas, field, fps)
        self.smooth = Smoothness(canvas, field)
        self.mawe = Mawe(canvas, field)
        self.join = LoopJoin(canvas, fps)
        self.velocity = Velocity(canvas, fps)
        self.cuts = Cuts(fps)
        self.flashes = Flashes(canvas, fps)
        self.seam = Seam(canvas) if canvas.ring and canvas.width >= 6 else None
        self.poles = Poles(canvas, self.lens.cutter.size_px, fps) if canvas.is_sphere else None
        self.comfort = Comfort(canvas, fps) if canvas.is_sphere else None
        self._fps = fps

    def see(self, moment: Moment) -> None:
        """The next frame by itself."""
        self.look.add(moment.work, moment.grey)
        self.dynamic.add(moment)
        self.smooth.add(moment)
        self.cuts.add(moment.work)
        self.flashes.add(moment.work)
        if self.seam is not None:
            self.seam.add(moment.frame)
        if self.poles is not None:
            self.poles.add(moment)
        self.album.add(moment)

    def compare(self, pair: Pair, *, is_join: bool) -> None:
        """The next pair of neighbours."""
        self.flicker.add(pair)
        self.mawe.add(pair)
        self.join.add(pair, is_join=is_join)
        self.velocity.add(pair, is_join=is_join)
        if self.poles is not None:
            self.poles.add_pair(pair)
        if self.comfort is not None:
            self.comfort.add(pair)

    def close_loop(self, first: Moment, last: Moment, num_frames: int) -> None:
        """The pair from the last frame to the first, and what else leads over the join."""
        self.compare(self.lens.pair(last, first), is_join=True)
        self.dynamic.close_loop(num_frames)
        self.smooth.close_loop(first, num_frames)
        self.flashes.close_loop()

    def result(self, *, loop: bool, num_frames: int) -> dict[str, Any]:
        """All figures by group."""
        smooth = self.smooth.result()
        smooth["boiling"] = boiling(smooth["mean_error_levels"], self.flicker.levels)
        return {
            "look": self.look.result(),
            "flickering": self.flicker.result(),
            "dynamic_degree_dis": self.dynamic.result(),
            "smoothness_dis": smooth,
            "warp_dis": self.mawe.result(self._fps),
            "loop_join": self.join.result()
            | {"ping_pong": reversal(self.cuts.frames) if loop else None},
            "velocity_dis": self.velocity.result(),
            "seam": None if self.seam is None else self.seam.result(),
            "poles": None if self.poles is None else self.poles.result(),
            "comfort": dict.fromkeys(COMFORT_FIGURES)
            if self.comfort is None
            else self.comfort.result(),
            "flashes": self.flashes.result(num_frames),
            "cuts": self.cuts.result(loop=loop),
        }

    def series(self, fps: float) -> dict[str, Any]:
        """Figures frame by frame, for plots."""
        turns = [] if self.comfort is None else self.comfort.turns
        return {
            "difference_levels": self.join.whole,
            "velocity_jump": self.velocity.jumps,
            "luminance": self.flashes.luminance,
            "yaw_rate_deg_s": [float(turn[2]) * fps for turn in turns],
            "tilt_rate_deg_s": [float(np.hypot(turn[0], turn[1])) * fps for turn in turns],
            "column_steps": [] if self.seam is None else _thinned(self.seam.profile()),
        }


def boiling(error_levels: float | None, difference_levels: list[float]) -> float | None:
    """Error of foretelling a frame from its neighbours, over the mean change between neighbours.

    About 0.87 for pictures that have nothing to do with each other; near 0 for pure motion.
    """
    if error_levels is None or not difference_levels:
        return None
    change = float(np.mean(difference_levels))
    return None if change < 0.05 else error_levels / change


def _thinned(profile: np.ndarray, most: int = 512) -> list[float]:
    """A profile with the seam last, at most `most` points; each the largest of its neighbours."""
    stride = max(int(np.ceil(len(profile) / most)), 1)
    inside = [float(profile[at : at + stride].max()) for at in range(0, len(profile) - 1, stride)]
    return [*inside, float(profile[-1])]


def _eight_bit(frame: np.ndarray) -> np.ndarray:
    frame = np.asarray(frame)
    if frame.ndim != 3 or frame.shape[2] != 3 or min(frame.shape[:2]) < 2:
        raise InvalidJob(f"A frame has the shape {frame.shape}, not [H, W, 3].", field="path")
    if frame.dtype == np.uint8:
        return frame
    return np.rint(np.clip(frame, 0.0, 1.0) * 255.0).astype(np.uint8)
