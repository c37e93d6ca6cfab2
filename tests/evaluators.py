"""Those who evaluate beside a worker, for tests: in this process, or as a process with a script.

As a process: ``python evaluators.py [die_at=2] [hang=1]`` evaluates the exact denoiser of a field
(`oracles.FieldAdapter`); the words make it kill itself in the middle of its second evaluation, or
never come back from one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from oracles import FieldAdapter
from results import OneModel

from panoloom.engine_server.config import Executors
from panoloom.engine_server.denoise.finish import Finished
from panoloom.engine_server.denoise.methods import METHODS, plan_method
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Adapter, Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.models.memory import LEVELS
from panoloom.engine_server.worker.crew import Crew, Lost
from panoloom.engine_server.worker.evaluator import Answerer, serve
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.engine_server.worker.process_line import ProcessLine
from panoloom.engine_server.worker.remote_member import Line, RemoteMember
from panoloom.shared.jobs import JobSpec

LATENTS = LatentSpec(channels=3, ratio_s=8, ratio_t=1, window_hw=(8, 8), window_frames=4)
HEIGHT, FRAMES, STEPS = 16, 4, 3
SPEC = JobSpec(prompt="a field")


class Scripted(FieldAdapter):
    """A `FieldAdapter` that does something before an evaluation; told how many there were."""

    def __init__(self, script: Callable[[int], object] = lambda calls: None) -> None:
        super().__init__(num_frames=FRAMES, spec=LATENTS)
        self.script = script

    def denoised(
        self, x: torch.Tensor, sigma: float, cond: Cond, views: ViewGeometry
    ) -> torch.Tensor:
        self.script(self.calls)
        return super().denoised(x, sigma, cond, views)


class LineHere:
    """A line to an `Answerer` in this process; `lost_at` is the answer with which it is lost."""

    place, where = "process", ""

    def __init__(self, models: LoadedModels, *, lost_at: int = 10**9) -> None:
        self._answerer = Answerer(models, "the log")
        self._answers: deque[list[bytes]] = deque()
        self._left = lost_at
        self.heard: list[bytes] = []
        self.is_closed = False

    def send(self, parts: Sequence[bytes]) -> None:
        self.heard.append(parts[0])
        answer = self._answerer.answer(list(parts))
        if answer:
            self._answers.append(answer)

    def receive(self) -> list[bytes]:
        self._left -= 1
        if self._left < 0:
            raise Lost("pulled the plug")
        return self._answers.popleft()

    def close(self) -> None:
        self.is_closed = True


def process_line(*words: str) -> ProcessLine:
    """A process with this script."""
    return ProcessLine([sys.executable, str(Path(__file__).resolve()), *words])


def crew_of(lines: Sequence[Line], *, leads: bool = True, spare: Line | None = None) -> Crew:
    """A crew of these and, if it `leads`, of the worker; the `spare` comes for one that is lost."""
    waiting: dict[int, Line] = dict(enumerate(lines))
    executors = Executors(count=len(lines) + leads, cluster="" if leads else "somewhere")

    def recruit(number: int) -> RemoteMember:
        found = waiting.pop(number, spare)
        assert found is not None, "nobody is lost in this test"
        return RemoteMember(found)

    return Crew(executors, recruit, log="the worker's log")


def made_by(
    crew: Crew,
    adapter: Adapter | None = None,
    *,
    method: str = "fused",
    cancelled: Callable[[], bool] | None = None,
) -> Finished:
    """A small panorama whose windows a crew evaluates."""
    adapter = Scripted() if adapter is None else adapter
    crew.gather(SPEC, LEVELS[0], adapter)
    crew.join()
    plan = plan_method(
        method, latent_width=2 * HEIGHT, latent_height=HEIGHT, spec=LATENTS, fov_deg=90.0
    )
    result = METHODS[method](
        None,
        adapter=crew.shared(adapter),
        cond=Cond(tensors={"text": torch.ones(1, 2)}),
        uncond=Cond(tensors={"text": torch.zeros(1, 2)}),
        guidance_scale=2.0,
        sigmas=flow_sigmas(STEPS),
        shape=(LATENTS.channels, FRAMES, HEIGHT, 2 * HEIGHT),
        seed=1,
        view_batch=3,
        plan=plan,
        executor=crew.executor,
        cancelled=cancelled,
    )
    return Finished.of(result)


def _script(words: dict[str, int]) -> Callable[[int], object]:
    def before(calls: int) -> None:
        print("a library says something on standard output")
        if calls == words.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if words.get("hang"):
            threading.Event().wait()

    return before


if __name__ == "__main__":
    pairs = (word.partition("=") for word in sys.argv[1:])
    script = _script({name: int(value) for name, _, value in pairs})
    serve(OneModel(Scripted(script)), "the log")
