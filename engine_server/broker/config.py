"""How a broker runs: read once, never changed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from ...shared.connection import LOG_NAME, STATE_FOLDER
from ...shared.errors import UserError

MAX_BLOB_BYTES = 512 * 1024 * 1024
"""Largest file a client may store: the latents of half a minute at 2048x1024 take 256 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """All settings of a broker.

    Attributes:
        library: Folder for results; the broker's own files are in `.panoloom` inside it.
        engine_version: Told to clients.
        host: Address to listen on; anything but loopback needs a `remote_key`.
        control_port, blob_port: 0 takes any free port.
        remote_key: Key file of clients on other machines, made where there is none; None lets in
            clients of this machine alone.
        max_blob_bytes: Largest file a client may store.
        starts_worker_early: Start the worker with the broker instead of at the first job.
        worker_start_timeout_s: A worker not ready by then is ended and counted as crashed.
        worker_stall_s: A worker silent for so long in the middle of a job is ended and replaced.
        cancel_grace_s: A worker that has not let go of a cancelled job by then is ended.
        idle_worker_s: A worker without work for so long is ended, which gives all memory back.
            None keeps it.
        max_crashes: So many crashes at the same point of a job fail the job.
        worker_words: What the worker's command takes besides: who evaluates views.
        handles_signals: End gracefully at SIGINT and SIGTERM, where this is the main thread.
    """

    library: Path
    engine_version: str = "0"
    host: str = "127.0.0.1"
    control_port: int = 0
    blob_port: int = 0
    remote_key: Path | None = None
    max_blob_bytes: int = MAX_BLOB_BYTES
    starts_worker_early: bool = False
    worker_start_timeout_s: float = 600.0
    worker_stall_s: float = 1800.0
    cancel_grace_s: float = 30.0
    idle_worker_s: float | None = 900.0
    max_crashes: int = 3
    worker_words: tuple[str, ...] = ()
    handles_signals: bool = True

    @property
    def state_folder(self) -> Path:
        return self.library / STATE_FOLDER

    @property
    def worker_log(self) -> Path:
        return self.state_folder / LOG_NAME

    def work_dir(self, job_id: str) -> Path:
        """Where the checkpoints of a job live until it ends."""
        return self.state_folder / "jobs" / job_id

    def check_host(self) -> None:
        """Refuse to listen to other machines unless told to.

        Raises:
            UserError: `host` is no address, or not loopback without a `remote_key`.
        """
        try:
            address = ipaddress.ip_address("127.0.0.1" if self.host == "localhost" else self.host)
        except ValueError as why:
            raise UserError(
                f"{self.host!r} is not an address to listen on, such as 127.0.0.1.", field="host"
            ) from why
        if not address.is_loopback and self.remote_key is None:
            raise UserError(
                f"Listening on {self.host} lets other machines reach the engine, which takes a "
                "key file for them. Use --listen, or listen on 127.0.0.1.",
                field="host",
            )
