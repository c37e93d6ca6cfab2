"""Messages to parts and back: the only file that imports msgpack.

A message is two msgpack parts and then its raw parts:

    header   {protocol: [major, minor], type, session, message_id, parent_id, job_id}
    body     the message's fields
    raw      as many as the message type says

The header keeps this form in every version, so that any two versions can tell each other that
they differ. Whatever the bytes are, `decode` raises MalformedMessage or ProtocolMismatch and
nothing else.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgpack

from .errors import MalformedMessage, PanoloomError, ProtocolMismatch, from_wire
from .messages import PROTOCOL_VERSION, REGISTRY, Message, Refused
from .plain import from_plain, to_plain

MAX_HEADER_BYTES = 4096
MAX_BODY_BYTES = 1024 * 1024
MAX_PARTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every message carries.

    Attributes:
        protocol: (major, minor) of the sender.
        type: Name of the message.
        session: One per process start of the sender.
        message_id: Unique; a request repeated with the same id is carried out once.
        parent_id: The message this one answers or follows from, or empty.
        job_id: The job it is about, or empty.
    """

    protocol: tuple[int, ...]
    type: str
    session: str = ""
    message_id: str = ""
    parent_id: str = ""
    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Message):
    """A message of a type this version does not know: answered, never fatal."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as it arrived: with its header and its raw parts."""

    message: Message
    header: Header
    parts: tuple[bytes, ...] = ()


@functools.cache
def process_session() -> str:
    """The session of this process: made at the first call, the same ever after."""
    return uuid.uuid4().hex


def new_id() -> str:
    """A fresh message id or job id: 32 hex digits."""
    return uuid.uuid4().hex


def encode(
    message: Message,
    parts: Sequence[bytes] = (),
    *,
    parent_id: str = "",
    message_id: str = "",
    session: str = "",
) -> list[bytes]:
    """The parts to send.

    Args:
        message: Any message of the registry.
        parts: Its raw parts; exactly `message.num_parts`.
        parent_id: `header.message_id` of what is answered.
        message_id: Give the one of before to repeat a request; a new one by default.
        session: That of this process by default.

    Raises:
        MalformedMessage: A field cannot be carried, or the number of parts is wrong.
    """
    if len(parts) != message.num_parts:
        raise MalformedMessage(
            f"{type(message).__name__} takes {message.num_parts} raw parts, not {len(parts)}."
        )
    header = Header(
        protocol=PROTOCOL_VERSION,
        type=type(message).__name__,
        session=session or process_session(),
        message_id=message_id or new_id(),
        parent_id=parent_id,
        job_id=getattr(message, "job_id", ""),
    )
    return [_pack(to_plain(header)), _pack(to_plain(message)), *parts]


def decode(parts: Sequence[bytes], *, is_engine: bool = False) -> Envelope:
    """The message in `parts`, checked field by field.

    Args:
        parts: As received, without a ROUTER's identity.
        is_engine: Which side we are; only for the words of a ProtocolMismatch.

    Raises:
        MalformedMessage: These bytes are no message of ours.
        ProtocolMismatch: They are one of another major version.
    """
    header = decode_header(parts)
    if header.protocol[0] != PROTOCOL_VERSION[0]:
        raise protocol_mismatch(header.protocol, is_engine=is_engine)
    cls = REGISTRY.get(header.type)
    if cls is None:
        return Envelope(message=Unknown(type=header.type), header=header)
    if len(parts) - 2 < cls.num_parts:
        raise MalformedMessage(f"{header.type} came without its raw part.")
    plain = _unpack(parts[1], MAX_BODY_BYTES)
    message = from_plain(cls, plain, error=MalformedMessage, where=f"message {header.type}")
    return Envelope(message=message, header=header, parts=tuple(parts[2 : 2 + cls.num_parts]))


def decode_header(parts: Sequence[bytes]) -> Header:
    """The header alone, whatever version wrote it.

    Raises:
        MalformedMessage: There is none.
    """
    if not 2 <= len(parts) <= MAX_PARTS:
        raise MalformedMessage(f"A message has 2 to {MAX_PARTS} parts, not {len(parts)}.")
    plain = _unpack(parts[0], MAX_HEADER_BYTES)
    header = from_plain(Header, plain, error=MalformedMessage, where="header")
    if len(header.protocol) != 2:
        raise MalformedMessage("The header should have a major and a minor version.")
    return header


def protocol_mismatch(theirs: Sequence[int], *, is_engine: bool) -> ProtocolMismatch:
    """The error that names both versions and what to update; we are the engine or its client."""
    ours, other = (".".join(map(str, version)) for version in (PROTOCOL_VERSION, theirs))
    engine, client = (ours, other) if is_engine else (other, ours)
    ours_is_older = PROTOCOL_VERSION[0] < theirs[0]
    update = "engine" if ours_is_older == is_engine else "add-on"
    return ProtocolMismatch(
        f"The engine speaks version {engine} of the protocol and the add-on or command speaks "
        f"version {client}. Update the {update}.",
        engine=engine,
        client=client,
        update=update,
    )


def refusal(error: PanoloomError) -> Refused:
    """`error` as the answer to a request."""
    code, message, details = error.to_wire()
    return Refused(code=code, message=message, details=details)


def error_of(refused: Refused) -> PanoloomError:
    """The error a Refused reports, to be raised."""
    return from_wire(refused.code, refused.message, refused.details)


def _pack(plain: Any) -> bytes:
    try:
        return cast("bytes", msgpack.packb(plain, use_bin_type=True))
    except (TypeError, ValueError, OverflowError) as why:
        raise MalformedMessage(f"This cannot be sent: {why}.") from why


def _unpack(raw: bytes, largest: int) -> Any:
    if len(raw) > largest:
        raise MalformedMessage(f"A part of {len(raw)} bytes is too long; {largest} is the most.")
    try:
        return msgpack.unpackb(
            raw,
            raw=False,
            strict_map_key=True,
            max_ext_len=0,
            max_array_len=65536,
            max_map_len=4096,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as why:
        raise MalformedMessage("A part of the message is not valid msgpack.") from why
