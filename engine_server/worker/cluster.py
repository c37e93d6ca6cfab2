"""Actors of a Ray cluster that evaluate windows: the extra `cluster`.

An actor holds a model on a GPU of its node (or on its cores where the model runs on the CPU) and
answers the same messages as a process beside the worker. Ray starts it, carries the parts and says
when it is gone; it ends with the worker. Every node needs this version of Panoloom, the model
installed, and the same device: who computes otherwise is left out (`crew.py`).

Ray itself unpickles what its nodes send each other: a cluster belongs into a network that is
trusted. What is sent here is bytes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ...shared.errors import UserError
from ..config import Executors
from .crew import Lost, Member
from .evaluator import Answerer
from .models import LoadedModels
from .remote_member import RemoteMember

LOCAL = "local"


class EvaluatorActor:
    """What Ray makes an actor of."""

    def __init__(self, log: str) -> None:
        self._answerer = Answerer(LoadedModels(), log)

    def answer(self, parts: Sequence[bytes]) -> list[bytes]:
        """See `Answerer`."""
        return self._answerer.answer(parts)


def require_ray() -> Any:
    """The library.

    Raises:
        UserError: It is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "--cluster wants Ray, which is not installed: pip install 'panoloom[cluster]'. "
            "Several GPUs of this machine need no cluster: --executors N.",
            field="cluster",
        )
    return importlib.import_module("ray")


def recruiter(
    executors: Executors, actor: type = EvaluatorActor, log: str = "the log of Ray"
) -> Callable[[int], Member]:
    """Joins the cluster at the first call; each call makes one actor.

    The call raises UserError where Ray is not installed, or there is no such cluster.
    """

    def recruit(index: int) -> Member:
        del index
        ray = require_ray()
        _join(ray, executors)
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= max(1, executors.count) else 0
        make = ray.remote(actor).options(num_cpus=0 if gpus else 1, num_gpus=gpus, max_restarts=0)
        return RemoteMember(ActorLine(ray, make.remote(log)))

    return recruit


def _join(ray: Any, executors: Executors) -> None:
    if ray.is_initialized():
        return
    more = {"num_cpus": max(1, executors.count)} if executors.cluster == LOCAL else {}
    try:
        ray.init(address=executors.cluster, log_to_driver=False, include_dashboard=False, **more)
    except Exception as why:  # Ray raises that very class when a node does not come up
        raise UserError(
            f"The Ray cluster at {executors.cluster!r} cannot be joined: {why}. Start one with "
            f"`ray start --head`, or take `--cluster {LOCAL}` for one of this machine alone.",
            field="cluster",
        ) from why


class ActorLine:
    """See `remote_member.Line`; an actor answers in the order it was asked."""

    place = "actor"
    where = ""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self._answers: deque[Any] = deque()

    def send(self, parts: Sequence[bytes]) -> None:
        """See `remote_member.Line`."""
        try:
            self._answers.append(self._actor.answer.remote(list(parts)))
        except self._ray.exceptions.RayError as why:
            raise Lost(_in_words(why)) from why

    def receive(self) -> list[bytes]:
        """See `remote_member.Line`."""
        try:
            while True:
                found = self._ray.get(self._answers.popleft())
                if found:
                    return found
        except self._ray.exceptions.RayError as why:
            raise Lost(_in_words(why)) from why

    def close(self) -> None:
        """See `remote_member.Line`."""
        self._ray.kill(self._actor)


def _in_words(why: Exception) -> str:
    return f"{type(why).__name__}: {str(why).strip().splitlines()[0]}"
