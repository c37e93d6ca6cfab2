"""A real engine: `panoloom serve` as a process of its own, with its real worker and model.

Usage: ``with EngineProcess(library).start() as engine: engine.submit(spec)``; `stop()` at the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from panoloom.engine_server.client import Engine
from panoloom.shared.errors import EngineUnreachable

START_S = 60.0


class EngineProcess:
    """An engine on a library: start it, end it, kill it."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> Engine:
        """Start, with these words more, and connect once it answers."""
        command = [sys.executable, "-m", "panoloom.engine_server", "serve"]
        self._process = subprocess.Popen(
            [*command, "--library", str(self.library), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while True:
            try:
                return Engine.connect(self.library)
            except EngineUnreachable:
                assert self._process.poll() is None, "the engine ended at its start"
                assert time.monotonic() < deadline, "the engine does not answer"
                time.sleep(0.05)

    def kill(self) -> None:
        """The way a crash ends it: no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()


def kill_9(pid: int) -> None:
    """End a process at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
