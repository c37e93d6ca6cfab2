"""The jobs of this Blender in the order they are made. No Blender.

At most one is with the engine at a time; the others wait here, where taking one back or moving it
costs nothing. What is open is also kept in a file of the library, so that the next run of Blender
picks up what this one leaves behind.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from ..shared.connection import is_process_alive, write_private
from ..shared.errors import PanoloomError
from .job import Job, from_record, to_record

MAX_ENDED = 8
MAX_RECORD_BYTES = 4 * 2**20
PREFIX, SUFFIX = "blender-", ".queue.json"
PICTURES = ".pictures"


class Place(Enum):
    """Where a new job goes."""

    LAST = "last"  # behind all that waits
    NEXT = "next"  # before all that waits
    REPLACE = "replace"  # instead of all that is open


class JobQueue:
    """Open jobs in their order, and the last few that ended."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def __iter__(self) -> Iterator[Job]:
        return iter(tuple(self.jobs))

    def find(self, job_id: str) -> Job | None:
        """The job of this id, None when it is not known."""
        return next((job for job in self.jobs if job.job_id == job_id), None)

    @property
    def open(self) -> list[Job]:
        """All of which more is to come, in the order they are made."""
        active = [job for job in self.jobs if job.is_active]
        return [*(job for job in active if job.is_sent), *(job for job in active if job.is_waiting)]

    @property
    def waiting(self) -> list[Job]:
        """Those that did not leave for the engine yet."""
        return [job for job in self.jobs if job.is_waiting]

    @property
    def is_with_engine(self) -> bool:
        """Whether one of them is being made."""
        return any(job.is_active and job.is_sent for job in self.jobs)

    def add(self, job: Job, place: Place = Place.LAST) -> list[Job]:
        """Take in a new job; returns those that are to be cancelled for it."""
        dropped = self.open if place is Place.REPLACE else []
        first = next((i for i, other in enumerate(self.jobs) if other.is_waiting), len(self.jobs))
        self.jobs.insert(first if place is Place.NEXT else len(self.jobs), job)
        return dropped

    def can_move(self, job_id: str, by: int) -> bool:
        """Whether the job can change places with the one before (-1) or after (+1) it."""
        waiting = [job.job_id for job in self.waiting]
        return job_id in waiting and 0 <= waiting.index(job_id) + by < len(waiting)

    def move(self, job_id: str, by: int) -> None:
        """Let a waiting job change places with the one before (-1) or after (+1) it."""
        if not self.can_move(job_id, by):
            return
        waiting = self.waiting
        index = next(i for i, job in enumerate(waiting) if job.job_id == job_id)
        a, b = self.jobs.index(waiting[index]), self.jobs.index(waiting[index + by])
        self.jobs[a], self.jobs[b] = self.jobs[b], self.jobs[a]

    def to_prepare(self) -> Job | None:
        """The next job whose scene has to be rendered."""
        return next((job for job in self.waiting if not job.is_prepared), None)

    def to_send(self) -> Job | None:
        """The job that goes to the engine now; None while there is one, or none is ready.

        The first one waits for its reference, and the others wait for it.
        """
        if self.is_with_engine:
            return None
        first = next(iter(self.waiting), None)
        return first if first is not None and first.is_prepared else None

    def peers_of(self, job: Job) -> set[str]:
        """The other jobs of its scene whose Worlds were put in while they were made."""
        return {
            other.job_id
            for other in self.jobs
            if other is not job and other.scene_uid == job.scene_uid and other.is_applied
        }

    def tidy(self) -> list[Job]:
        """Let go of all but the last few that ended and were dealt with; returns those."""
        ended = [job for job in self.jobs if not job.is_active and job.is_done]
        gone = ended[:-MAX_ENDED]
        self.jobs = [job for job in self.jobs if job not in gone]
        return gone

    # Across runs of Blender -------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write down what is open, for the next run of Blender; nothing open leaves no file.

        A job that waits for a picture which is not in `pictures` is not among it.

        Args:
            folder: That of the engine's state, in the library.
        """
        path = folder / f"{PREFIX}{os.getpid()}{SUFFIX}"
        records = [to_record(job) for job in self.open if _can_go_on(job, pictures(folder))]
        if records:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, json.dumps(records).encode())
        else:
            path.unlink(missing_ok=True)

    def adopt(self, folder: Path) -> list[Job]:
        """Take over what earlier runs of Blender left behind there; returns those jobs.

        Runs that are alive keep theirs.
        """
        found = []
        for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            number = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
            if not number.isdecimal() or int(number) == os.getpid():
                continue
            if is_process_alive(int(number)):
                continue
            jobs = [job for job in _read(path) if self.find(job.job_id) is None]
            left = pictures(folder, int(number))
            for job in jobs:
                job.folder = _take_over(left / job.job_id, pictures(folder))
            found += [job for job in jobs if _can_go_on(job, pictures(folder))]
            path.unlink(missing_ok=True)
            shutil.rmtree(left, ignore_errors=True)
        self.jobs += found
        return found


def pictures(folder: Path, pid: int | None = None) -> Path:
    """Where a run of Blender, this one by default, keeps the scenes and pictures of its jobs."""
    return folder / f"{PREFIX}{os.getpid() if pid is None else pid}{PICTURES}"


def _can_go_on(job: Job, kept: Path) -> bool:
    """Whether another run of Blender has all it needs."""
    is_kept = job.folder is not None and job.folder.parent == kept
    return job.is_sent or not job.takes_scene or is_kept


def _take_over(left: Path, mine: Path) -> Path | None:
    """Move the pictures of a job that an earlier run left to those of this one."""
    if not left.is_dir():
        return None
    mine.mkdir(parents=True, exist_ok=True)
    try:
        return left.rename(mine / left.name)
    except OSError:
        return None


def _read(path: Path) -> list[Job]:
    """The jobs in such a file; what cannot be read is left out, since the engine has them too."""
    jobs = []
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            return []
        records = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    for record in records if isinstance(records, list) else []:
        try:
            jobs.append(from_record(record if isinstance(record, dict) else {}))
        except PanoloomError:
            continue
    return jobs
