"""The broker's sockets: CURVE and an allow-list on each, bounded in every direction.

CURVE without an authenticator lets any key in, so the ZAP handler below is not optional: it answers
libzmq's question for each connection (RFC 27), by the domain of the socket and the client's key.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence

import zmq
import zmq.asyncio
import zmq.utils.z85

from ...shared.errors import UserError
from ...shared.messages import MAX_CHUNK_BYTES
from .keys import KeyPair

CLIENTS = b"panoloom-clients"
WORKERS = b"panoloom-workers"
CONTROL_MAX_BYTES = 1024 * 1024 + 4096
BLOB_MAX_BYTES = MAX_CHUNK_BYTES + 4096
WORKER_MAX_BYTES = 16 * 1024 * 1024


def open_router(
    context: zmq.asyncio.Context,
    *,
    server: KeyPair,
    domain: bytes,
    max_bytes: int,
    io_thread: int,
    host: str,
    port: int = 0,
) -> tuple[zmq.asyncio.Socket, str]:
    """A bound ROUTER and its endpoint.

    Args:
        domain: Which allow-list holds.
        max_bytes: A peer that sends a longer part is disconnected.
        io_thread: Index of the thread that moves its bytes, so that blobs never delay control.
        port: 0 for any free one.

    Raises:
        UserError: The port is taken or not allowed.
    """
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.SNDHWM, 256)
    socket.setsockopt(zmq.RCVHWM, 256)
    socket.setsockopt(zmq.AFFINITY, 1 << io_thread)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 20_000)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 10_000)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an unreachable client is an error, not silence
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that reconnects keeps its name
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, server.secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, domain)
    if ":" in host:
        socket.setsockopt(zmq.IPV6, 1)
        host = f"[{host}]"
    try:
        socket.bind(f"tcp://{host}:{port or '*'}")
    except zmq.ZMQError as why:
        socket.close()
        raise _bind_error(why, host, port) from why
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return socket, endpoint.rstrip(b"\0").decode()


def _bind_error(why: zmq.ZMQError, host: str, port: int) -> UserError:
    way_out = f"Choose another with --listen {host}:PORT."
    if why.errno in (errno.EADDRINUSE, zmq.EADDRINUSE):
        return UserError(
            f"Port {port} on {host} is in use by another program. {way_out}",
            field="port",
            port=port,
        )
    if why.errno == errno.EACCES:
        return UserError(
            f"This user may not listen on port {port}. {way_out}", field="port", port=port
        )
    return UserError(
        f"Cannot listen on {host}: {why.strerror}. Give an address of this machine with --listen, "
        "or leave that out for 127.0.0.1.",
        field="host",
    )


class Gatekeeper:
    """Lets known keys in and nobody else: the ZAP handler of one context."""

    def __init__(
        self, context: zmq.asyncio.Context, allowed: Mapping[bytes, Sequence[str]]
    ) -> None:
        """`allowed` maps a socket's domain to the public keys (Z85) that may connect to it."""
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        self._allowed = {
            domain: {zmq.utils.z85.decode(key.encode()) for key in keys}
            for domain, keys in allowed.items()
        }

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            question = await self._socket.recv_multipart()
            await self._socket.send_multipart(self.answer(question))

    def answer(self, question: Sequence[bytes]) -> list[bytes]:
        """The ZAP reply: 200 for an allowed CURVE key, 400 for everything else."""
        request_id = question[1] if len(question) > 1 else b""
        is_known = (
            len(question) == 7
            and question[0] == b"1.0"
            and question[5] == b"CURVE"
            and question[6] in self._allowed.get(question[2], ())
        )
        status, text = (b"200", b"OK") if is_known else (b"400", b"Unknown key")
        return [b"1.0", request_id, status, text, b"", b""]

    def close(self) -> None:
        self._socket.close()


def try_send(socket: zmq.asyncio.Socket, identity: bytes, parts: Sequence[bytes]) -> None:
    """Send now or not at all.

    Raises:
        zmq.Again: The peer's queue is full.
        zmq.ZMQError: With EHOSTUNREACH, the peer is gone.
    """
    future = socket.send_multipart([identity, *parts], flags=zmq.NOBLOCK)
    assert isinstance(future, asyncio.Future)
    if future.done():
        future.result()
