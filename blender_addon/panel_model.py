"""What the panel shows and why a button is off: plain data from plain facts. No Blender.

Operators ask the same functions in `poll`, so that a button and its tooltip never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..shared.errors import PanoloomError
from ..shared.jobs import JobState
from ..shared.jobview import JobView
from ..shared.messages import StatusReported
from .engine_process import install_command
from .estimate import time_left
from .job import Job
from .remedies import Remedy, remedy_for
from .session import LinkState

PHASES = {
    "load": "Loading the model",
    "condition": "Reading the words",
    "denoise": "Making the loop",
    "write": "Writing files",
    "fetch": "Fetching the files",
}
GIB = 2**30
NO_PROGRAM = (
    "Loops are made by an engine, a program of its own. To install it, type in a terminal, in the "
    "folder of Panoloom's source:",
    "{command}",
    "It says what it will download, and asks first. The sample needs no engine.",
)


HELD = "The World waits for the end of {mode}, whose undo would not know it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the panel depends on, gathered once a draw.

    Attributes:
        is_starting: An engine was started here and does not answer yet.
        has_program: Whether the engine's program was found.
        elsewhere: Address of the engine on another computer that is used, empty for this one's.
        started_here: Whether this Blender started the engine that runs.
        job: The newest job of the scene, else the newest of all.
        jobs: All that are open, in the order they are made.
        problems: Errors to show, newest first.
        has_words, wants_reference, has_camera: Of the scene.
        wants_depth: Its depth is to be followed, and the model can.
        can_restore: There is a World of the user's to go back to.
        is_rendering: A render or bake runs, so data is left alone.
        held_by: A mode in which the World waits, such as "Sculpt Mode"; empty for none.
        is_trying: The scene shows a loop of the history on trial.
        num_loops, loops_bytes: Of the library.
        num_thumbnails: Pictures of loops that are ready to be drawn.
    """

    link: LinkState = LinkState.OFF
    status: StatusReported | None = None
    is_starting: bool = False
    has_program: bool = True
    elsewhere: str = ""
    started_here: bool = False
    job: Job | None = None
    jobs: Sequence[Job] = ()
    problems: Sequence[PanoloomError] = ()
    has_words: bool = True
    wants_reference: bool = False
    wants_depth: bool = False
    has_camera: bool = True
    can_restore: bool = False
    is_rendering: bool = False
    held_by: str = ""
    is_trying: bool = False
    num_loops: int = 0
    loops_bytes: int = 0
    num_thumbnails: int = 0


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """The bar: `text` in it, `detail` under it."""

    text: str
    detail: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One open job.

    Attributes:
        bar: Its progress, None while it only waits.
        words: What it waits for, empty while it is made.
    """

    job_id: str
    title: str
    bar: ProgressRow | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error and the button that mends it, if there is one."""

    text: str
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelModel:
    """What to draw; equal models look the same.

    Attributes:
        why_not: Why nothing can be asked for now; empty when it can.
        progress: Of the job that is made now.
        library: How many loops, bytes and pictures of them there are.
    """

    status: str
    status_icon: str
    status_detail: str
    is_connected: bool
    hint: tuple[str, ...]
    why_not: str
    progress: ProgressRow | None
    queue: tuple[QueueRow, ...]
    errors: tuple[ErrorRow, ...]
    notes: tuple[str, ...]
    library: tuple[int, int, int]


def panel_model(facts: Facts) -> PanelModel:
    """What to draw for these facts."""
    status, icon = _status(facts)
    queue = tuple(_queue(facts.jobs))
    can_start = not why_not_start(facts)
    return PanelModel(
        status=status,
        status_icon=icon,
        status_detail=_engine_detail(facts),
        is_connected=facts.link is LinkState.CONNECTED,
        hint=_hint(facts),
        why_not=why_not_generate(facts),
        progress=next((row.bar for row in queue if row.bar is not None), None),
        queue=queue,
        errors=tuple(
            ErrorRow(str(problem), remedy_for(problem, can_start=can_start))
            for problem in facts.problems
        ),
        notes=_notes(facts),
        library=(facts.num_loops, facts.loops_bytes, facts.num_thumbnails),
    )


# Why a button is off ----------------------------------------------------------------------------


def why_not_start(facts: Facts) -> str:
    """Why an engine cannot be started now; empty when it can."""
    if facts.link is LinkState.CONNECTED:
        return "The engine is running"
    if facts.is_starting:
        return "The engine is starting"
    if facts.elsewhere:
        return f"The engine in use is on another computer, {facts.elsewhere}: press Connect"
    if not facts.has_program:
        return "The engine's program was not found: choose it in the add-on's preferences"
    return ""


def why_not_connect(facts: Facts) -> str:
    """Why there is nothing to connect; empty when there is."""
    if facts.link is LinkState.CONNECTED:
        return "Connected already"
    return "The engine is starting" if facts.is_starting else ""


def why_not_disconnect(facts: Facts) -> str:
    """Why the engine cannot be let go; empty when it can."""
    if facts.link is LinkState.OFF:
        return "No engine is connected"
    if facts.link is LinkState.CONNECTED and any(job.is_sent for job in facts.jobs):
        return "The engine makes a loop: wait for it, or cancel it"
    return ""


def why_not_generate(facts: Facts) -> str:
    """Why no loop can be asked for now; empty when one can."""
    if facts.is_starting:
        return "The engine is starting"
    if facts.link is not LinkState.CONNECTED:
        if facts.elsewhere:
            return f"There is no engine: press Connect to reach the one at {facts.elsewhere}"
        if not facts.has_program:
            return "There is no engine yet: the lines on top say how to get one"
        return "There is no engine: press Start, or Connect to one that runs"
    if facts.is_rendering and (facts.wants_reference or facts.wants_depth):
        return "Blender is rendering: the scene can be looked at after that"
    if facts.wants_reference and not facts.has_camera:
        return "The scene has no active camera to look around from"
    if not facts.has_words and not facts.wants_reference:
        return "Write a prompt first"
    return ""


