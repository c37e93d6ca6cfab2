"""The job store: SQLite, one writer, states changed only by compare-and-swap.

Every event of a job is kept with its number, so that a client that comes back hears what it missed;
of the previews only the newest. What has ended never changes again.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...shared.errors import ArtifactWriteFailed, GenerationFailed, InvalidJob, UserError
from ...shared.jobs import ArtifactRef, JobSpec, JobState
from ...shared.messages import (
    REGISTRY,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobQueued,
    JobResumed,
    JobStarted,
    JobSummary,
    Message,
)
from ...shared.plain import from_plain, to_plain

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT UNIQUE NOT NULL,
  asked_sha256 TEXT NOT NULL,
  spec TEXT NOT NULL,
  key TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0,
  fraction REAL NOT NULL DEFAULT 0,
  artifact TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  ended_at REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, priority DESC, number);
CREATE INDEX IF NOT EXISTS jobs_by_key ON jobs (key);
CREATE TABLE IF NOT EXISTS events (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  part BLOB,
  PRIMARY KEY (job_id, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_QUEUED, _RUNNING = JobState.QUEUED, JobState.RUNNING
# Which event may happen in which states, and the state it leads to (None: it stays).
_TRANSITIONS: dict[type[Message], tuple[tuple[JobState, ...], JobState | None]] = {
    JobQueued: ((_QUEUED,), None),
    JobStarted: ((_QUEUED,), _RUNNING),
    JobProgressed: ((_RUNNING,), None),
    JobPreviewed: ((_RUNNING,), None),
    JobResumed: ((_RUNNING,), _QUEUED),
    JobFinished: ((_QUEUED, _RUNNING), JobState.FINISHED),
    JobFailed: ((_QUEUED, _RUNNING), JobState.FAILED),
    JobCancelled: ((_QUEUED, _RUNNING), JobState.CANCELLED),
}
E = TypeVar("E", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A row of the store; `spec` is resolved, `asked_sha256` is that of what the client sent."""

    job_id: str
    asked_sha256: str
    spec: JobSpec
    state: JobState
    priority: int
    attempt: int
    seq: int
    fraction: float
    created_at: float
    artifact: ArtifactRef | None
    error: str

    def summary(self) -> JobSummary:
        """As one line of the list of jobs."""
        spec = self.spec
        return JobSummary(
            job_id=self.job_id,
            state=self.state,
            prompt=spec.title[:200],
            model=spec.model,
            seed=spec.seed,
            width=spec.width,
            height=spec.height,
            num_frames=spec.num_frames,
            seq=self.seq,
            attempt=self.attempt,
            fraction=self.fraction,
            created_at=self.created_at,
            artifact=self.artifact,
            error=self.error,
            kind=spec.kind,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it happened, with its raw parts."""

    seq: int
    message: Message
    parts: tuple[bytes, ...]


class JobStore:
    """All jobs of a library. Not for several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the store.

        Raises:
            UserError: The file is damaged, or was written by a newer engine.
        """
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise UserError(
                    f"The job store {path} was written by a newer engine. Update this one, or "
                    "choose another library."
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.DatabaseError as why:
            raise UserError(
                f"The job store {path} is damaged ({why}). Move it away; finished results stay "
                "where they are."
            ) from why

    def close(self) -> None:
        self._db.close()

    def job(self, job_id: str) -> Job | None:
        """The job of this id."""
        return self._one("WHERE id = ?", job_id)

    def newest(self, limit: int) -> list[Job]:
        """At most `limit` jobs, the newest first."""
        return self._many("ORDER BY number DESC LIMIT ?", limit)

    def next_queued(self) -> Job | None:
        """The job to run next: highest priority first, then first come."""
        return self._one("WHERE state = 'queued' ORDER BY priority DESC, number LIMIT 1")

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states."""
        marks = ",".join("?" * len(states))
        query = f"SELECT COUNT(*) FROM jobs WHERE state IN ({marks})"
        return int(self._db.execute(query, [*map(str, states)]).fetchone()[0])

    def add(self, job_id: str, asked_sha256: str, spec: JobSpec, priority: int) -> bool:
        """Queue a job; False if the id is there already.

        Raises:
            ArtifactWriteFailed: The disk is full, or gone.
        """
        try:
            cursor = self._db.execute(
                "INSERT OR IGNORE INTO jobs (id, asked_sha256, spec, state, priority, created_at)"
                " VALUES (?, ?, ?, 'queued', ?, ?)",
                (job_id, asked_sha256, spec.canonical().decode(), priority, time.time()),
            )
        except sqlite3.OperationalError as why:
            raise ArtifactWriteFailed(f"The job cannot be written down: {why}.") from why
        return cursor.rowcount == 1

    def append(self, event: E, parts: Sequence[bytes] = (), *, key: str = "") -> E | None:
        """Record that `event` happened and change the job's state with it: both or neither.

        Args:
            key: Of the result, with JobFinished.

        Returns:
            The event with its number, or None if the job is not in a state where it can happen.

        Raises:
            sqlite3.Error: The disk is full, or gone; nothing has changed.
        """
        states, target = _TRANSITIONS[type(event)]
        job_id: str = getattr(event, "job_id")  # noqa: B009 - every event has one
        marks = ",".join("?" * len(states))
        changes, values = _columns(event, target, key)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            cursor = self._db.execute(
                f"UPDATE jobs SET seq = seq + 1{changes} WHERE id = ? AND state IN ({marks})",
                (*values, job_id, *map(str, states)),
            )
            if cursor.rowcount != 1:
                self._db.execute("ROLLBACK")
                return None
            row = self._db.execute("SELECT seq FROM jobs WHERE id = ?", (job_id,)).fetchone()
            numbered = dataclasses.replace(event, seq=row[0])  # type: ignore[type-var]
            if isinstance(event, JobPreviewed):
                self._db.execute(
                    "DELETE FROM events WHERE job_id = ? AND type = 'JobPreviewed'", (job_id,)
                )
            self._db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (
                    job_id,
                    row[0],
                    type(event).__name__,
                    json.dumps(to_plain(numbered)),
                    bytes(parts[0]) if parts else None,
                ),
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return numbered

    def events(self, job_id: str, after_seq: int) -> list[StoredEvent]:
        """What happened to a job after event number `after_seq`, in order."""
        rows = self._db.execute(
            "SELECT seq, type, body, part FROM events WHERE job_id = ? AND seq > ? ORDER BY seq",
            (job_id, after_seq),
        )
        return [_stored_event(*row) for row in rows]

    def finished_with(self, key: str) -> list[ArtifactRef]:
        """Results made from the same request on the same kind of machine, the newest first."""
        rows = self._db.execute(
            "SELECT artifact FROM jobs WHERE key = ? AND state = 'finished' AND artifact != ''"
            " ORDER BY number DESC LIMIT 8",
            (key,),
        )
        return [_artifact(text) for (text,) in rows]

    def running(self) -> list[Job]:
        """Jobs a worker had; after a start these were interrupted."""
        return self._many("WHERE state = 'running' ORDER BY number")

    def forget_old(self, keep: int) -> None:
        """Drop the oldest ended jobs beyond `keep` from the list; their folders stay."""
        self._db.execute(
            "DELETE FROM jobs WHERE state IN ('finished', 'failed', 'cancelled') AND number <="
            " (SELECT COALESCE(MAX(number), 0) FROM jobs) - ?",
            (keep,),
        )

    def fact(self, name: str) -> dict[str, Any] | None:
        """A remembered fact about this engine."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Keep a fact for the next start."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def _one(self, where: str, *values: Any) -> Job | None:
        found = self._many(where, *values)
        return found[0] if found else None

    def _many(self, where: str, *values: Any) -> list[Job]:
        rows = self._db.execute(
            "SELECT id, asked_sha256, spec, state, priority, attempt, seq, fraction, created_at,"
            f" artifact, error FROM jobs {where}",
            values,
        )
        return [_job(*row) for row in rows]


def _columns(event: Message, target: JobState | None, key: str) -> tuple[str, list[Any]]:
    """The columns an event changes, as SQL and values."""
    changed: dict[str, Any] = {}
    if target is not None:
        changed["state"] = str(target)
        if target.is_terminal:
            changed["ended_at"] = time.time()
    match event:
        case JobStarted():
            changed["attempt"] = event.attempt
        case JobProgressed():
            changed["fraction"] = event.progress.fraction
        case JobFinished():
            changed |= {
                "artifact": json.dumps(to_plain(event.artifact)),
                "key": key,
                "fraction": 1.0,
            }
        case JobFailed():
            changed["error"] = event.message
        case _:
            pass
    return "".join(f", {name} = ?" for name in changed), list(changed.values())


def _job(
    job_id: str, asked: str, spec: str, state: str, priority: int, attempt: int, seq: int,
    fraction: float, created_at: float, artifact: str, error: str,
) -> Job:  # fmt: skip
    return Job(
        job_id=job_id,
        asked_sha256=asked,
        spec=from_plain(JobSpec, json.loads(spec), error=InvalidJob, where="stored job"),
        state=JobState(state),
        priority=priority,
        attempt=attempt,
        seq=seq,
        fraction=fraction,
        created_at=created_at,
        artifact=_artifact(artifact) if artifact else None,
        error=error,
    )


def _artifact(text: str) -> ArtifactRef:
    return from_plain(
        ArtifactRef, json.loads(text), error=GenerationFailed, where="stored artifact"
    )


def _stored_event(seq: int, name: str, body: str, part: bytes | None) -> StoredEvent:
    message = from_plain(
        REGISTRY[name], json.loads(body), error=GenerationFailed, where="stored event"
    )
    return StoredEvent(seq=seq, message=message, parts=() if part is None else (part,))
