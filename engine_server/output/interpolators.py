"""Learned frame interpolation, where a package brings it; optical flow where none does.

A plug-in is an entry point of the group `panoloom.interpolation`: a function
`between(before, after, phase) -> frame` of two pictures [h, w, 3] float32, sRGB 0..1, and a phase
in (0, 1). It need know nothing of panoramas: what lies around a frame's edges, over the seam and
over the poles, is put around it before and cut away after. Nothing is downloaded. Its name is part
of what results are found again by, so that frames of one kind never pass for those of another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import metadata

import numpy as np

from ...shared.errors import GenerationFailed
from .surroundings import Surroundings

GROUP = "panoloom.interpolation"
FLOW = "flow"
"""What stands in for a plug-in: `interpolate.Motion`."""

Between = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def installed() -> metadata.EntryPoint | None:
    """The plug-in that is used: the first by name, or None."""
    return min(metadata.entry_points(group=GROUP), key=lambda entry: entry.name, default=None)


def name_installed() -> str:
    """Its name, or `FLOW`."""
    entry = installed()
    return FLOW if entry is None else entry.name


@lru_cache(maxsize=1)
def _loaded(entry: metadata.EntryPoint) -> Between:
    return entry.load()


class LearnedMotion:
    """As `interpolate.Motion`, by a plug-in.

    Args:
        entry: The plug-in.
        before, after: Pictures [H, W, 3] float32, 0..1.
        surface: What they lie on, see `JobSpec.surface`.
    """

    def __init__(
        self, entry: metadata.EntryPoint, before: np.ndarray, after: np.ndarray, *, surface: str
    ) -> None:
        self._entry = entry
        self._around = Surroundings.of(before.shape[0], before.shape[1], surface)
        self._before, self._after = (self._around.added(frame) for frame in (before, after))

    def at(self, phase: float) -> np.ndarray:
        """The frame at `phase` in (0, 1), [H, W, 3] float32, 0..1.

        Raises:
            GenerationFailed: The plug-in failed, or gave something else than such a frame.
        """
        try:
            frame = np.asarray(_loaded(self._entry)(self._before, self._after, phase), np.float32)
            if frame.shape != self._before.shape:
                raise ValueError(f"its frame is {frame.shape}, not {self._before.shape}")
            if not np.isfinite(frame).all():
                raise ValueError("its frame has numbers that are not finite")
        except Exception as why:  # somebody else's code
            raise GenerationFailed(
                f"The frame interpolator '{self._entry.name}' ({self._entry.value}) failed: "
                f"{type(why).__name__}: {why}. Uninstall its package to have frames made by "
                "optical flow; the finished latents are kept.",
                interpolator=self._entry.name,
            ) from why
        return np.clip(self._around.removed(frame), 0.0, 1.0)
