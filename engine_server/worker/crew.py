"""Who evaluates the windows of a job: the worker that leads it, and others beside it.

The leader cuts a step into chunks, fuses the results by their index and steps the panorama. What it
gives away is one model call at a time, to whoever is free: a call is plain data, everybody has the
same weights, precision and number of threads, so its bytes do not depend on who makes it. Who is
lost in the middle of a call is not asked again; its call goes to another.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ...shared.errors import GenerationFailed
from ...shared.jobs import JobSpec
from ...shared.messages import Evaluator
from ..config import Executors
from ..denoise.executor import Executor, Threads, in_order
from ..models import catalog
from ..models.adapter import Adapter, Cond, ViewGeometry
from ..models.memory import Level
from ..models.passing_on import PassesOn
from .calls import Call
from .models import ALONE, num_evaluators
from .origin import device_name, numerics_of


class Lost(Exception):
    """Who was asked is gone; says how it ended."""


class Member(Protocol):
    """One who evaluates; asked by one thread at a time."""

    @property
    def place(self) -> str:
        """Where: "worker", "process" or "actor"."""
        ...

    @property
    def device(self) -> str:
        """On what; empty before it is known."""
        ...

    def load(self, spec: JobSpec, level: Level) -> None:
        """Begin to load the model of a job; does not wait.

        Raises:
            Lost: It is gone.
        """
        ...

    def loaded(self) -> str:
        """Wait until that is done; what the last bits depend on, in words.

        Raises:
            Lost: It is gone.
            PanoloomError, torch.OutOfMemoryError: What loading raised.
        """
        ...

    def denoised(self, call: Call) -> Tensor:
        """The windows of a call.

        Raises:
            Lost: It is gone.
            PanoloomError, torch.OutOfMemoryError: What the evaluation raised.
        """
        ...

    def free_cache(self) -> None:
        """Give back what is made again at need."""
        ...

    def close(self) -> None:
        """End it."""
        ...


@dataclass(kw_only=True)
class Leader:
    """The worker itself, with the model that it has loaded anyway."""

    adapter: Adapter
    device: str
    numerics: str
    place: str = "worker"

    def load(self, spec: JobSpec, level: Level) -> None:
        """It has."""

    def loaded(self) -> str:
        """What the last bits depend on, in words."""
        return self.numerics

    def denoised(self, call: Call) -> Tensor:
        """The windows of a call."""
        return self.adapter.denoised(call.x, call.sigma, call.cond, call.views)

    def free_cache(self) -> None:
        """The worker's affair."""

    def close(self) -> None:
        """Likewise."""


@dataclass(kw_only=True)
class _Seat:
    """One of the crew in a job; `note` says why it no longer takes part."""

    member: Member
    evaluations: int = 0
    note: str = ""


