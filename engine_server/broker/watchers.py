"""Who watches which job, and how far each has been told.

A watcher that reads too slowly loses nothing: it is told again from the store, from where it
stands, when there is room. Of the previews it then gets the newest only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import zmq
import zmq.asyncio

from ...shared.errors import UserError
from ...shared.messages import LAST_EVENTS, Message
from ...shared.wire import encode
from .sockets import try_send
from .store import JobStore

MAX_WATCHES = 1024
RETRY_S = 0.2


@dataclass(slots=True, kw_only=True)
class _Watch:
    told_seq: int
    parent_id: str
    is_behind: bool = False


@dataclass(slots=True)
class Watchers:
    """The watches on one control socket."""

    socket: zmq.asyncio.Socket
    store: JobStore
    session: str
    _watches: dict[tuple[bytes, str], _Watch] = field(default_factory=dict)
    _retry: asyncio.TimerHandle | None = None

    def add(self, identity: bytes, job_id: str, after_seq: int, parent_id: str) -> None:
        """Watch a job: first what is stored after `after_seq`, then what comes.

        Raises:
            UserError: This engine has too many watches.
        """
        if len(self._watches) >= MAX_WATCHES and (identity, job_id) not in self._watches:
            raise UserError(
                f"The engine serves {MAX_WATCHES} watches at most. Close a client that watches "
                "jobs, or wait until some of them have ended.",
                largest=MAX_WATCHES,
            )
        self._watches[identity, job_id] = _Watch(told_seq=after_seq, parent_id=parent_id)
        self._catch_up(identity, job_id)

    def remove(self, identity: bytes, job_id: str) -> None:
        """Stop watching; harmless if nobody did."""
        self._watches.pop((identity, job_id), None)

    def tell(self, event: Message, parts: Sequence[bytes]) -> None:
        """Pass an event that was just stored to all who watch its job."""
        job_id = str(getattr(event, "job_id"))  # noqa: B009
        for identity, watched in [key for key in self._watches if key[1] == job_id]:
            watch = self._watches[identity, watched]
            if not watch.is_behind:
                self._send(identity, watched, watch, event, parts)

    def close(self) -> None:
        """Forget all."""
        if self._retry is not None:
            self._retry.cancel()
        self._watches.clear()

    def _catch_up(self, identity: bytes, job_id: str) -> None:
        watch = self._watches[identity, job_id]
        watch.is_behind = False
        for stored in self.store.events(job_id, watch.told_seq):
            if not self._send(identity, job_id, watch, stored.message, stored.parts):
                return

    def _send(
        self, identity: bytes, job_id: str, watch: _Watch, event: Message, parts: Sequence[bytes]
    ) -> bool:
        raw = encode(event, parts, parent_id=watch.parent_id, session=self.session)
        try:
            try_send(self.socket, identity, raw)
        except zmq.Again:
            watch.is_behind = True
            self._schedule_retry()
            return False
        except zmq.ZMQError:  # the peer is gone; a client that comes back watches anew
            for key in [key for key in self._watches if key[0] == identity]:
                del self._watches[key]
            return False
        watch.told_seq = int(getattr(event, "seq"))  # noqa: B009
        if isinstance(event, LAST_EVENTS):
            self._watches.pop((identity, job_id), None)
        return True

    def _schedule_retry(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        for identity, job_id in [key for key, watch in self._watches.items() if watch.is_behind]:
            if (identity, job_id) in self._watches:
                self._catch_up(identity, job_id)
