"""The worker's end of the wire to the broker."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import zmq

from ...shared.errors import EngineUnreachable, MalformedMessage, PanoloomError
from ...shared.messages import (
    CancelJob,
    FreeMemory,
    JobPreviewed,
    MemoryFreed,
    Message,
    RunJob,
    StopWorker,
    WorkerReady,
)
from ...shared.wire import decode, encode

GRACE_S = 1.0
SEND_TIMEOUT_MS = 30_000
_POLL_S = 0.5


class WorkerLink:
    """Receives jobs and sends their events. While a job runs, any thread may ask and tell.

        with WorkerLink(endpoint, keys_file) as link:
            link.ready(WorkerReady(pid=os.getpid(), device="cpu", ...))
            while not link.is_closed:
                job = link.next_job(timeout_s=60)
                ...

    The broker holds the other end of this process's standard input. When that closes, the broker
    is gone: `is_closed` and `cancelled` turn true, and about a second later the process ends, in
    the middle of whatever it does, so that two workers never meet over one job.
    """

    def __init__(
        self,
        endpoint: str,
        keys_file: Path | str,
        *,
        on_free: Callable[[str], int] | None = None,
        broker_pipe: BinaryIO | None = None,
        ends_with_broker: bool = True,
    ) -> None:
        """Connect.

        Args:
            endpoint: The broker's worker socket.
            keys_file: JSON with `server_public_key`, `worker_public_key`, `worker_secret_key`
                and `name`.
            on_free: Called with "cache" or "weights" between jobs; returns the free bytes.
            broker_pipe: Ends with the broker; standard input by default.
            ends_with_broker: False leaves the pipe alone (for tests within one process).

        Raises:
            EngineUnreachable: The keys file cannot be read.
        """
        try:
            keys = json.loads(Path(keys_file).read_bytes())
            server, public, secret, name = (
                keys[field].encode()
                for field in ("server_public_key", "worker_public_key", "worker_secret_key", "name")
            )
        except (OSError, ValueError, KeyError, AttributeError) as why:
            raise EngineUnreachable(f"The worker's keys cannot be read: {why}.") from why
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.DEALER)
        for option, value in (
            (zmq.LINGER, 2000),
            (zmq.IDENTITY, name),
            (zmq.CURVE_SERVERKEY, server),
            (zmq.CURVE_PUBLICKEY, public),
            (zmq.CURVE_SECRETKEY, secret),
            (zmq.SNDTIMEO, SEND_TIMEOUT_MS),
            (zmq.SNDHWM, 128),
            (zmq.MAXMSGSIZE, 2 * 1024 * 1024),
            (zmq.HEARTBEAT_IVL, 5_000),
            (zmq.HEARTBEAT_TIMEOUT, 60_000),
        ):
            self._socket.setsockopt(option, value)
        self._socket.connect(endpoint)
        self._on_free = on_free
        self._jobs: deque[RunJob] = deque()
        self._cancelled: set[str] = set()
        self._closed = threading.Event()
        self._line = threading.RLock()  # a socket is one thread's at a time
        if ends_with_broker:
            pipe = broker_pipe if broker_pipe is not None else sys.stdin.buffer
            threading.Thread(target=self._end_with, args=(pipe,), daemon=True).start()

    def __enter__(self) -> WorkerLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether there will be no more jobs: the broker said stop, or is gone."""
        return self._closed.is_set()

    def ready(self, info: WorkerReady) -> None:
        """Tell what this worker is; the first word."""
        self.send(info)

    def next_job(self, timeout_s: float) -> RunJob | None:
        """The next job, or None after `timeout_s` seconds or when `is_closed`."""
        deadline = time.monotonic() + timeout_s
        while not self._jobs and not self.is_closed:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            self._take_in(min(left_s, _POLL_S))
        return self._jobs.popleft() if self._jobs and not self.is_closed else None

    def cancelled(self, job_id: str) -> bool:
        """Whether to let go of this job; never waits. Also true when the broker is gone."""
        self._take_in(0.0)
        return job_id in self._cancelled or self.is_closed

    def send(self, event: Message, parts: Sequence[bytes] = ()) -> None:
        """Send an event of a job. A preview that finds the line busy is dropped.

        Raises:
            EngineUnreachable: The broker takes nothing any more.
        """
        raw = encode(event, parts)
        is_preview = isinstance(event, JobPreviewed)
        try:
            with self._line:
                self._socket.send_multipart(raw, flags=zmq.NOBLOCK if is_preview else 0)
        except zmq.Again as why:
            if not is_preview:
                raise EngineUnreachable(
                    "The broker takes no more messages, so this worker ends. Its job goes on from "
                    "the last checkpoint when the engine starts another, or is started again."
                ) from why
        except zmq.ZMQError as why:
            raise EngineUnreachable(
                f"The line to the broker broke ({why.strerror}), so this worker ends. Its job goes "
                "on from the last checkpoint when the engine starts another, or is started again."
            ) from why

    def fail(self, job_id: str, error: PanoloomError) -> None:
        """Send JobFailed for `error`."""
        from ...shared.messages import JobFailed

        code, message, details = error.to_wire()
        self.send(JobFailed(job_id=job_id, code=code, message=message, details=details))

    def close(self) -> None:
        """Flush for at most two seconds and let go of the socket."""
        self._closed.set()
        self._socket.close()
        self._context.term()

    def _take_in(self, wait_s: float) -> None:
        with self._line:
            self._hear(wait_s)

    def _hear(self, wait_s: float) -> None:
        try:
            if not self._socket.poll(int(wait_s * 1000)):
                return
            while True:
                self._handle(self._socket.recv_multipart(flags=zmq.NOBLOCK))
        except zmq.Again:
            return
        except zmq.ZMQError:
            self._closed.set()

    def _handle(self, parts: list[bytes]) -> None:
        try:
            message = decode(parts).message
        except (MalformedMessage, PanoloomError):
            return
        match message:
            case RunJob():
                self._cancelled.discard(message.job_id)
                self._jobs.append(message)
            case CancelJob():
                self._cancelled.add(message.job_id)
            case FreeMemory():
                free_bytes = self._on_free(message.level) if self._on_free is not None else 0
                self.send(MemoryFreed(level=message.level, memory_free_bytes=free_bytes))
            case StopWorker():
                self._closed.set()
            case _:
                pass

    def _end_with(self, pipe: BinaryIO) -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(pipe.fileno(), 4096):
                pass
        self._closed.set()
        time.sleep(GRACE_S)
        os._exit(0)
