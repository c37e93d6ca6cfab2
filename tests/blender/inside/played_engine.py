"""An engine that only talks: real sockets, keys and messages in a thread, for the bench."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from stage import part


class PlayedEngine:
    """Answers what the add-on asks at its start, and says what it is told to say.

        with PlayedEngine(library) as engine:
            engine.tell(messages, parts)

    Attributes:
        place: The library that a session connects to.
    """

    def __init__(self, library: Path) -> None:
        self.place = library
        self._messages, self._wire = part("shared.messages"), part("shared.wire")
        self._context = zmq.Context()
        public, secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        self._sockets = [self._open(public, secret) for _ in range(2)]
        connection = part("shared.connection")
        path = connection.connection_path(library)
        path.parent.mkdir(parents=True, exist_ok=True)
        ends = [f"tcp://127.0.0.1:{port}" for _, port in self._sockets]
        connection.write_connection(
            path,
            connection.Connection(
                protocol=self._messages.PROTOCOL_VERSION,
                pid=os.getpid(),
                session="played",
                control=ends[0],
                blobs=ends[1],
                server_public_key=public.decode(),
                client_public_key=client_public.decode(),
                client_secret_key=client_secret.decode(),
                library=str(library),
            ),
        )
        self._to_say: list[list[bytes]] = []
        self._said = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> PlayedEngine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()
        self._context.destroy(linger=0)

    def tell(self, messages: list[tuple[Any, list[bytes]]]) -> None:
        """Send these to the client that spoke last; returns when ZeroMQ has them all."""
        self._said.clear()
        self._to_say = [self._wire.encode(message, parts) for message, parts in messages]
        self._said.wait()

    def _open(self, public: bytes, secret: bytes) -> tuple[zmq.Socket[bytes], int]:
        socket = self._context.socket(zmq.ROUTER)
        socket.linger, socket.sndhwm = 0, 10_000
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = public, secret
        return socket, socket.bind_to_random_port("tcp://127.0.0.1")

    def _run(self) -> None:
        control, _ = self._sockets[0]
        client = b""
        while not self._ends:
            if control.poll(5):
                client, *parts = control.recv_multipart()
                envelope = self._wire.decode(parts, is_engine=True)
                reply = self._answer(envelope.message)
                words = self._wire.encode(reply, parent_id=envelope.header.message_id)
                control.send_multipart([client, *words])
            elif self._to_say:
                for words in self._to_say:
                    control.send_multipart([client, *words])
                self._to_say = []
                self._said.set()

    def _answer(self, asked: Any) -> Any:
        m, states = self._messages, part("shared.jobs").JobState
        answers: dict[str, Callable[[], Any]] = {
            "Hello": lambda: m.Welcomed(
                engine_version="0", protocol=m.PROTOCOL_VERSION, session="played"
            ),
            "GetStatus": lambda: m.StatusReported(
                engine_version="0", session="played", library="", uptime_s=1.0
            ),
            "SubmitJob": lambda: m.JobAccepted(job_id=asked.job_id, state=states.RUNNING),
            "WatchJob": lambda: m.JobWatched(job_id=asked.job_id, state=states.RUNNING),
            "CancelJob": lambda: m.CancelAccepted(job_id=asked.job_id, state=states.RUNNING),
        }
        return answers[type(asked).__name__]()
