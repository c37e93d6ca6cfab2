"""Two CURVE sockets to an engine, used without ever waiting. No Blender, no threads.

ZeroMQ's own input and output run in its library; what is here only looks whether something arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import zmq

from ..shared.connection import Connection
from ..shared.errors import EngineUnreachable
from ..shared.messages import BLOB_REQUESTS, Message
from ..shared.wire import encode

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
QUEUE_LENGTH = 10_000
HEARTBEAT_MS = 5_000
DEAD_LINE_MS = 20_000  # without a heartbeat for this long, ZeroMQ opens the line anew
MAX_RECONNECT_MS = 2_000


class Link:
    """An open connection; `close` it when it is of no more use.

    Args:
        identity: The client's own name; with it, a line that broke and came back is the same line.

    Raises:
        EngineUnreachable: An address or key in the connection file is no good.
    """

    def __init__(self, connection: Connection, identity: bytes) -> None:
        self._identity = identity
        self._context = zmq.Context(io_threads=1)
        try:
            self._control = self._open(connection.control, connection)
            self._blobs = self._open(connection.blobs, connection)
        except (zmq.ZMQError, ValueError, UnicodeEncodeError) as why:
            self.close()
            raise EngineUnreachable(f"The engine's connection file is no good: {why}.") from why

    def _open(self, endpoint: str, connection: Connection) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.identity = self._identity
        socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, DEAD_LINE_MS
        socket.reconnect_ivl_max = MAX_RECONNECT_MS
        socket.sndhwm = socket.rcvhwm = QUEUE_LENGTH
        socket.maxmsgsize = MAX_MESSAGE_BYTES
        socket.curve_serverkey = connection.server_public_key.encode("ascii")
        socket.curve_publickey = connection.client_public_key.encode("ascii")
        socket.curve_secretkey = connection.client_secret_key.encode("ascii")
        socket.connect(endpoint)
        return socket

    def send(self, message: Message, parts: Sequence[bytes] = (), *, message_id: str) -> None:
        """Hand a request to ZeroMQ.

        Raises:
            EngineUnreachable: Ten thousand requests are waiting already.
        """
        socket = self._blobs if isinstance(message, BLOB_REQUESTS) else self._control
        try:
            socket.send_multipart(encode(message, parts, message_id=message_id), zmq.NOBLOCK)
        except zmq.Again as why:
            raise EngineUnreachable(
                "The engine takes no more requests. If it stays so, restart it."
            ) from why

    def received(self, limit: int) -> Iterator[list[bytes]]:
        """At most `limit` messages that are here already; control before blobs."""
        for socket in (self._control, self._blobs):
            while limit > 0:
                try:
                    parts = socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                limit -= 1
                yield parts

    def close(self) -> None:
        """Drop both sockets and whatever still waits in them."""
        self._context.destroy(linger=0)
