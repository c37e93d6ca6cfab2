"""A process of this machine that evaluates windows, and the pipes to it.

It never outlives the worker: its standard input closes with the worker, however that ends.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ...shared.errors import GenerationFailed, MalformedMessage
from .crew import Lost
from .pipe import read_parts, write_parts

END_PATIENCE_S = 3.0


def evaluator_command(log: str) -> list[str]:
    """What evaluates with the models of this installation, in this interpreter."""
    return [sys.executable, "-m", f"{__package__}.evaluator", "--log", log]


class ProcessLine:
    """See `remote_member.Line`.

    Attributes:
        pid: Of the process.
    """

    place = "process"

    def __init__(
        self, command: Sequence[str], *, environ: Mapping[str, str] | None = None, where: str = ""
    ) -> None:
        """Start it.

        Raises:
            GenerationFailed: The operating system refuses.
        """
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
            )
        except OSError as why:
            raise GenerationFailed(
                f"A process that evaluates views cannot be started: {why}. Install Panoloom again, "
                "or do without: `--executors 1`.",
                program=command[0],
            ) from why
        self.where = where
        self.pid = self._process.pid

    def send(self, parts: Sequence[bytes]) -> None:
        """See `remote_member.Line`."""
        assert self._process.stdin is not None
        try:
            write_parts(self._process.stdin, parts)  # pyright: ignore[reportArgumentType]
        except (OSError, ValueError) as why:
            raise Lost(self._end()) from why

    def receive(self) -> list[bytes]:
        """See `remote_member.Line`."""
        assert self._process.stdout is not None
        try:
            return read_parts(self._process.stdout)  # pyright: ignore[reportArgumentType]
        except (EOFError, OSError, ValueError, MalformedMessage) as why:
            raise Lost(self._end()) from why

    def close(self) -> None:
        """Close its standard input, at which it ends; wait a moment, then kill it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self) -> str:
        """How it ended, in words; it has closed its pipes."""
        self._process.kill()
        status = self._process.wait()
        if status == -9:
            return "killed by signal 9, as happens too when the machine runs out of memory"
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"
