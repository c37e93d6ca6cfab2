"""The foreman: keeps one worker alive and gives it one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import zmq
import zmq.asyncio

from ...shared.errors import (
    GenerationFailed,
    MalformedMessage,
    PanoloomError,
    UserError,
)
from ...shared.messages import (
    CancelJob,
    FreeMemory,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobResumed,
    JobStarted,
    MemoryFreed,
    Message,
    RunJob,
    StopWorker,
    WorkerReady,
    WorkerStatus,
)
from ...shared.wire import decode, encode
from ..room import write_failed
from .admission import fault_of, is_intact, key_of_finished, result_key
from .config import BrokerConfig
from .crashes import CrashLedger
from .process import WorkerProcess
from .sockets import try_send
from .store import Job, JobStore
from .timers import Timers

log = logging.getLogger(__name__)
RESTART_DELAYS_S = (0.0, 1.0, 5.0)
FREE_TIMEOUT_S = 120.0
END_PATIENCE_S = 3.0
LAST_WORDS_S = 0.1
RETRY_S = 5.0


class Record(Protocol):
    """Stores an event and tells the watchers; None if it cannot happen in the job's state."""

    def __call__(
        self, event: Message, parts: Sequence[bytes] = (), *, key: str = ""
    ) -> Message | None: ...


@dataclass(slots=True, kw_only=True)
class _Current:
    """The job the worker has."""

    job_id: str
    key: str
    attempt: int
    fraction: float = 0.0
    is_cancelled: bool = False


