"""The evaluation that runs at the end of every job, on the frames as they are written."""

from __future__ import annotations

import numpy as np

from ...shared.jobs import JobSpec
from ..output.inspector import Inspection
from ..quality.evaluation import Evaluation
from ..quality.verdict import FAULTY


class QualityInspector:
    """Measures a job's finished frames; see `quality/`.

    Args:
        spec: The resolved job.
    """

    def __init__(self, spec: JobSpec) -> None:
        self._evaluation = Evaluation(
            fps=spec.fps,
            loop=spec.loop,
            surface=spec.surface,
            prompt=spec.prompt,
            source=spec.title,
        )

    def add(self, frame: np.ndarray) -> None:
        """The next frame [H, W, 3] float32, 0..1."""
        self._evaluation.add(frame)

    def finish(self) -> Inspection:
        """quality.json, quality.html, the verdict, and a note when that is bad."""
        report = self._evaluation.finish()
        verdict = report.verdict
        notes = (verdict.headline,) if verdict.level == FAULTY else ()
        return Inspection(files=report.files(), summary=report.summary(), notes=notes)
