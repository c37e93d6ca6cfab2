"""Evaluates windows for a worker, with a model of its own: as a process, or inside of an actor.

    python -m panoloom.engine_server.worker.evaluator --log FILE

Requests come on standard input, answers go to standard output. When the worker ends, however it
ends, standard input closes and this process ends at once, in the middle of whatever it does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import BinaryIO

import torch

from ...shared.errors import MalformedMessage, PanoloomError
from ...shared.evaluation import (
    Evaluate,
    Evaluated,
    EvaluationFailed,
    KeepPrompt,
    LoadModel,
    ModelLoaded,
)
from ...shared.jobs import JobSpec
from ...shared.message import Message
from ...shared.messages import FreeMemory
from ...shared.wire import decode, encode
from ..models.adapter import Adapter, Cond
from .calls import Call, pack, unpack
from .faults import out_of_memory, unexpected
from .models import LoadedModels
from .origin import device_name, numerics_of
from .pipe import read_parts, write_parts


class Answerer:
    """Answers the messages of a worker, one after the other."""

    def __init__(self, models: LoadedModels, log: str) -> None:
        """`models` loads; `log` is what errors name as the place to look."""
        self._models = models
        self._log = log
        self._adapter: Adapter | None = None
        self._prompts: dict[str, Cond] = {}

    def answer(self, parts: Sequence[bytes]) -> list[bytes]:
        """The parts of the answer; none where a message has none."""
        envelope = decode(parts)
        try:
            found = self._answer(envelope.message, envelope.parts)
        except (torch.OutOfMemoryError, MemoryError) as why:
            found = _failed(out_of_memory(why), ran_out_of_memory=True)
        except PanoloomError as why:
            found = _failed(why)
        except Exception as why:
            found = _failed(unexpected(why, self._log))
        return [] if found is None else encode(*found, parent_id=envelope.header.message_id)

    def _answer(
        self, message: Message, raw: Sequence[bytes]
    ) -> tuple[Message, Sequence[bytes]] | None:
        match message:
            case LoadModel():
                return self._load(message), ()
            case KeepPrompt():
                self._prompts[message.prompt] = Cond(tensors=unpack(raw[0]))
            case Evaluate():
                return self._evaluate(message, raw[0])
            case FreeMemory():
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            case _:
                raise MalformedMessage(f"{type(message).__name__} is not for who evaluates.")
        return None

    def _load(self, message: LoadModel) -> ModelLoaded:
        torch.set_num_threads(message.threads)
        spec = JobSpec.from_plain(message.spec)
        self._adapter = None
        self._prompts.clear()
        self._adapter = self._models.for_evaluation(spec, message.level)
        return ModelLoaded(
            pid=os.getpid(), device=device_name(spec.model), numerics=numerics_of(spec.model)
        )

    def _evaluate(self, message: Evaluate, raw: bytes) -> tuple[Message, Sequence[bytes]]:
        if self._adapter is None or message.prompt not in self._prompts:
            raise MalformedMessage("Evaluate comes after LoadModel and KeepPrompt.")
        call = Call.from_message(message, raw, self._prompts[message.prompt])
        with torch.no_grad():
            found = self._adapter.denoised(call.x, call.sigma, call.cond, call.views)
        return Evaluated(), [pack({"denoised": found})]


def _failed(
    why: PanoloomError, *, ran_out_of_memory: bool = False
) -> tuple[Message, Sequence[bytes]]:
    code, text, details = why.to_wire()
    failed = EvaluationFailed(
        code=code, message=text, details=details, ran_out_of_memory=ran_out_of_memory
    )
    return failed, ()


def serve(models: LoadedModels, log: str) -> None:
    """Answer what comes on standard input until that closes; does not return."""
    answers = _own_output()
    answerer = Answerer(models, log)
    requests: SimpleQueue[list[bytes]] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    while True:
        answer = answerer.answer(requests.get())
        if answer:
            with contextlib.suppress(OSError):  # the worker is gone, and so are we in a moment
                write_parts(answers, answer)


def _own_output() -> BinaryIO:
    """Standard output for answers alone: what libraries print goes to standard error instead."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _listen(stream: BinaryIO, requests: SimpleQueue[list[bytes]]) -> None:
    """Take requests in as they come; end the process with the stream."""
    try:
        while True:
            requests.put(read_parts(stream))
    except (EOFError, OSError, MalformedMessage):
        os._exit(0)


def main() -> None:
    """Serve with the models of this installation."""
    parser = argparse.ArgumentParser(prog="panoloom.engine_server.worker.evaluator")
    parser.add_argument("--log", required=True)
    serve(LoadedModels(), parser.parse_args().log)


if __name__ == "__main__":
    main()
