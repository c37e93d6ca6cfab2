"""From the model's frame rate to the asked one, by optical flow.

Blender shows one frame of a World a scene frame, so a loop must have its frames at the scene's
rate. Between two frames of the model, pictures are made by dense inverse search flow in both
directions, or by a learned interpolator where one is installed (`interpolators.py`). Longitude is a
ring, rows continue over the poles, and the last frame of a loop leads to the first. At most three
model frames are held at a time.

Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", as in OpenCV; the
warping and the occlusion weights are our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from ...shared.errors import GenerationFailed
from ..flow_search import FlowSearch, one_thread
from . import interpolators
from .interpolators import LearnedMotion
from .surroundings import Surroundings

FINEST_WIDTH = 320
"""Pixels across the ring at which flow is sought; finer is slower and no better."""
EVENED_PART = 64
"""Light is evened out over about this part of the ring before flow is sought."""
FLAT_CONTRAST = 0.02
"""Contrast, 0..1, under which a place counts as flat and is not pulled up to the others."""
FIXED_POINT_STEPS = 6
STILL_SPREAD = 0.04
"""Difference between two frames, 0..1, up to which a place may count as unmoved."""
STILL_TRUST = 0.05
"""Of a place that may be unmoved, against 1 for a trajectory that leads home."""
TRACE_SPREAD_PX = 1.0
"""A place that no trajectory passes within about this distance has lost its source."""
_NO_MAP = np.empty(0, np.float32)


def at_rate(
    frames: Iterator[np.ndarray], *, num_in: int, num_out: int, loop: bool, surface: str = "sphere"
) -> Iterator[np.ndarray]:
    """`num_out` frames over the same time as `num_in`.

    Frame k lies at model time k * num_in / num_out of a loop, and at k * (num_in - 1) /
    (num_out - 1) of a clip with ends, whose ends are kept. Frames that fall on a frame of the model
    are that frame, untouched.

    Args:
        frames: `num_in` ERPs [H, W, 3] float32, 0..1.
        surface: What they lie on, see `JobSpec.surface`.

    Raises:
        GenerationFailed: `frames` yields another number of frames.
    """
    source = _counted(frames, num_in)
    if num_in == num_out:
        yield from source
        return
    first = current = next(source)
    ahead: np.ndarray | None = None
    motion: Motion | LearnedMotion | None = None
    plugin = interpolators.installed()
    at = 0
    for index, phase in moments(num_in, num_out, loop=loop):
        while at < index:
            current = next(source) if ahead is None else ahead
            ahead = motion = None
            at += 1
        if phase == 0:
            yield current
            continue
        if ahead is None:
            ahead = first if at == num_in - 1 else next(source)
        if motion is None:
            motion = (
                Motion(current, ahead, surface=surface)
                if plugin is None
                else LearnedMotion(plugin, current, ahead, surface=surface)
            )
        yield motion.at(float(phase))
    for _ in source:  # frames after the last moment asked for; one too many is an error
        pass


def moments(num_in: int, num_out: int, *, loop: bool) -> list[tuple[int, Fraction]]:
    """For every output frame, the model frame before it and the phase in [0, 1) after that."""
    step = Fraction(num_in, num_out) if loop else Fraction(num_in - 1, max(num_out - 1, 1))
    return [(int(k * step), k * step - int(k * step)) for k in range(num_out)]


class Motion:
    """The motion between two neighbouring frames, from which any moment between can be made.

    Args:
        before, after: ERPs [H, W, 3] float32, 0..1.
        surface: What they lie on, see `JobSpec.surface`.
    """

    def __init__(self, before: np.ndarray, after: np.ndarray, *, surface: str = "sphere") -> None:
        self._around = Surroundings.of(before.shape[0], before.shape[1], surface)
        self._is_still = np.array_equal(before, after)
        self._before, self._after = self._around.added(before), self._around.added(after)
        if self._is_still:
            return
        self._forth, self._back = _flows(self._before, self._after)

    def at(self, phase: float) -> np.ndarray:
        """The frame at `phase` in (0, 1), [H, W, 3] float32, 0..1."""
        if self._is_still:
            return self._around.removed(self._before)
        with one_thread():
            old, old_weight = _trace(self._before, self._after, self._forth, self._back, phase)
            new, new_weight = _trace(self._after, self._before, self._back, self._forth, 1 - phase)
        still, still_weight = self._stay(phase)
        total = old_weight + new_weight + still_weight
        blended = (
            old * (old_weight / total)[..., None]
            + new * (new_weight / total)[..., None]
            + still * (still_weight / total)[..., None]
        )
        return np.clip(self._around.removed(blended), 0.0, 1.0)

    def _stay(self, phase: float) -> tuple[np.ndarray, np.ndarray]:
        """The picture if nothing moved, trusted a little where both frames agree.

        It fills the ground that a moving thing uncovers and covers, where no flow can be right.
        """
        change = self._after - self._before
        differs = np.abs(change).max(axis=-1)
        trust = STILL_TRUST * np.exp(-np.square(differs / STILL_SPREAD))
        return self._before + phase * change, trust


def _flows(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow before -> after and after -> before, [H, W, 2] float32 in pixels (x, y)."""
    old, new = (_evened(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in (before, after))
    search = FlowSearch(finest_scale=max(round(math.log2(old.shape[1] / FINEST_WIDTH)), 0))
    return search.between(old, new), search.between(new, old)


def _evened(grey: np.ndarray) -> np.ndarray:
    """A picture [H, W] as uint8 with its light evened out: local mean 0, local contrast 1.

    A light that flares up or a cloud that darkens the sea is then no motion; measured on a still
    texture that brightens by two thirds: 50 dB instead of 37.
    """
    spread = grey.shape[1] / EVENED_PART
    away = grey - cv2.GaussianBlur(grey, (0, 0), spread)
    contrast = np.sqrt(cv2.GaussianBlur(away * away, (0, 0), spread))
    return np.clip(np.rint(128 + 40 * away / (contrast + FLAT_CONTRAST)), 0, 255).astype(np.uint8)


def _trace(
    near: np.ndarray, far: np.ndarray, flow: np.ndarray, reverse: np.ndarray, phase: float
) -> tuple[np.ndarray, np.ndarray]:
    """The picture at `phase` of the way from `near` to `far`, told by the trajectories of `near`.

    Returns:
        Picture [H, W, 3], and how far to trust it [H, W] > 0: little where no trajectory arrives
        (uncovered ground) and where the way back does not lead home (covered ground, wrong flow).
    """
    grid = _grid(flow.shape[0], flow.shape[1])
    start = grid - phase * flow
    for _ in range(FIXED_POINT_STEPS):
        moved = _sample(flow, start, cv2.INTER_LINEAR)
        start = 0.5 * start + 0.5 * (grid - phase * moved)
    moved = _sample(flow, start, cv2.INTER_LINEAR)
    miss_px = _length(start + phase * moved - grid)
    end = start + moved
    home_px = _length(moved + _sample(reverse, end, cv2.INTER_LINEAR))
    is_seen = np.exp(-np.square(home_px / (0.5 + 0.1 * _length(moved))))
    is_seen = cv2.GaussianBlur(is_seen, (5, 5), 0)
    here, there = (1 - phase), phase * is_seen
    picture = _sample(near, start, cv2.INTER_CUBIC)
    opposite = _sample(far, end, cv2.INTER_CUBIC)
    picture += (opposite - picture) * (there / (here + there))[..., None]
    arrives = np.exp(-np.square(miss_px / TRACE_SPREAD_PX))
    return picture, here * arrives * (is_seen + 0.02) + 1e-6


def _grid(height: int, width: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def _sample(image: np.ndarray, places: np.ndarray, how: int) -> np.ndarray:
    return cv2.remap(image, places, _NO_MAP, how, borderMode=cv2.BORDER_REPLICATE)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(vectors[..., 0]) + np.square(vectors[..., 1]))


def _counted(frames: Iterator[np.ndarray], num_frames: int) -> Iterator[np.ndarray]:
    seen = 0
    for frame in frames:
        seen += 1
        if seen > num_frames:
            break
        yield frame
    if seen != num_frames:
        count = f"more than {num_frames}" if seen > num_frames else str(seen)
        raise GenerationFailed(
            f"The model made {count} frames where {num_frames} were promised.",
            promised=num_frames,
        )
