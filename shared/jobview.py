"""What a client knows about a job: its events folded into one view, each counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import PanoloomError, from_wire
from .jobs import ArtifactRef, JobState, Progress
from .messages import (
    Evaluator,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobQueued,
    JobResumed,
    JobStarted,
    Message,
)


@dataclass(slots=True, kw_only=True)
class JobView:
    """A job as seen from outside.

    `seq` is where to go on watching from after a broken connection: WatchJob(after_seq=view.seq).

    Attributes:
        state: queued until told otherwise.
        position: Jobs before it when it was queued.
        preview: Bytes of the newest preview; its size is in `preview_size` (width, height).
        preview_step: The step that preview shows; it changes with every new one.
        notice: Why the job was interrupted and goes on, or empty.
        error: What went wrong, once failed.
        evaluators: Who evaluated its views, once finished.
    """

    job_id: str
    seq: int = 0
    state: JobState = JobState.QUEUED
    position: int = 0
    attempt: int = 0
    progress: Progress | None = None
    preview: bytes = b""
    preview_size: tuple[int, int] = (0, 0)
    preview_step: int = -1
    notice: str = ""
    artifact: ArtifactRef | None = None
    error: PanoloomError | None = None
    evaluators: tuple[Evaluator, ...] = ()

    def apply(self, message: Message, parts: Sequence[bytes] = ()) -> bool:
        """Take in an event; False if it is not one of this job or was seen already."""
        seq = getattr(message, "seq", None)
        if getattr(message, "job_id", None) != self.job_id or seq is None or seq <= self.seq:
            return False
        if self.state.is_terminal or not self._take(message, parts):
            return False
        self.seq = seq
        return True

    def _take(self, message: Message, parts: Sequence[bytes]) -> bool:
        match message:
            case JobQueued():
                self.state, self.position = JobState.QUEUED, message.position
            case JobStarted():
                self.state, self.attempt = JobState.RUNNING, message.attempt
            case JobProgressed():
                self.progress = message.progress
            case JobPreviewed():
                self.preview = bytes(parts[0]) if parts else b""
                self.preview_size = (message.width, message.height)
                self.preview_step = message.step
            case JobResumed():
                self.state = JobState.QUEUED
                self.attempt, self.notice = message.attempt, message.reason
            case JobFinished():
                self.state, self.artifact = JobState.FINISHED, message.artifact
                self.evaluators = message.evaluators
            case JobFailed():
                self.state = JobState.FAILED
                self.error = from_wire(message.code, message.message, message.details)
            case JobCancelled():
                self.state = JobState.CANCELLED
            case _:
                return False
        return True
