"""A blocking client of the engine, for commands and tests.

    with Engine.connect(library) as engine:
        job_id = engine.submit(JobSpec(prompt="northern lights"))
        for envelope in engine.watch(job_id):
            ...

For one thread. A watch survives a broken line and an engine that is started again: it goes on after
the last event it saw.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import zmq

from ..shared.connection import ELSEWHERE, Connection, connection_path, read_connection
from ..shared.errors import EngineUnreachable, MalformedMessage, TransportError
from ..shared.fetching import Fetch
from ..shared.jobs import ArtifactRef, JobSpec, JobState
from ..shared.jobview import JobView
from ..shared.messages import (
    EVENTS,
    LAST_EVENTS,
    MAX_CHUNK_BYTES,
    BlobChunk,
    BlobStored,
    CancelAccepted,
    CancelJob,
    FetchBlob,
    FileChunk,
    FreeMemory,
    GetStatus,
    Hello,
    JobAccepted,
    JobsListed,
    JobSummary,
    JobWatched,
    ListJobs,
    MemoryFreed,
    Message,
    Refused,
    Shutdown,
    ShutdownAccepted,
    StatusReported,
    StoreBlob,
    SubmitJob,
    WatchJob,
    Welcomed,
)
from ..shared.remote import RemoteEngine, Where, connection_of
from ..shared.wire import Envelope, decode, encode, error_of, new_id

SILENCE_S = 2.0
MAX_REPLY_BYTES = 16 * 1024 * 1024
M = TypeVar("M", bound=Message)


class Engine:
    """A connection to one engine.

    Attributes:
        connection: Where it is.
        timeout_s: How long an answer may take.
        patience_s: How long a watch waits for a silent or ended engine to come back.
    """

    def __init__(
        self, connection: Connection, *, timeout_s: float = 10.0, patience_s: float = 60.0
    ) -> None:
        """Nothing is sent yet; `connect` also asks whether the engine is there."""
        self.connection = connection
        self.timeout_s = timeout_s
        self.patience_s = patience_s
        self._file: Path | None = None  # where to look for an engine that was started again
        self._context = zmq.Context()
        self._name = f"client-{new_id()}".encode()
        self._events: dict[str, deque[Envelope]] = {}
        self._control = self._open(connection.control)
        self._blobs = self._open(connection.blobs)

    @classmethod
    def connect(
        cls,
        where: Where,
        *,
        timeout_s: float = 10.0,
        patience_s: float = 60.0,
    ) -> Engine:
        """The engine of a library, of a connection file or elsewhere, once it has answered.

        Raises:
            EngineUnreachable: There is none, or it does not answer.
            ProtocolMismatch: It speaks another version; says what to update.
        """
        connection = connection_of(where)
        engine = cls(connection, timeout_s=timeout_s, patience_s=patience_s)
        engine._file = _file_of(where, connection)
        try:
            engine.hello()
        except BaseException:
            engine.close()
            raise
        return engine

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the line; jobs go on."""
        self._control.close(linger=0)
        self._blobs.close(linger=0)
        self._context.term()

    # Requests

    def hello(self) -> Welcomed:
        """Who the engine is, and which models it knows."""
        return self._ask(Hello(client="panoloom"), Welcomed)

    def submit(self, spec: JobSpec, job_id: str | None = None, *, priority: int = 0) -> str:
        """Submit a job; returns its id.

        Raises:
            InvalidJob: It cannot be made; nothing was started.
            ArtifactWriteFailed: Its files could not be written.
        """
        spec.validate()
        job_id = job_id or new_id()
        request = SubmitJob(job_id=job_id, spec=spec.to_plain(), priority=priority)
        return self._ask(request, JobAccepted).job_id

    def cancel(self, job_id: str) -> JobState:
        """Stop a job; returns its state at this moment, JobCancelled follows."""
        return self._ask(CancelJob(job_id=job_id), CancelAccepted).state

    def list(self, limit: int = 100) -> Sequence[JobSummary]:
        """The newest jobs first."""
        return self._ask(ListJobs(limit=limit), JobsListed).jobs

    def status(self) -> StatusReported:
        """How the engine and its worker are."""
        return self._ask(GetStatus(), StatusReported)

    def free(self, level: str = "cache") -> MemoryFreed:
        """Have memory given back: "cache", "weights" or "exit"."""
        return self._ask(FreeMemory(level=level), MemoryFreed, timeout_s=130.0)

    def shutdown(self) -> None:
        """End the engine; a running job is resumed at its next start."""
        self._ask(Shutdown(), ShutdownAccepted)

    def store_blob(self, source: Path | str | bytes) -> str:
        """Store a file, if it is not there already; returns its SHA-256.

        Raises:
            UserError: Too large, or the engine's disk is full.
        """
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        received = self._store(sha256, len(data), 0, b"")
        while not received.is_complete:
            piece = data[received.received : received.received + MAX_CHUNK_BYTES]
            received = self._store(sha256, len(data), received.received, piece)
        return sha256

    def fetch_blob(self, sha256: str) -> bytes:
        """The bytes of a stored file, checked against their name."""
        pieces: list[bytes] = []
        offset, size = 0, 1
        while offset < size:
            request = FetchBlob(sha256=sha256, offset=offset)
            envelope = self._roundtrip(self._blobs, request, self.timeout_s)
            chunk = _expect(envelope, BlobChunk)
            pieces.append(envelope.parts[0])
            offset, size = offset + len(envelope.parts[0]), chunk.size
            if not envelope.parts[0]:
                break
        data = b"".join(pieces)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise MalformedMessage("The bytes that arrived are not those of the name.")
        return data

    def fetch(
        self, fetch: Fetch, tell: Callable[[Fetch], object] = lambda fetch: None
    ) -> ArtifactRef:
        """Bring the files of a finished job here; returns where they are now.

        Args:
            tell: Called after each piece.

        Raises:
            EngineUnreachable: The engine went away and did not come back within `patience_s`.
            MalformedMessage: The files are not those that were finished.
            ArtifactWriteFailed: They cannot be written here.
        """
        deadline = time.monotonic() + self.patience_s
        while not fetch.is_complete:
            request = next(iter(fetch.requests()))
            try:
                envelope = self._roundtrip(self._blobs, request, self.timeout_s)
            except EngineUnreachable:
                if time.monotonic() > deadline:
                    raise
                fetch.repeat()
                continue
            fetch.take(_expect(envelope, FileChunk), envelope.parts[0])
            deadline = time.monotonic() + self.patience_s
            tell(fetch)
        return fetch.finish()

    # Watching

    def watch(self, job_id: str, after_seq: int = 0) -> Iterator[Envelope]:
        """The events of a job as they come, each once, up to its last.

        Yields:
            Envelopes: the event is `.message`, a preview picture is `.parts[0]`.

        Raises:
            InvalidJob: The engine has no such job.
            EngineUnreachable: It went away and did not come back within `patience_s`.
        """
        inbox = self._events.setdefault(job_id, deque())
        seen = after_seq
        try:
            watched = self._watch(job_id, seen)
            while True:
                while not inbox:
                    if watched.state.is_terminal and watched.seq <= seen:
                        return  # ended, and everything was seen
                    if not self._receive(self._control, min(self.timeout_s / 2, SILENCE_S)):
                        watched = self._watch_again(job_id, seen)
                envelope = inbox.popleft()
                seq = int(getattr(envelope.message, "seq", 0))
                if seq <= seen:
                    continue
                seen = seq
                yield envelope
                if isinstance(envelope.message, LAST_EVENTS):
                    return
        finally:
            self._events.pop(job_id, None)

    def wait(self, job_id: str) -> JobView:
        """The job once it has ended, however it did."""
        view = JobView(job_id=job_id)
        for envelope in self.watch(job_id):
            view.apply(envelope.message, envelope.parts)
        return view

    def _watch(self, job_id: str, after_seq: int) -> JobWatched:
        return self._ask(WatchJob(job_id=job_id, after_seq=after_seq), JobWatched)

    def _watch_again(self, job_id: str, after_seq: int) -> JobWatched:
        """After a silence: ask again, also an engine that has been started anew meanwhile."""
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                self._find_again()
                return self._watch(job_id, after_seq)
            except EngineUnreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # between two looks at the connection file

    def _find_again(self) -> None:
        """Move to the engine that serves the library now.

        Raises:
            EngineUnreachable: There is none at the moment.
        """
        if self._file is None:
            return
        found = read_connection(self._file)
        if found.session == self.connection.session:
            return
        self.connection = found
        for socket in (self._control, self._blobs):
            socket.close(linger=0)
        self._control, self._blobs = self._open(found.control), self._open(found.blobs)

    # The line

    def _open(self, endpoint: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.DEALER)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.IDENTITY, self._name),
            (zmq.CURVE_SERVERKEY, self.connection.server_public_key.encode()),
            (zmq.CURVE_PUBLICKEY, self.connection.client_public_key.encode()),
            (zmq.CURVE_SECRETKEY, self.connection.client_secret_key.encode()),
            (zmq.MAXMSGSIZE, MAX_REPLY_BYTES),
            (zmq.RCVHWM, 1000),
            (zmq.SNDHWM, 100),
            (zmq.HEARTBEAT_IVL, 5_000),
            (zmq.HEARTBEAT_TIMEOUT, 20_000),
            (zmq.RECONNECT_IVL_MAX, 2_000),
        ):
            socket.setsockopt(option, value)
        socket.connect(endpoint)
        return socket

    def _ask(self, request: Message, answer: type[M], *, timeout_s: float | None = None) -> M:
        envelope = self._roundtrip(self._control, request, timeout_s or self.timeout_s)
        return _expect(envelope, answer)

    def _store(self, sha256: str, size: int, offset: int, piece: bytes) -> BlobStored:
        request = StoreBlob(sha256=sha256, size=size, offset=offset)
        envelope = self._roundtrip(self._blobs, request, 3 * self.timeout_s, (piece,))
        return _expect(envelope, BlobStored)

    def _roundtrip(
        self,
        socket: zmq.Socket[bytes],
        request: Message,
        timeout_s: float,
        parts: Sequence[bytes] = (),
    ) -> Envelope:
        """Send and wait for the answer; events that come first are kept for their watch."""
        message_id = new_id()
        try:
            socket.send_multipart(encode(request, parts, message_id=message_id), zmq.NOBLOCK)
        except zmq.Again as why:
            raise self._unreachable() from why
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            answer = self._receive(socket, left_s)
            if answer is not None and _answers(answer, message_id):
                if isinstance(answer.message, Refused):
                    raise error_of(answer.message)
                return answer
        raise self._unreachable()

    def _receive(self, socket: zmq.Socket[bytes], timeout_s: float) -> Envelope | None:
        """The next message, if one comes in time; events are also put into their inbox.

        Raises:
            ProtocolMismatch: The engine speaks another version.
        """
        if not socket.poll(max(1, int(timeout_s * 1000))):
            return None
        try:
            envelope = decode(socket.recv_multipart())
        except MalformedMessage:
            return None
        inbox = self._events.get(envelope.header.job_id)
        if inbox is not None and isinstance(envelope.message, EVENTS):
            inbox.append(envelope)
        return envelope

    def _unreachable(self) -> TransportError:
        said = f"The engine at {self.connection.control} does not answer. Is it still running?"
        if self.connection.pid == ELSEWHERE:
            said += " Is the address right, and the key file a copy of the one it made?"
        return EngineUnreachable(said, endpoint=self.connection.control)


def _file_of(where: Where, connection: Connection) -> Path | None:
    """Where the engine would announce itself again; None if it is not of this machine."""
    if isinstance(where, RemoteEngine):
        return None
    if not isinstance(where, Connection):
        return Path(where)
    path = connection_path(connection.library)
    try:
        return path if read_connection(path).session == connection.session else None
    except EngineUnreachable:
        return None


def _answers(envelope: Envelope, message_id: str) -> bool:
    """Whether this is the answer and not an event that follows from the same request."""
    return envelope.header.parent_id == message_id and not isinstance(envelope.message, EVENTS)


def _expect(envelope: Envelope, cls: type[M]) -> M:
    if not isinstance(envelope.message, cls):
        raise MalformedMessage(f"The engine answered with {envelope.header.type}.")
    return envelope.message
