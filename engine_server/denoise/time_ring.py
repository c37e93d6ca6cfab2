"""Windows in time: which latent frames each forward pass sees, and which of them it owns.

A loop is a ring of frames and its windows move along it every step. In the overlap of two windows
the owner changes at a random cut: every frame has exactly one owner, because averaging whole
overlaps stills the motion. Plain integers; nothing here touches a tensor.

Source: randomized blending of StreamingT2V (Henschel et al. 2024), with the cut drawn anew every
step; moving windows are DynamicScaler's offset shifting in time (Liu et al. 2024, section 3.4;
DynamicScaler fig. 6 shows frames of a long video made so).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ...shared.errors import InvalidJob

MIN_OVERLAP = 2
Cut = Callable[[int, int, int], int]
"""(overlap index, low, high) -> a whole number in low..high, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """One window in time.

    Attributes:
        frames: Latent frames it sees, in order; wrapped at the loop join.
        own_start, own_stop: The part it owns, positions within `frames`.
    """

    frames: tuple[int, ...]
    own_start: int
    own_stop: int

    @property
    def owned(self) -> tuple[int, ...]:
        """The frames it owns."""
        return self.frames[self.own_start : self.own_stop]


def num_windows(num_frames: int, window_frames: int, *, loop: bool) -> int:
    """Windows a step needs: on a ring always at least two, so that no window owns its own ends."""
    stride = max(1, window_frames - min(MIN_OVERLAP, window_frames // 2))
    if loop:
        return max(2, math.ceil(num_frames / stride)) if window_frames > 1 else num_frames
    return 1 + math.ceil(max(0, num_frames - window_frames) / stride)


def plan_time_windows(
    num_frames: int,
    window_frames: int,
    *,
    loop: bool,
    step: int,
    cut: Cut,
    periodic: bool = False,
) -> tuple[TimeWindow, ...]:
    """The windows of one step.

    Args:
        num_frames: F, latent frames of the panorama.
        window_frames: Latent frames of one window.
        loop: Whether time is a ring; if not, the first and last window dock at the ends.
        step: Denoising step: moves the windows.
        cut: Chooses where the owner changes in each overlap.
        periodic: Whether the model takes a window that is the whole loop for a ring: it then is
            one window, begun anywhere, that owns all.

    Returns:
        Windows in order of time; each frame is owned by exactly one.

    Raises:
        InvalidJob: Fewer frames than a window holds.
    """
    if num_frames < window_frames:
        raise InvalidJob(
            f"The model needs at least {window_frames} latent frames, the job has {num_frames}.",
            field="num_frames",
            nearest=window_frames,
        )
    if loop and periodic and num_frames == window_frames:
        first = step * _golden_stride(num_frames, num_frames) % num_frames
        frames = tuple((first + i) % num_frames for i in range(num_frames))
        return (TimeWindow(frames=frames, own_start=0, own_stop=num_frames),)
    if loop:
        starts = _ring_starts(num_frames, window_frames, step)
        return _on_ring(starts, num_frames, window_frames, cut)
    return _docked(_docked_starts(num_frames, window_frames, step), num_frames, window_frames, cut)


def _golden_stride(spacing: int, length: int) -> int:
    """A move near 0.382 of the spacing, coprime with the ring, so that every phase is visited."""
    candidates = [n for n in range(1, length + 1) if math.gcd(n, length) == 1]
    return min(candidates, key=lambda n: (abs(n - 0.381966 * spacing), n))


def _ring_starts(num_frames: int, window_frames: int, step: int) -> list[int]:
    count = num_windows(num_frames, window_frames, loop=True)
    offset = step * _golden_stride(max(1, num_frames // count), num_frames)
    return [(offset + k * num_frames // count) % num_frames for k in range(count)]


def _docked_starts(num_frames: int, window_frames: int, step: int) -> list[int]:
    last = num_frames - window_frames
    if last == 0:
        return [0]
    count = num_windows(num_frames, window_frames, loop=False)
    stride = math.ceil(last / (count - 1))
    move = step * _golden_stride(stride, stride) % stride
    inner = [move + k * stride for k in range(count)]
    return sorted({0, last, *(start for start in inner if start < last)})


def _cut_at(gap: int, size: int, index: int, cut: Cut) -> int:
    """Where, counted in the earlier window, the next one takes over; `gap` separates their starts.

    Neither window owns frames beyond the middle of the other, nor, if the overlap allows, its last.
    """
    edge = 1 if size - gap >= 2 else 0
    low, high = max(gap + edge, -(-size // 2)), min(size - edge, gap + size // 2)
    return cut(index, low, high) if low <= high else min(size, max(gap, low))


def _on_ring(starts: list[int], num_frames: int, size: int, cut: Cut) -> tuple[TimeWindow, ...]:
    count = len(starts)
    gaps = [(starts[(k + 1) % count] - starts[k]) % num_frames or num_frames for k in range(count)]
    stops = [_cut_at(gaps[k], size, k, cut) for k in range(count)]
    return tuple(
        TimeWindow(
            frames=tuple((starts[k] + i) % num_frames for i in range(size)),
            own_start=stops[k - 1] - gaps[k - 1],
            own_stop=stops[k],
        )
        for k in range(count)
    )


def _docked(starts: list[int], num_frames: int, size: int, cut: Cut) -> tuple[TimeWindow, ...]:
    assert starts[-1] + size == num_frames
    gaps = [after - before for before, after in pairwise(starts)]
    stops = [_cut_at(gap, size, k, cut) for k, gap in enumerate(gaps)]
    own_starts = [0, *(stop - gap for stop, gap in zip(stops, gaps, strict=True))]
    windows = [
        TimeWindow(frames=tuple(range(start, start + size)), own_start=own, own_stop=stop)
        for start, own, stop in zip(starts, own_starts, [*stops, size], strict=True)
    ]
    return tuple(window for window in windows if window.own_start < window.own_stop)
