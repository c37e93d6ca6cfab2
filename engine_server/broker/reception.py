"""The front of a socket: whatever arrives is decoded, answered, and never fatal."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import zmq
import zmq.asyncio

from ...shared.errors import (
    EngineError,
    MalformedMessage,
    PanoloomError,
    ProtocolMismatch,
)
from ...shared.messages import Message
from ...shared.wire import Envelope, Unknown, decode, decode_header, encode, refusal
from .sockets import try_send

log = logging.getLogger(__name__)
KEPT_ANSWERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked, and who it is."""

    identity: bytes
    envelope: Envelope

    @property
    def message(self) -> Message:
        return self.envelope.message

    @property
    def message_id(self) -> str:
        return self.envelope.header.message_id


Answer = tuple[Message, Sequence[bytes]]
Handler = Callable[[Request], Awaitable[Answer | None]]


class Reception:
    """Serves one ROUTER socket.

    Args:
        accepted: Message types that belong on this socket.
        once: Of these, the ones that change something: repeated with the same message id they get
            the same answer and are not carried out again.
        handler: Gives the answer, or None if it will `reply` later; raises PanoloomError to refuse.
    """

    def __init__(
        self,
        socket: zmq.asyncio.Socket,
        *,
        session: str,
        accepted: Sequence[type[Message]],
        once: tuple[type[Message], ...],
        handler: Handler,
    ) -> None:
        self._socket = socket
        self._session = session
        self._accepted = tuple(accepted)
        self._once = once
        self._handler = handler
        self._answers: OrderedDict[tuple[str, str], list[bytes]] = OrderedDict()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            identity, *parts = await self._socket.recv_multipart()
            await self._take(identity, parts)

    def reply(self, request: Request, message: Message, parts: Sequence[bytes] = ()) -> None:
        """Answer a request."""
        raw = encode(message, parts, parent_id=request.message_id, session=self._session)
        key = (request.envelope.header.session, request.message_id)
        if isinstance(request.message, self._once) and request.message_id:
            self._answers[key] = raw
            while len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
        self._send(request.identity, raw)

    async def _take(self, identity: bytes, parts: Sequence[bytes]) -> None:
        try:
            envelope = decode(parts, is_engine=True)
        except (MalformedMessage, ProtocolMismatch) as why:
            log.info("refused a message: %s", why)
            raw = encode(refusal(why), parent_id=_message_id(parts), session=self._session)
            self._send(identity, raw)
            return
        request = Request(identity=identity, envelope=envelope)
        known = self._answers.get((envelope.header.session, request.message_id))
        if known is not None and isinstance(request.message, self._once):
            self._send(identity, known)
            return
        try:
            answer = await self._answer(request)
        except PanoloomError as why:
            answer = refusal(why), ()
        except Exception:
            log.exception("a bug: %s could not be answered", envelope.header.type)
            answer = refusal(EngineError("The engine could not do that; its log says why.")), ()
        if answer is not None:
            self.reply(request, *answer)

    async def _answer(self, request: Request) -> Answer | None:
        message = request.message
        if isinstance(message, Unknown):
            raise MalformedMessage(
                f"This engine does not know the request {message.type[:60]!r}; it may be too old "
                "for it.",
                type=message.type[:60],
            )
        if not isinstance(message, self._accepted):
            raise MalformedMessage(
                f"{type(message).__name__} does not belong on this socket.",
                type=type(message).__name__,
            )
        return await self._handler(request)

    def _send(self, identity: bytes, raw: Sequence[bytes]) -> None:
        try:
            try_send(self._socket, identity, raw)
        except zmq.ZMQError as why:  # gone, or not reading: it can ask again
            log.info("an answer was not taken: %s", why)


def _message_id(parts: Sequence[bytes]) -> str:
    try:
        return decode_header(parts).message_id
    except MalformedMessage:
        return ""
