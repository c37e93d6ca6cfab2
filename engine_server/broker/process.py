"""The worker's process: started by module name, watched, ended; never imported."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...shared.connection import write_private
from ...shared.errors import GenerationFailed
from .keys import Keys

MAX_LOG_BYTES = 4 * 1024 * 1024
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def default_command() -> list[str]:
    """The real worker, in this interpreter."""
    package = __package__.rpartition(".")[0] if __package__ else "panoloom.engine_server"
    return [sys.executable, "-m", f"{package}.worker"]


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of this process as the worker gets them.

    Without access tokens, with its output unbuffered, and with threads that sleep while they wait
    for each other: spinning costs other programs their cores, first of all a Blender that renders.
    Who has set OMP_WAIT_POLICY keeps it.
    """
    kept = {name: value for name, value in environ.items() if name not in _SECRETS}
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONUNBUFFERED": "1"}


class WorkerProcess:
    """One start of the worker.

    Its standard input is a pipe that nobody writes to: it closes with the broker, however that
    ends, and the worker ends with it.
    """

    def __init__(
        self, command: Sequence[str], *, endpoint: str, keys: Keys, library: Path, log: Path
    ) -> None:
        """Nothing is started yet."""
        self.name = f"worker-{secrets.token_hex(16)}".encode()  # what it calls itself on the socket
        self._keys_file = log.parent / "keys" / "worker.json"
        self._command = [
            *command, "--endpoint", endpoint, "--keys", str(self._keys_file),
            "--library", str(library),
        ]  # fmt: skip
        self._keys = keys
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def start(self, on_exit: Callable[[int], None]) -> None:
        """Start it; `on_exit` is called in this event loop with its exit status.

        Raises:
            GenerationFailed: The operating system refuses.
        """
        keys = {
            "server_public_key": self._keys.server.public,
            "worker_public_key": self._keys.worker.public,
            "worker_secret_key": self._keys.worker.secret,
            "name": self.name.decode(),
        }
        write_private(self._keys_file, json.dumps(keys).encode())
        self._rotate_log()
        try:
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=worker_environment(os.environ),
                    # a Ctrl-C in the terminal is for the broker, which then ends the worker
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as why:
            raise GenerationFailed(
                f"The worker cannot be started: {why}. Install Panoloom again; `panoloom doctor` "
                "tells what is missing.",
                program=self._command[0],
            ) from why
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=_wait, args=(self._process, loop, on_exit), daemon=True, name="worker-wait"
        ).start()

    def ask_to_end(self) -> None:
        """Close its standard input: it ends by itself within about a second."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """End it now; its checkpoints are always whole."""
        self.ask_to_end()
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    async def end(self, patience_s: float) -> None:
        """Ask, wait, then kill; afterwards it is gone."""
        self.ask_to_end()
        if self._process is None:
            return
        try:
            await asyncio.to_thread(self._process.wait, patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            await asyncio.to_thread(self._process.wait)

    def last_words(self) -> str:
        """The last line it logged, for an error that has nothing better to say."""
        try:
            with open(self._log, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].strip()[:300] if lines else ""

    def _rotate_log(self) -> None:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > MAX_LOG_BYTES:
                os.replace(self._log, self._log.with_suffix(".old.log"))


def _wait(
    process: subprocess.Popen[bytes],
    loop: asyncio.AbstractEventLoop,
    on_exit: Callable[[int], None],
) -> None:
    status = process.wait()
    with contextlib.suppress(RuntimeError):  # the loop may be closed by now
        loop.call_soon_threadsafe(on_exit, status)
