"""`panoloom jobs | cancel | free | status | fetch`: questions to the engine that is running."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobcheck import is_sha256
from ...shared.jobs import JobState
from ...shared.messages import JobSummary, StatusReported
from ...shared.plain import to_plain
from ..client import Engine
from .access import add_engine_words, add_library_word, engine_there
from .exits import DONE
from .progress_bar import clock

MEMORY_LEVELS = ("cache", "weights", "exit")
GIB = 2**30


def add_to(commands: Any) -> None:
    """Add the commands to the program."""
    jobs = _add(commands, "jobs", list_jobs, "list the jobs, newest first", has_json=True)
    jobs.add_argument("--limit", type=int, default=20, metavar="N", help="how many (%(default)s)")
    cancel = _add(commands, "cancel", cancel_job, "stop a job")
    cancel.add_argument("job", metavar="ID", help="its id, or the beginning of it")
    free = _add(commands, "free", free_memory, "have the engine give memory back")
    free.add_argument("--level", choices=MEMORY_LEVELS, default="weights", help="(%(default)s)")
    _add(commands, "status", show_status, "how the engine is", has_json=True)
    fetch = _add(commands, "fetch", fetch_blob, "get a stored file by its SHA-256")
    fetch.add_argument("sha256", metavar="SHA")
    fetch.add_argument("--to", type=Path, metavar="FILE", help="default: standard output")


def _add(
    commands: Any, name: str, run: Any, text: str, *, has_json: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    add_library_word(parser)
    add_engine_words(parser)
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)
    return parser


def list_jobs(options: argparse.Namespace) -> int:
    """A line a job."""
    with engine_there(options) as engine:
        jobs = engine.list(limit=options.limit)
    if options.json:
        print(json.dumps({"jobs": [to_plain(job) for job in jobs]}))
        return DONE
    for job in jobs:
        print(job_line(job))
    if not jobs:
        print("No jobs yet.", file=sys.stderr)
    return DONE


def job_line(job: JobSummary) -> str:
    """Id, state, size, prompt (and kind) of a job, and where its files are or what went wrong."""
    state = f"{job.state.value} {job.fraction:.0%}" if job.state is JobState.RUNNING else job.state
    size = f"{job.width}x{job.height}x{job.num_frames}"
    end = job.artifact.folder if job.artifact else job.error
    what = job.prompt[:48] if job.kind == "generate" else f"{job.kind}: {job.prompt[:40]}"
    return f"{job.job_id[:8]}  {state:<12}  {size:<14}  {what}  {end}".rstrip()


def cancel_job(options: argparse.Namespace) -> int:
    """Stop one job; one that has ended already stays as it is."""
    with engine_there(options) as engine:
        job_id = find_job(engine, options.job)
        state = engine.cancel(job_id)
    ended = f"Job {job_id[:8]} had ended already ({state.value})."
    print(ended if state.is_terminal else f"Job {job_id[:8]} is being cancelled.")
    return DONE


def find_job(engine: Engine, beginning: str) -> str:
    """The one job whose id begins so.

    Raises:
        InvalidJob: There is none, or more than one.
    """
    wanted = beginning.strip().lower()
    found = [job.job_id for job in engine.list(limit=200) if job.job_id.startswith(wanted)]
    if len(found) == 1 and wanted:
        return found[0]
    if not found or not wanted:
        raise InvalidJob(f"No job begins with '{beginning}'; see `panoloom jobs`.", field="job_id")
    raise InvalidJob(
        f"{len(found)} jobs begin with '{beginning}'; give more of the id.",
        field="job_id",
        known=found,
    )


def free_memory(options: argparse.Namespace) -> int:
    """Cache, weights, or the whole worker process."""
    with engine_there(options) as engine:
        freed = engine.free(options.level)
    left = f"; {freed.memory_free_bytes / GIB:.1f} GiB are free now" * bool(freed.memory_free_bytes)
    print(f"Freed ({freed.level}){left}.")
    return DONE


def show_status(options: argparse.Namespace) -> int:
    """The engine, its worker and its queue."""
    with engine_there(options) as engine:
        status = engine.status()
    if options.json:
        print(json.dumps(to_plain(status)))
    else:
        print("\n".join(status_lines(status)))
    return DONE


def status_lines(status: StatusReported) -> list[str]:
    """The status in words."""
    worker = status.worker
    device = f" on {worker.device} ({worker.precision})" if worker.device else ""
    return [
        f"engine   {status.engine_version}, up {clock(status.uptime_s)}",
        f"library  {status.library}, {status.free_disk_bytes / GIB:.1f} GiB free",
        f"worker   {worker.state}{device}",
        f"running  {status.running_job_id[:8] or 'nothing'}",
        f"queued   {status.queued}",
    ]


def fetch_blob(options: argparse.Namespace) -> int:
    """A stored file, checked against its name.

    Raises:
        InvalidJob: The SHA-256 is none, or the bytes cannot go where they were to go.
    """
    if not is_sha256(options.sha256):
        raise InvalidJob("A file is named by 64 lower-case hex digits.", field="sha256")
    if options.to is None and sys.stdout.isatty():
        raise InvalidJob("That would fill the terminal with bytes; use --to FILE.", field="to")
    with engine_there(options) as engine:
        data = engine.fetch_blob(options.sha256)
    if options.to is None:
        sys.stdout.buffer.write(data)
        return DONE
    try:
        options.to.write_bytes(data)
    except OSError as why:
        raise InvalidJob(
            f"{options.to} cannot be written: {why.strerror or why}. Name another file with --to.",
            field="to",
        ) from why
    return DONE
