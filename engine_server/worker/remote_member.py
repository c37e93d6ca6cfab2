"""One of the crew that is somewhere else: the messages, over any line that carries parts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ...shared.errors import MalformedMessage, from_wire
from ...shared.evaluation import (
    Evaluated,
    EvaluationFailed,
    KeepPrompt,
    LoadModel,
    ModelLoaded,
)
from ...shared.jobs import JobSpec
from ...shared.message import Message
from ...shared.messages import FreeMemory
from ...shared.wire import Envelope, decode, encode
from ..models.memory import Level
from .calls import Call, hash_of, pack, unpack
from .crew import Lost


class Line(Protocol):
    """Carries messages to one who evaluates, and its answers back, in their order."""

    @property
    def place(self) -> str:
        """What is at the other end: "process" or "actor"."""
        ...

    @property
    def where(self) -> str:
        """Which device it was given, in words; empty where it chooses itself."""
        ...

    def send(self, parts: Sequence[bytes]) -> None:
        """Raises Lost."""
        ...

    def receive(self) -> list[bytes]:
        """The next answer; waits for it. Raises Lost."""
        ...

    def close(self) -> None:
        """End what is at the other end."""
        ...


class RemoteMember:
    """One of a crew at the other end of a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: set[str] = set()
        self._num_open = 0  # requests that are not answered yet
        self.device = ""

    @property
    def place(self) -> str:
        """Where it is."""
        return self._line.place

    def load(self, spec: JobSpec, level: Level) -> None:
        """See `crew.Member`. What an earlier job left unanswered is heard first."""
        self._known.clear()
        while self._num_open:
            self._receive()
        threads = torch.get_num_threads()
        self._tell(LoadModel(spec=spec.to_plain(), level=level.name, threads=threads))
        self._num_open += 1

    def loaded(self) -> str:
        """See `crew.Member`."""
        answer = self._hear().message
        if not isinstance(answer, ModelLoaded):
            raise Lost(f"it answered with {type(answer).__name__}")
        self.device = " ".join(filter(None, (self._line.where, answer.device)))
        return answer.numerics

    def denoised(self, call: Call) -> Tensor:
        """See `crew.Member`."""
        prompt = pack(call.cond.tensors)
        name = hash_of(prompt)
        if name not in self._known:
            self._tell(KeepPrompt(prompt=name), [prompt])
            self._known.add(name)
        request, raw = call.message(name)
        self._tell(request, [raw])
        self._num_open += 1
        answer = self._hear()
        if not isinstance(answer.message, Evaluated):
            raise Lost(f"it answered with {type(answer.message).__name__}")
        return unpack(answer.parts[0])["denoised"]

    def free_cache(self) -> None:
        """See `crew.Member`; who is gone has given back all."""
        with contextlib.suppress(Lost):
            self._tell(FreeMemory(level="cache"))

    def close(self) -> None:
        """See `crew.Member`."""
        self._line.close()

    def _tell(self, message: Message, parts: Sequence[bytes] = ()) -> None:
        self._line.send(encode(message, parts))

    def _receive(self) -> Envelope:
        self._num_open -= 1
        try:
            return decode(self._line.receive())
        except MalformedMessage as why:
            raise Lost(str(why)) from why

    def _hear(self) -> Envelope:
        """The next answer; an error that it reports is raised as itself."""
        envelope = self._receive()
        failed = envelope.message
        if isinstance(failed, EvaluationFailed):
            if failed.ran_out_of_memory:
                raise torch.OutOfMemoryError(f"{self.place} {self.device}: {failed.message}")
            raise from_wire(failed.code, failed.message, failed.details)
        return envelope
