"""A job's progress on standard error: a bar on a terminal, a line a phase elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import NoReturn, TextIO

from tqdm import tqdm

from ...shared.jobs import JobState
from ...shared.jobview import JobView

SCALE = 1000
FORMAT = "{desc:<10} {percentage:3.0f}% |{bar}| {postfix}"
PHASES = {
    "load": "loading",
    "condition": "reading",
    "denoise": "denoising",
    "write": "writing",
    "fetch": "fetching",
}


class ProgressBar:
    """Shows a `JobView` each time `show` is called; used in a `with` block."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._bar: tqdm[NoReturn] | None = None
        if self._stream.isatty():
            self._bar = tqdm(total=SCALE, file=self._stream, bar_format=FORMAT, leave=False)
        self._last_line = ""
        self._notice = ""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, view: JobView) -> None:
        """Bring the display up to date."""
        if view.notice != self._notice:
            self._notice = view.notice
            self.say(view.notice)
        if self._bar is None:
            self._line(describe(view))
            return
        progress = view.progress
        self._bar.set_description_str(describe(view), refresh=False)
        self._bar.set_postfix_str(remaining(view), refresh=False)
        self._bar.n = round(SCALE * progress.fraction) if progress else 0
        self._bar.refresh()

    def say(self, sentence: str) -> None:
        """A sentence of its own, above the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(sentence, file=self._stream, flush=True)

    def _line(self, text: str) -> None:
        if text != self._last_line:
            self._last_line = text
            print(text, file=self._stream, flush=True)


def describe(view: JobView) -> str:
    """One word for what the job does now."""
    if view.state is JobState.QUEUED:
        return f"waiting ({view.position} before it)" if view.position else "waiting"
    if view.progress is None:
        return "starting"
    return PHASES.get(view.progress.phase, view.progress.phase)


def remaining(view: JobView) -> str:
    """Steps of the phase and the time left, as far as they are known."""
    progress = view.progress
    if progress is None:
        return ""
    words = []
    if progress.num_steps > 1:
        words.append(f"step {progress.step}/{progress.num_steps}")
    if progress.time_left_s is not None:
        words.append(f"{clock(progress.time_left_s)} left")
    return ", ".join(words)


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds: 0:07, 12:30, 1:02:03."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def readable_time(seconds: float) -> str:
    """A length of time as people say it: 7 minutes, 3 hours."""
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes" if minutes != 1 else "1 minute"
    return f"{round(minutes / 60)} hours"
