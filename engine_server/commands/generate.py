"""`panoloom generate`: from words to a folder of files, on the engine or on one of its own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ...shared.errors import (
    EngineUnreachable,
    InvalidJob,
    PanoloomError,
    TransportError,
    UserError,
)
from ...shared.fetching import Fetch
from ...shared.jobs import ArtifactRef, JobState
from ...shared.jobview import JobView
from ...shared.plain import to_plain
from ...shared.remote import RemoteEngine
from ...shared.wire import new_id
from ..client import Engine
from ..config import Executors
from ..models import catalog
from ..output import manifest
from .access import (
    add_engine_words,
    add_executor_words,
    add_library_word,
    asked_executors,
    engine_or_own,
    library_of,
    remote_of,
)
from .dry_run import foretell
from .exits import CANNOT, DONE, INTERRUPTED, JOB_FAILED, WRONG_WORDS
from .phase_clock import PhaseClock
from .progress_bar import ProgressBar, readable_time
from .request import Request, add_job_words, request_from

LENGTH = (
    "Length: --frames alone runs at the model's own rate; --seconds alone at 24 frames a second; "
    "neither is 5 seconds."
)

LONG_S = 300.0
"""A job that takes longer is told of before it begins."""


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "generate", help="make a looping panorama from a prompt", epilog=LENGTH
    )
    add_job_words(parser)
    add_library_word(parser, "--out", "--library")
    add_engine_words(parser)
    add_executor_words(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    dry = "only say what it needs of memory, disk and time, and how it would be done here"
    parser.add_argument("--dry-run", action="store_true", help=dry)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, submit, watch, report."""
    if options.dry_run:
        return foretell(options)
    remote = remote_of(options)
    executors = asked_executors(options)
    request = request_from(options, is_elsewhere=remote is not None)
    library = library_of(options)
    return make(request, library, as_json=options.json, remote=remote, executors=executors)


def make(
    request: Request,
    library: Path,
    *,
    as_json: bool,
    remote: RemoteEngine | None = None,
    executors: Executors | None = None,
) -> int:
    """Have the request carried out, with a bar, and say how it ended; returns the exit status."""
    view, clock = JobView(job_id=new_id()), PhaseClock()
    with ProgressBar() as bar:
        if request.estimate_s >= LONG_S:
            machine = catalog.find(request.spec.model).pace.machine
            bar.say(f"This takes about {readable_time(request.estimate_s)} on {machine}.")
        try:
            carry_out(library, request, view, bar, clock, remote, executors)
        except EngineUnreachable:
            if view.seq == 0 or remote is not None:
                raise
            bar.say("The engine has gone; going on with another.")
            carry_out(library, request, view, bar, clock, executors=executors)
    return report(view, as_json=as_json, cost_s=clock.seconds())


def carry_out(
    library: Path,
    request: Request,
    view: JobView,
    bar: ProgressBar,
    clock: PhaseClock | None = None,
    remote: RemoteEngine | None = None,
    executors: Executors | None = None,
) -> None:
    """Have an engine do the job, watch it to its end, and fetch its files from another machine.

    The id of the job is ours, so a second call after a lost engine goes on with the same job.
    """
    with engine_or_own(library, remote, executors) as engine:
        try:
            for blob in request.blobs:
                engine.store_blob(blob)
            engine.submit(request.spec, view.job_id)
            follow(engine, view, bar, clock)
        except KeyboardInterrupt:
            call_off(engine, view, bar)
        if remote is not None and view.artifact is not None:
            fetch = Fetch(view.job_id, view.artifact, library)
            view.artifact = engine.fetch(fetch, lambda fetch: _show_fetch(bar, view, fetch))


def _show_fetch(bar: ProgressBar, view: JobView, fetch: Fetch) -> None:
    """The same bar, for the files that come from another machine."""
    elapsed_s = view.progress.elapsed_s if view.progress else 0.0
    view.progress = fetch.progress(elapsed_s)
    bar.show(view)


def follow(
    engine: Engine, view: JobView, bar: ProgressBar, clock: PhaseClock | None = None
) -> None:
    """Keep `view`, the display and the clock up to date until the job has ended."""
    for envelope in engine.watch(view.job_id, view.seq):
        view.apply(envelope.message, envelope.parts)
        bar.show(view)
        if clock is not None and view.progress is not None:
            clock.enter(view.progress.phase)


def call_off(engine: Engine, view: JobView, bar: ProgressBar) -> None:
    """Cancel the job and wait until it has let go; a second Ctrl-C does not wait."""
    bar.say("Cancelling; Ctrl-C again leaves at once.")
    try:
        engine.cancel(view.job_id)
        follow(engine, view, bar)
    except (KeyboardInterrupt, TransportError):
        view.state = JobState.CANCELLED


def report(view: JobView, *, as_json: bool, cost_s: dict[str, float] | None = None) -> int:
    """Say how it ended, and what each phase cost; returns the exit status."""
    if as_json:
        cost = {} if cost_s is None else {"cost_s": cost_s}
        print(json.dumps(document(view) | cost))
    elif view.artifact is not None:
        for path in files_of(view.artifact).values():
            print(path)
    lost = [f"{one.place} {one.device}: {one.note}." for one in view.evaluators if one.note]
    for note in (*(view.artifact.notes if view.artifact else ()), *lost):
        print(f"Note: {note}", file=sys.stderr)
    if view.state is JobState.FINISHED:
        return DONE
    if view.state is JobState.CANCELLED:
        print("Cancelled.", file=sys.stderr)
        return INTERRUPTED
    print(f"panoloom: {view.error or 'the job failed'}", file=sys.stderr)
    return status_of(view.error)


def status_of(error: PanoloomError | None) -> int:
    """Exit status of a job that ended in `error`.

    2 where other words are needed, 3 where another machine could have done it.
    """
    if isinstance(error, InvalidJob):
        return WRONG_WORDS
    return CANNOT if isinstance(error, UserError) else JOB_FAILED


def document(view: JobView) -> dict[str, Any]:
    """How a job ended, as plain data."""
    plain: dict[str, Any] = {"job_id": view.job_id, "state": view.state.value}
    if view.artifact is not None:
        artifact = view.artifact
        plain |= {
            "folder": artifact.folder,
            "files": files_of(artifact),
            "width": artifact.width,
            "height": artifact.height,
            "num_frames": artifact.num_frames,
            "fps": artifact.fps,
            "loop": artifact.loop,
            "manifest_sha256": artifact.manifest_sha256,
            "memory": memory_of(artifact),
            "notes": list(artifact.notes),
            "evaluators": to_plain(view.evaluators),
        }
    if view.error is not None:
        code, message, details = view.error.to_wire()
        plain["error"] = {"code": code, "message": message, "details": details}
    return plain


def memory_of(artifact: ArtifactRef) -> dict[str, Any]:
    """The level of the memory ladder at which a large model made it; empty for others."""
    try:
        return manifest.load_manifest(Path(artifact.folder)).get("memory", {})
    except InvalidJob:  # of an engine elsewhere whose files are not here, or of another version
        return {}


def files_of(artifact: ArtifactRef) -> dict[str, str]:
    """The things a person looks for in the folder, by name, those that are there."""
    folder = Path(artifact.folder)
    names = {
        "folder": "",
        "video": "loop.mp4",
        "frames": "frames",
        "poster": "poster.png",
        "contact_sheet": "contact-sheet.png",
        "before_after": "before-after.png",
        "manifest": "manifest.json",
        "quality": "quality.json",
        "report": "quality.html",
    }
    return {what: str(folder / name) for what, name in names.items() if (folder / name).exists()}
