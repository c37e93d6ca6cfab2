"""When to stop believing that another try will help."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class _Entry:
    count: int = 0
    fraction: float = -1.0


@dataclass(slots=True)
class CrashLedger:
    """Counts, for each job, the crashes since it last got further.

    A long job may lose its worker many times, as long as it moves on; one that dies again and again
    at the same point is given up after `largest` times.
    """

    largest: int
    _entries: dict[str, _Entry] = field(default_factory=dict)

    def count(self, job_id: str, fraction: float) -> int:
        """Record a crash of a job that had got to `fraction`; how often it crashed there."""
        entry = self._entries.setdefault(job_id, _Entry())
        if fraction > entry.fraction:
            entry.count, entry.fraction = 0, fraction
        entry.count += 1
        return entry.count

    def is_hopeless(self, job_id: str) -> bool:
        """Whether it crashed too often at the same point."""
        return job_id in self._entries and self._entries[job_id].count >= self.largest

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        self._entries.pop(job_id, None)
