"""The two ways to a report: of frames in memory, and of files.

report = evaluate_video("library/a-calm-sea-1234abcd")
report.verdict.headline, report.figures(), report.to_json(), report.to_html()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .document import Report
from .evaluation import Evaluation
from .sources import open_source

__all__ = ["Report", "evaluate_frames", "evaluate_video"]

Frames = Iterable[np.ndarray] | Callable[[], Iterable[np.ndarray]]


def evaluate_frames(
    frames: Frames,
    *,
    fps: float,
    loop: bool = True,
    surface: str | None = None,
    prompt: str = "",
    source: str = "",
    remarks: tuple[str, ...] = (),
) -> Report:
    """Measure frames [H, W, 3] (uint8 RGB, or floats of 0..1) in one pass.

    Args:
        frames: Any iterable of them, or a callable that returns one.
        fps: Frames a second.
        loop: Whether the last frame leads to the first.
        surface: "sphere", "ring" or "plane"; None: a sphere when frames are twice as wide as high,
            else a plane.
        prompt, source, remarks: See `Evaluation`.

    Raises:
        InvalidJob: No frame, or frames of different shapes.
    """
    evaluation = Evaluation(
        fps=fps, loop=loop, surface=surface, prompt=prompt, source=source, remarks=remarks
    )
    for frame in frames() if callable(frames) else frames:
        evaluation.add(frame)
    return evaluation.finish()


def evaluate_video(
    path: Path | str,
    *,
    fps: float | None = None,
    loop: bool | None = None,
    surface: str | None = None,
) -> Report:
    """Measure a result's folder, a film, or a folder of EXR or PNG frames.

    Args:
        path: Where it lies.
        fps, loop, surface: Win over what the files say.

    Raises:
        InvalidJob: Nothing there that can be measured.
    """
    source = open_source(Path(path), fps=fps, loop=loop)
    return evaluate_frames(
        source,
        fps=source.fps,
        loop=source.loop,
        surface=surface or source.surface,
        prompt=source.prompt,
        source=source.path.name,
        remarks=source.remarks,
    )
