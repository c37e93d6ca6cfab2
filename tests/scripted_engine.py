"""A ROUTER pair that says what a test tells it to: the add-on's session without a broker.

engine = ScriptedEngine(tmp_path)          # writes a connection file: engine.place
engine.answer(SubmitJob, lambda m: JobAccepted(job_id=m.job_id, state=JobState.QUEUED))
engine.turn()                              # answers what has arrived
engine.tell(JobStarted(job_id=…, seq=1))   # an event to everybody who spoke
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import zmq

from panoloom.shared.connection import Connection, connection_path, write_connection
from panoloom.shared.jobs import JobState
from panoloom.shared.messages import (
    PROTOCOL_VERSION,
    BlobStored,
    CancelAccepted,
    CancelJob,
    GetStatus,
    Hello,
    JobAccepted,
    JobWatched,
    Message,
    StatusReported,
    StoreBlob,
    SubmitJob,
    WatchJob,
    Welcomed,
)
from panoloom.shared.wire import decode, encode


class ScriptedEngine:
    """Answers every request in the plainest way, unless told otherwise by `answer`.

    Attributes:
        place: The connection file.
        heard: Every request, in the order it came.
        blobs: Bytes stored, by hash.
    """

    def __init__(self, library: Path) -> None:
        self._context = zmq.Context()
        self._public, secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        self._control, control = self._open(secret)
        self._blob_socket, blobs = self._open(secret)
        self._clients: dict[zmq.Socket[bytes], set[bytes]] = {
            self._control: set(),
            self._blob_socket: set(),
        }
        self.heard: list[Message] = []
        self.blobs: dict[str, bytes] = {}
        self._answers: dict[type[Message], Callable[..., Message | None]] = {
            Hello: lambda m: Welcomed(
                engine_version="0", protocol=PROTOCOL_VERSION, session="scripted"
            ),
            GetStatus: lambda m: StatusReported(
                engine_version="0", session="scripted", library="", uptime_s=1.0
            ),
            SubmitJob: lambda m: JobAccepted(job_id=m.job_id, state=JobState.QUEUED),
            WatchJob: lambda m: JobWatched(job_id=m.job_id, state=JobState.QUEUED),
            CancelJob: lambda m: CancelAccepted(job_id=m.job_id, state=JobState.RUNNING),
        }
        self.place = connection_path(library)
        self.place.parent.mkdir(parents=True, exist_ok=True)
        connection = Connection(
            protocol=PROTOCOL_VERSION,
            pid=os.getpid(),
            session="scripted",
            control=control,
            blobs=blobs,
            server_public_key=self._public.decode(),
            client_public_key=client_public.decode(),
            client_secret_key=client_secret.decode(),
            library=str(library),
        )
        write_connection(self.place, connection)

    def _open(self, secret: bytes) -> tuple[zmq.Socket[bytes], str]:
        socket = self._context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._public, secret
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        return socket, f"tcp://127.0.0.1:{port}"

    def answer(self, kind: type[Message], make: Callable[..., Message | None]) -> None:
        """From now on answer `kind` by what `make(request)` returns; None: not at all."""
        self._answers[kind] = make

    def turn(self, wait_s: float = 0.0) -> int:
        """Answer what has arrived; returns how many requests that were."""
        count = 0
        for socket, clients in self._clients.items():
            while socket.poll(int(wait_s * 1000) if count == 0 else 0):
                client, *parts = socket.recv_multipart()
                clients.add(client)
                envelope = decode(parts, is_engine=True)
                self.heard.append(envelope.message)
                count += 1
                reply = self._reply(envelope.message, envelope.parts)
                if reply is not None:
                    words = encode(reply, parent_id=envelope.header.message_id)
                    socket.send_multipart([client, *words])
        return count

    def _reply(self, message: Message, parts: tuple[bytes, ...]) -> Message | None:
        if isinstance(message, StoreBlob) and StoreBlob not in self._answers:
            held = self.blobs.get(message.sha256, b"")
            if parts[0] and message.offset == len(held):
                held += parts[0]
            self.blobs[message.sha256] = held
            done = len(held) == message.size
            return BlobStored(sha256=message.sha256, received=len(held), is_complete=done)
        return self._answers[type(message)](message)

    def tell(self, message: Message, parts: tuple[bytes, ...] = ()) -> None:
        """Send an event to everybody who spoke on the control socket."""
        self.say(encode(message, parts))

    def say(self, parts: list[bytes]) -> None:
        """Send these raw parts to everybody who spoke on the control socket."""
        for client in self._clients[self._control]:
            self._control.send_multipart([client, *parts])

    def kinds(self) -> list[str]:
        """Names of the requests heard so far."""
        return [type(message).__name__ for message in self.heard]

    def close(self) -> None:
        self._context.destroy(linger=0)


def until(what: Callable[[], object], *turns: Callable[[], object], patience_s: float = 20) -> None:
    """Call `turns` until `what()` holds; fails loudly when it never does."""
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it never happened"
        for turn in turns:
            turn()