class Crew:
    """Everybody who evaluates windows for a worker; one job at a time.

    crew.gather(spec, level, adapter)    others begin to load the leader's model
    crew.join()                          and are ready
    denoise_stages(adapter=crew.shared(adapter), executor=crew.executor, …)
    crew.evaluators()                    who did how much
    """

    def __init__(
        self,
        executors: Executors = ALONE,
        recruit: Callable[[int], Member] | None = None,
        log: str = "the log of the worker",
    ) -> None:
        """Nobody is called yet.

        Args:
            executors: How many are wanted, and where.
            recruit: Calls one, by its number from 0 on. None: there is nobody beside the worker.
            log: Where those who are lost left their last words.
        """
        self._executors = executors
        self._recruit = recruit
        self._log = log
        self._others: dict[int, Member] = {}  # by the number they were called with
        self._seats: list[_Seat] = []
        self._free: deque[_Seat] = deque()
        self._numerics = ""
        self._changed = threading.Condition()

    @property
    def executor(self) -> Executor:
        """Keeps everybody busy; results come in the order of the chunks."""
        at_work = sum(not seat.note for seat in self._seats)
        return in_order if at_work <= 1 else Threads(at_work)

    def gather(self, spec: JobSpec, level: Level, adapter: Adapter) -> None:
        """Call as many as the job's model is for, and have them load it; does not wait.

        Args:
            spec: The planned job.
            level: Of the memory ladder; the same for all.
            adapter: The leader's own; on a cluster it evaluates nothing.
        """
        leader = Leader(
            adapter=adapter, device=device_name(spec.model), numerics=numerics_of(spec.model)
        )
        leads = [] if self._executors.cluster else [leader]
        wanted = num_evaluators(self._executors, catalog.find(spec.model)) - len(leads)
        self._call(wanted)
        others = (self._others[number] for number in sorted(self._others))
        self._numerics = leader.numerics
        self._seats = [_Seat(member=member) for member in (*leads, *others)]
        for seat in self._seats:
            try:
                seat.member.load(spec, level)
            except Lost as why:
                self._lose(seat, why)

    def join(self) -> None:
        """Wait for the others; those whose last bits would differ are left out.

        Raises:
            GenerationFailed: Nobody is left.
            PanoloomError, torch.OutOfMemoryError: What loading raised elsewhere.
        """
        for seat in self._seats:
            try:
                theirs = seat.member.loaded() if not seat.note else self._numerics
            except Lost as why:
                self._lose(seat, why)
            else:
                if theirs != self._numerics:
                    told = f"left out: it has {theirs}; the worker has {self._numerics}"
                    self._leave_out(seat, told)
        self._free = deque(seat for seat in self._seats if not seat.note)
        self._require_somebody()

    def shared(self, adapter: Adapter) -> Adapter:
        """`adapter`, its evaluations given to the crew."""
        return Shared(adapter=adapter, crew=self)

    def denoised(self, call: Call) -> Tensor:
        """The windows of a call, by whoever is free.

        Raises:
            GenerationFailed: Nobody is left.
            PanoloomError, torch.OutOfMemoryError: What the evaluation raised.
        """
        while True:
            seat = self._take()
            try:
                found = seat.member.denoised(call)
            except Lost as why:
                self._lose(seat, why)
            except BaseException:
                self._put_back(seat)
                raise
            else:
                seat.evaluations += 1
                self._put_back(seat)
                return found

    def evaluators(self) -> tuple[Evaluator, ...]:
        """Who took part in the last job."""
        return tuple(
            Evaluator(
                place=seat.member.place,
                device=seat.member.device,
                evaluations=seat.evaluations,
                note=seat.note,
            )
            for seat in self._seats
        )

    def free(self, level: str) -> None:
        """Between jobs: have caches given back, or all the memory: then the others end."""
        if level == "weights":
            self.close()
        for member in self._others.values():
            member.free_cache()

    def close(self) -> None:
        """End all the others."""
        self._call(0)
        self._seats, self._free = [], deque()

    def _call(self, wanted: int) -> None:
        """Have as many others as wanted: end those that are too many, call those that lack."""
        for number in [number for number in self._others if number >= wanted]:
            self._others.pop(number).close()
        for number in range(wanted):
            if self._recruit is not None and number not in self._others:
                self._others[number] = self._recruit(number)

    def _take(self) -> _Seat:
        with self._changed:
            while not self._free:
                self._require_somebody()
                self._changed.wait()
            return self._free.popleft()

    def _put_back(self, seat: _Seat) -> None:
        with self._changed:
            self._free.append(seat)
            self._changed.notify()

    def _lose(self, seat: _Seat, why: Lost) -> None:
        self._leave_out(seat, f"lost after {seat.evaluations} evaluations: {why}")

    def _leave_out(self, seat: _Seat, note: str) -> None:
        print(f"{seat.member.place} {seat.member.device} {note}", file=sys.stderr, flush=True)
        with self._changed:
            seat.note = note
            self._others = {k: one for k, one in self._others.items() if one is not seat.member}
            self._changed.notify_all()
        seat.member.close()

    def _require_somebody(self) -> None:
        if any(not seat.note for seat in self._seats):
            return
        raise GenerationFailed(
            f"Nobody is left to evaluate views: all {len(self._seats)} are gone, the last "
            f"{self._seats[-1].note}. {self._log[:1].upper() + self._log[1:]} says why. Ask for "
            "the job again with fewer executors (`--executors 1`), or see to the machines first.",
            log=self._log,
        )


@dataclass(frozen=True, kw_only=True)
class Shared(PassesOn):
    """An adapter whose windows anybody of a crew evaluates; all else is the leader's."""

    adapter: Adapter
    crew: Crew

    def __getattr__(self, name: str) -> object:
        """What the model has beyond the contract, such as `view_control`."""
        return getattr(self.adapter, name)

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate of x0, laid out row by row whoever made it."""
        found = self.crew.denoised(Call.of(x, sigma, cond, views))
        return found.to(x.device, x.dtype).contiguous()
