"""Hard cuts, by PySceneDetect's AdaptiveDetector with its own defaults (SCuts of StreamingT2V).

Frames are brought down to 256 pixels across, as PySceneDetect does. A loop is looked at twice:
from its first frame, and rolled by half, so that its join lies in the middle. The detector reports
no cut within the first 15 frames of a scene, so a loop of fewer than 32 frames is also played three
times in a row, and the cuts that fall on its joins are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

WIDTH_PX = 256
SHORT = 32
ROUNDS = 3
MAX_MIRRORED = 240
MIN_MIRRORED = 6
STILL_LEVELS = 0.5


class Cuts:
    """Gathers small copies of all frames: 98 kB each for a panorama."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self.frames: list[np.ndarray] = []

    def add(self, work: np.ndarray) -> None:
        """The next working copy [h, w, 3] uint8, RGB."""
        height, width = work.shape[:2]
        if width > WIDTH_PX:
            size = (WIDTH_PX, max(round(height * WIDTH_PX / width), 1))
            work = cv2.resize(work, size, interpolation=cv2.INTER_AREA)
        self.frames.append(np.ascontiguousarray(work[..., ::-1]))

    def result(self, *, loop: bool) -> dict[str, Any]:
        """Numbers of cuts and the frames they begin at."""
        count = len(self.frames)
        straight = find_cuts(self.frames, self._fps)
        found: dict[str, Any] = {
            "cuts": len(straight),
            "at_frames": straight,
            "cuts_rolled": None,
            "rolled_at_frames": [],
            "cuts_at_join": None,
        }
        if not loop or count < 2:
            return found
        half = count // 2
        rolled = find_cuts([*self.frames[half:], *self.frames[:half]], self._fps)
        at_frames = [(index + half) % count for index in rolled]
        at_join = at_frames.count(0)
        if count < SHORT:
            played = find_cuts(self.frames * ROUNDS, self._fps)
            at_join = max(at_join, sum(index % count == 0 for index in played))
        return found | {
            "cuts_rolled": len(rolled),
            "rolled_at_frames": at_frames,
            "cuts_at_join": min(at_join, 1),
        }


def find_cuts(frames: Iterable[np.ndarray], fps: float) -> list[int]:
    """Indices of the frames that begin a new scene; `frames` are BGR [h, w, 3] uint8."""
    detector = AdaptiveDetector()
    cuts = []
    for index, frame in enumerate(frames):
        for found in detector.process_frame(FrameTimecode(index, fps=fps), frame):
            cuts.append(found.frame_num)
    return cuts


def reversal(frames: Sequence[np.ndarray]) -> float | None:
    """How near a loop comes to its own reversal: 0 is a ping-pong, 1 is motion one way.

    min over all mirror points s of mean_t d(t, s - t), over the mean of d between all frames, d the
    mean difference of the frames' greys at 32 pixels across; times run around the loop. None for a
    video that hardly changes, or one too short to tell.
    """
    stride = max(len(frames) // MAX_MIRRORED, 1)
    small = [_tiny(frame) for frame in frames[: len(frames) // stride * stride : stride]]
    count = len(small)
    if count < MIN_MIRRORED:
        return None
    table = np.stack(small).reshape(count, -1)
    apart = np.stack([np.abs(table - each).mean(axis=1) for each in table])
    usual = float(apart.sum() / (count * (count - 1)))
    if usual < STILL_LEVELS:
        return None
    times = np.arange(count)
    mirrored = [float(apart[times, (s - times) % count].mean()) for s in range(count)]
    return min(mirrored) / usual


def _tiny(frame: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    size = (min(32, width), max(round(min(32, width) * height / width), 1))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
