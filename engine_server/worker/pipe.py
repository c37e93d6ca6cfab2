"""Messages over the pipes between a worker and a process that it started.

A message is the number of its parts, the length of each and the parts themselves; lengths are
unsigned, 64 bits, big end first. What the parts mean is `shared/wire.py`'s affair.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

from ...shared.errors import MalformedMessage
from ...shared.wire import MAX_PARTS

_LENGTH = struct.Struct(">Q")
MAX_PART_BYTES = 2**36
"""Longer is no message of ours: the windows of one model call take a thousandth of it."""


def write_parts(stream: BinaryIO, parts: Sequence[bytes]) -> None:
    """Send a message.

    Raises:
        OSError, ValueError: The other end is gone.
    """
    stream.write(_LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(len(part)) for part in parts))
    for part in parts:
        stream.write(part)
    stream.flush()


def read_parts(stream: BinaryIO) -> list[bytes]:
    """The next message; waits for it.

    Raises:
        EOFError: The other end is gone, be it in the middle of a message.
        MalformedMessage: These bytes are no message.
    """
    count = _number(stream)
    if not 1 <= count <= MAX_PARTS:
        raise MalformedMessage(f"A message has 1 to {MAX_PARTS} parts, not {count}.")
    lengths = [_number(stream) for _ in range(count)]
    if max(lengths) > MAX_PART_BYTES:
        raise MalformedMessage(f"A part of {max(lengths)} bytes is too long.")
    return [_exactly(stream, length) for length in lengths]


def _number(stream: BinaryIO) -> int:
    return int(_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0])


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) != count:
        raise EOFError
    return found
