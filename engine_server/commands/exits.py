"""Exit statuses of the program, the same for every command."""

from __future__ import annotations

DONE = 0
WRONG_WORDS = 2
CANNOT = 3
JOB_FAILED = 4
INTERRUPTED = 130