class Foreman:
    """Supervises the worker. Everything happens in the broker's event loop."""

    def __init__(
        self,
        config: BrokerConfig,
        store: JobStore,
        socket: zmq.asyncio.Socket,
        *,
        session: str,
        make_process: Callable[[], WorkerProcess],
        record: Record,
    ) -> None:
        self._config = config
        self._store = store
        self._socket = socket
        self._session = session
        self._make_process = make_process
        self._record = record
        self._process: WorkerProcess | None = None
        self._info: WorkerReady | None = None
        self._is_leaving = False
        self._is_stopping = False
        self._end_reason = ""
        self._current: _Current | None = None
        self._crashes = CrashLedger(config.max_crashes)
        self._failed_starts = 0
        self._restarts = 0
        self._heard_at = 0.0
        self._timers = Timers()
        self._freed: asyncio.Future[MemoryFreed] | None = None
        self._cleanups: set[asyncio.Task[None]] = set()

    @property
    def running_job_id(self) -> str:
        """The job in hand, or empty."""
        return self._current.job_id if self._current is not None else ""

    def status(self) -> WorkerStatus:
        """The worker as clients see it."""
        info = self._info
        if self._process is None:
            return WorkerStatus(restarts=self._restarts)
        if info is None:
            return WorkerStatus(state="starting", pid=self._process.pid, restarts=self._restarts)
        return WorkerStatus(
            state="busy" if self._current is not None else "idle",
            pid=self._process.pid,
            device=info.device,
            precision=info.precision,
            numerics_version=info.numerics_version,
            memory_total_bytes=info.memory_total_bytes,
            memory_free_bytes=info.memory_free_bytes,
            restarts=self._restarts,
        )

    def known_worker(self) -> WorkerReady | None:
        """What the worker is, or what the last one was that ran here under this engine version."""
        if self._info is not None:
            return self._info
        fact = self._store.fact("worker")
        if fact is None or fact.pop("engine_version", "") != self._config.engine_version:
            return None
        return WorkerReady(pid=0, **fact)

    # The cycle of work

    def wake(self) -> None:
        """Give out the next job, if there is one and a worker for it; else see to the worker."""
        while self._current is None and not self._is_stopping:
            job = self._store.next_queued()
            if job is None:
                self._rest()
                return
            self._timers.disarm("idle")
            if self._info is None or self._is_leaving:
                self.ensure_worker()
                return
            if not self._give_out(job, self._info):
                self._timers.arm("again", RETRY_S, self.wake)
                return

    def ensure_worker(self) -> None:
        """Start a worker if there is none, soon."""
        if self._process is None and "start" not in self._timers and not self._is_stopping:
            index = min(self._failed_starts, len(RESTART_DELAYS_S) - 1)
            self._timers.arm("start", RESTART_DELAYS_S[index], self._start)

    def finish_from_results(self, job: Job, worker: WorkerReady) -> bool:
        """Whether the job's pictures were made before; then it is finished at once."""
        key = result_key(job.spec, worker)
        for artifact in self._store.finished_with(key):
            if is_intact(artifact):
                finished = JobFinished(job_id=job.job_id, artifact=artifact)
                return self._record(finished, key=key) is not None
        return False

    def cancel(self, job: Job) -> None:
        """Stop a job: at once if it waits, else through the worker, in the end by force."""
        current = self._current
        if current is None or current.job_id != job.job_id:
            if self._record(JobCancelled(job_id=job.job_id)) is not None:
                self._clean_up(job.job_id)
            return
        if not current.is_cancelled:
            current.is_cancelled = True
            self._tell(CancelJob(job_id=job.job_id))
            self._timers.arm("cancel", self._config.cancel_grace_s, self._end_stubborn)

    async def free(self, level: str) -> MemoryFreed:
        """Have the worker give memory back.

        Raises:
            UserError: It has a job, or there is no such level.
            GenerationFailed: It does not answer.
        """
        if level not in ("cache", "weights", "exit"):
            raise UserError(
                f"There is no level {level!r}; known are cache, weights and exit.", field="level"
            )
        if self._current is not None:
            raise UserError("A job is running; cancel it first, or wait for its end.")
        if self._process is None or self._info is None:
            return MemoryFreed(level=level)
        if level == "exit":
            self._is_leaving = True
            process = self._process
            await process.end(END_PATIENCE_S)
            self._ended(process, 0)
            return MemoryFreed(level=level)
        if self._freed is None:
            self._freed = asyncio.get_running_loop().create_future()
            self._tell(FreeMemory(level=level))
        try:
            return await asyncio.wait_for(asyncio.shield(self._freed), FREE_TIMEOUT_S)
        except TimeoutError as why:
            raise GenerationFailed("The worker does not answer; cancel its job.") from why

    async def stop(self) -> None:
        """End the worker; its job stays in the store and is resumed at the next start."""
        self._is_stopping = True
        self._timers.disarm()
        if self._process is not None:
            await self._process.end(END_PATIENCE_S)
            self._process = None
        if self._cleanups:
            await asyncio.gather(*self._cleanups, return_exceptions=True)

    async def serve(self) -> None:
        """Hear the worker until cancelled."""
        while True:
            identity, *parts = await self._socket.recv_multipart()
            if self._process is None or identity != self._process.name:
                with contextlib.suppress(
                    zmq.ZMQError
                ):  # one of an earlier start, or its last words
                    try_send(self._socket, identity, encode(StopWorker(), session=self._session))
                continue
            try:
                envelope = decode(parts, is_engine=True)
            except PanoloomError as why:
                log.warning("the worker sent something strange: %s", why)
                continue
            self._heard_at = asyncio.get_running_loop().time()
            self._hear(envelope.message, envelope.parts)

    # The worker speaks

    def _hear(self, message: Message, parts: Sequence[bytes]) -> None:
        match message:
            case WorkerReady():
                self._greet(message)
            case MemoryFreed():
                if self._freed is not None and not self._freed.done():
                    self._freed.set_result(message)
                self._freed = None
            case JobProgressed() | JobPreviewed() | JobFinished() | JobFailed() | JobCancelled():
                if self._current is not None and message.job_id == self._current.job_id:
                    self._hear_of_job(self._current, message, parts)
            case _:
                log.warning("the worker sent %s, which is not for the broker", message)

    def _greet(self, info: WorkerReady) -> None:
        self._info = info
        self._failed_starts = 0
        self._timers.disarm("getting ready")
        self._store.remember(
            "worker",
            {
                "device": info.device,
                "precision": info.precision,
                "numerics_version": info.numerics_version,
                "engine_version": self._config.engine_version,
            },
        )
        self.wake()

    def _hear_of_job(self, current: _Current, message: Message, parts: Sequence[bytes]) -> None:
        match message:
            case JobProgressed():
                current.fraction = max(current.fraction, message.progress.fraction)
                self._record(message)
            case JobFinished():
                error = fault_of(message.artifact, self._config.library)
                if error is None:
                    key = key_of_finished(message.artifact, current.key)
                    self._end_job(message, key=key)
                else:
                    self._end_job(_failed(current.job_id, error))
            case JobCancelled() if not current.is_cancelled:
                self._interrupted(current, "The worker let go of the job unasked")
                self._let_go()
            case JobFailed() | JobCancelled():
                self._end_job(message)
            case _:
                self._record(message, parts)

    # Jobs begin and end

    def _give_out(self, job: Job, worker: WorkerReady) -> bool:
        """Have the job done, one way or the other; False if that cannot even be written down."""
        if self.finish_from_results(job, worker):
            self._clean_up(job.job_id)
            return True
        attempt = job.attempt + 1
        if self._record(JobStarted(job_id=job.job_id, attempt=attempt)) is None:
            return False
        self._current = _Current(
            job_id=job.job_id, key=result_key(job.spec, worker), attempt=attempt
        )
        work_dir = self._config.work_dir(job.job_id)
        self._heard_at = asyncio.get_running_loop().time()
        self._timers.arm("stall", self._config.worker_stall_s, self._check_stall)
        try:
            work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as why:
            error = write_failed(why, work_dir, what="The folder for checkpoints")
            self._end_job(_failed(job.job_id, error))
            return True
        self._tell(
            RunJob(
                job_id=job.job_id,
                spec=job.spec.to_plain(),
                attempt=attempt,
                work_dir=str(work_dir),
            )
        )
        return True

    def _end_job(self, event: Message, *, key: str = "") -> None:
        self._record(event, key=key)
        job_id = self.running_job_id
        self._crashes.forget(job_id)
        self._clean_up(job_id)
        self._let_go()

    def _let_go(self) -> None:
        self._current = None
        self._timers.disarm("stall")
        self._timers.disarm("cancel")
        self.wake()

    def _interrupted(self, current: _Current, reason: str) -> None:
        """The worker is lost in mid-job: go on with another, unless it keeps dying here."""
        count = self._crashes.count(current.job_id, current.fraction)
        if not self._crashes.is_hopeless(current.job_id):
            text = f"{reason}. Another worker goes on from the last checkpoint."
            self._record(
                JobResumed(job_id=current.job_id, attempt=current.attempt + 1, reason=text)
            )
            return
        words = self._process.last_words() if self._process is not None else ""
        error = GenerationFailed(
            f"{reason}, {count} times at the same point of this job. The log of the worker "
            f"says why: {self._config.worker_log}",
            log=str(self._config.worker_log),
            last_words=words,
        )
        self._record(_failed(current.job_id, error))
        self._crashes.forget(current.job_id)
        self._clean_up(current.job_id)

    def _clean_up(self, job_id: str) -> None:
        folder = self._config.work_dir(job_id)
        if folder.exists():
            task = asyncio.ensure_future(asyncio.to_thread(shutil.rmtree, folder, True))
            self._cleanups.add(task)
            task.add_done_callback(self._cleanups.discard)

    # Workers begin and end

    def _start(self) -> None:
        process = self._make_process()
        self._process, self._info = process, None
        self._is_leaving, self._end_reason = False, ""
        try:
            process.start(
                # what it said last may still be on the line
                lambda status: self._timers.arm(
                    "last words", LAST_WORDS_S, lambda: self._ended(process, status)
                )
            )
        except GenerationFailed as why:
            log.error("%s", why)
            self._end_reason = f"The worker cannot be started ({why.__cause__})"
            self._ended(process, -1)
            return
        self._timers.arm("getting ready", self._config.worker_start_timeout_s, self._end_sleeper)

    def _ended(self, process: WorkerProcess, status: int) -> None:
        if process is not self._process:
            return
        process.ask_to_end()  # closes our end of its pipe
        self._timers.disarm("getting ready", "stall", "cancel", "idle")
        was_ready, was_leaving = self._info is not None, self._is_leaving
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(MemoryFreed(level="exit"))
        self._freed = None
        current, self._current = self._current, None
        if not self._is_stopping:
            if not was_leaving:
                self._restarts += 1
                self._account_for_end(current, was_ready, status)
            elif current is not None:
                self._interrupted(current, "The worker process ended")
        self._process, self._info, self._is_leaving = None, None, False
        self.wake()

    def _account_for_end(self, current: _Current | None, was_ready: bool, status: int) -> None:
        reason = self._end_reason or f"The worker process ended unexpectedly ({_words(status)})"
        log.warning("%s", reason)
        if current is not None and current.is_cancelled:
            self._record(JobCancelled(job_id=current.job_id))
            self._clean_up(current.job_id)
        elif current is not None:
            self._interrupted(current, reason)
        elif not was_ready:
            self._failed_starts += 1
            waiting = self._store.next_queued()
            if self._failed_starts >= self._config.max_crashes and waiting is not None:
                self._give_up_on(waiting, reason)

    def _give_up_on(self, job: Job, reason: str) -> None:
        words = self._process.last_words() if self._process is not None else ""
        said = f" It said: {words}" if words else ""
        error = GenerationFailed(
            f"{reason}, {self._failed_starts} times before it was ready.{said} "
            f"`panoloom doctor` tells what this installation lacks; the worker's log is "
            f"{self._config.worker_log}",
            log=str(self._config.worker_log),
            last_words=words,
        )
        self._record(_failed(job.job_id, error))
        self._clean_up(job.job_id)
        self._failed_starts = 0

    def _rest(self) -> None:
        ttl_s = self._config.idle_worker_s
        if self._info is not None and ttl_s is not None and "idle" not in self._timers:
            self._timers.arm("idle", ttl_s, self._send_home)

    def _send_home(self) -> None:
        if self._process is not None and self._current is None:
            self._is_leaving = True
            self._tell(StopWorker())
            self._process.ask_to_end()

    def _end_stubborn(self) -> None:
        if self._process is not None:
            self._end_reason = "The worker did not stop when asked"
            self._process.kill()

    def _end_sleeper(self) -> None:
        if self._process is not None:
            seconds = self._config.worker_start_timeout_s
            self._end_reason = (
                f"The worker was not ready within {seconds:.0f} seconds and was ended"
            )
            self._process.kill()

    def _check_stall(self) -> None:
        silent_s = asyncio.get_running_loop().time() - self._heard_at
        left_s = self._config.worker_stall_s - silent_s
        if left_s > 0:
            self._timers.arm("stall", left_s + 0.1, self._check_stall)
        elif self._process is not None:
            self._end_reason = f"The worker was silent for {silent_s:.0f} seconds and was ended"
            self._process.kill()

    # Small change

    def _tell(self, message: Message) -> None:
        if self._process is None:
            return
        try:
            raw = encode(message, session=self._session)
            try_send(self._socket, self._process.name, raw)
        except (zmq.ZMQError, MalformedMessage) as why:
            log.warning("cannot reach the worker: %s", why)
            if isinstance(message, RunJob):
                self._end_reason = "The worker could not be reached"
                self._process.kill()


def _failed(job_id: str, error: PanoloomError) -> JobFailed:
    code, message, details = error.to_wire()
    return JobFailed(job_id=job_id, code=code, message=message, details=details)


def _words(status: int) -> str:
    if status == -9:
        return "killed by signal 9, as happens too when the machine runs out of memory"
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"