def why_not_jump(facts: Facts) -> str:
    """Why a loop cannot be put before or instead of others; empty when it can."""
    return why_not_generate(facts) or ("" if facts.jobs else "No other loop waits: Generate does")


def why_not_cancel(facts: Facts) -> str:
    """Why there is nothing to cancel; empty when there is."""
    if not facts.jobs:
        return "No loop is being made"
    return "It is being cancelled" if all(job.is_cancelling for job in facts.jobs) else ""


def why_not_apply(facts: Facts) -> str:
    """Why no loop can be put into the World; empty when one can."""
    if facts.is_rendering:
        return "Blender is rendering"
    if facts.job is None or facts.job.artifact is None:
        return "There is no finished loop yet"
    return ""


def why_not_restore(facts: Facts) -> str:
    """Why there is no World to go back to; empty when there is."""
    if facts.is_rendering:
        return "Blender is rendering"
    return "" if facts.can_restore else "The scene shows your own World"


def why_not_change(facts: Facts) -> str:
    """Why the World must be left alone now; empty when it may change."""
    return "Blender is rendering" if facts.is_rendering else ""


def why_not_back(facts: Facts) -> str:
    """Why there is no trial to end; empty when there is."""
    if facts.is_rendering:
        return "Blender is rendering"
    return "" if facts.is_trying else "No loop is being looked at"


# What the rows say ------------------------------------------------------------------------------


def _status(facts: Facts) -> tuple[str, str]:
    if facts.is_starting:
        return "The engine is starting …", "SORTTIME"
    if facts.link is LinkState.CONNECTED:
        busy = facts.status is not None and facts.status.worker.state == "busy"
        return ("Engine at work" if busy else "Engine ready"), "CHECKMARK"
    if facts.link is LinkState.CONNECTING:
        return "Connecting …", "SORTTIME"
    if facts.link is LinkState.LOST:
        return "No engine found; looking again …", "ERROR"
    return "No engine yet", "UNLINKED"


def _hint(facts: Facts) -> tuple[str, ...]:
    """What to do first, where there is no engine and none to start."""
    if (
        facts.has_program
        or facts.elsewhere
        or facts.is_starting
        or facts.link is LinkState.CONNECTED
    ):
        return ()
    return tuple(line.format(command=install_command()) for line in NO_PROGRAM)


def _engine_detail(facts: Facts) -> str:
    """Where it is, if not here; device and memory, once a worker has told them."""
    if facts.link is not LinkState.CONNECTED:
        return ""
    words = [facts.elsewhere] if facts.elsewhere else []
    worker = facts.status.worker if facts.status is not None else None
    if worker is not None and worker.device:
        words.append(worker.device)
        if worker.memory_free_bytes:
            words.append(f"{worker.memory_free_bytes / GIB:.1f} GiB free")
    return ", ".join(words)


def _queue(jobs: Sequence[Job]) -> list[QueueRow]:
    rows = []
    for before, job in enumerate(jobs):
        bar = _progress(job) if job.is_sent or job.is_cancelling else None
        words = "" if bar is not None else _waits_for(job, before)
        rows.append(QueueRow(job_id=job.job_id, title=job.title, bar=bar, words=words))
    for row in rows:
        if row.words == PREPARING:  # it has no steps to count, and is what happens now
            index = rows.index(row)
            bar = ProgressRow(PREPARING, "", 0.0)
            rows[index] = QueueRow(job_id=row.job_id, title=row.title, bar=bar)
            break
    return rows


PREPARING = "Rendering your scene all around"


def _waits_for(job: Job, before: int) -> str:
    if not job.is_prepared:
        return PREPARING
    return f"Waits, {before} before it" if before else "Goes to the engine next"


def _progress(job: Job) -> ProgressRow:
    view = job.view
    if job.is_cancelling:
        return ProgressRow("Cancelling …", "", _fraction(view))
    if view.state is JobState.QUEUED:
        before = f"{view.position} before it" if view.position else ""
        return ProgressRow("Waiting for the engine", before, 0.0)
    if view.progress is None:
        return ProgressRow("Loading the model", view.notice, 0.0)
    progress = view.progress
    text = PHASES.get(progress.phase, progress.phase.capitalize())
    if progress.num_steps:
        text = f"{text} {progress.step}/{progress.num_steps}"
    left = time_left(progress.time_left_s)
    words = [word for word in (left, progress.message, view.notice) if word]
    return ProgressRow(text, ". ".join(words), _fraction(view))


def _fraction(view: JobView) -> float:
    return min(max(view.progress.fraction, 0.0), 1.0) if view.progress else 0.0


def _notes(facts: Facts) -> tuple[str, ...]:
    job = facts.job
    if job is None:
        return ()
    notes = [text for text in (job.remark, job.left_why) if text]
    if facts.held_by and not job.is_done and (job.is_active or job.artifact is not None):
        notes.append(HELD.format(mode=facts.held_by))
    if job.is_active:
        return tuple(notes)
    if job.view.state is JobState.CANCELLED:
        notes.append("Cancelled.")
    if job.artifact is not None:
        if not job.left_why:
            notes.append(f"Finished: {job.artifact.num_frames} frames, round and round.")
        notes.extend(job.artifact.notes)
    return tuple(notes)
