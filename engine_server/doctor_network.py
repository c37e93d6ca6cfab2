"""Whether two sockets on this machine reach each other, encrypted as the engine's are."""

from __future__ import annotations

from pathlib import Path

import zmq

from ..shared.errors import PanoloomError
from .client import Engine

PATIENCE_MS = 3000
WORD = b"is anyone there?"


def round_trip() -> str:
    """Send a word over CURVE on 127.0.0.1 and back; a sentence if that fails, else empty."""
    if not zmq.has("curve"):
        return "ZeroMQ was built without encryption (CURVE) here."
    public, secret = zmq.curve_keypair()
    own_public, own_secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.REP) as far, context.socket(zmq.REQ) as near:
        for socket in (far, near):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
            socket.setsockopt(zmq.SNDTIMEO, PATIENCE_MS)
        far.setsockopt(zmq.CURVE_SERVER, 1)
        far.setsockopt(zmq.CURVE_SECRETKEY, secret)
        near.setsockopt(zmq.CURVE_SERVERKEY, public)
        near.setsockopt(zmq.CURVE_PUBLICKEY, own_public)
        near.setsockopt(zmq.CURVE_SECRETKEY, own_secret)
        try:
            near.connect(f"tcp://127.0.0.1:{far.bind_to_random_port('tcp://127.0.0.1')}")
            near.send(WORD)
            far.send(far.recv())
            return "" if near.recv() == WORD else "What came back on 127.0.0.1 was something else."
        except zmq.Again:
            return f"Nothing came back on 127.0.0.1 within {PATIENCE_MS / 1000:.0f} s."
        except zmq.ZMQError as why:
            return f"Sockets on 127.0.0.1 do not work: {why}."


def greet(connection_file: Path) -> str:
    """Ask the running engine who it is; a sentence if it does not answer, else empty."""
    try:
        with Engine.connect(connection_file, timeout_s=PATIENCE_MS / 1000) as engine:
            engine.status()
    except PanoloomError as why:
        return str(why)
    return ""
