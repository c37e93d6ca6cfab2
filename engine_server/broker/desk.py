"""What each request on the control socket does."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from ...shared.errors import InvalidJob, PanoloomError
from ...shared.jobs import JobState
from ...shared.messages import (
    LAST_EVENTS,
    PROTOCOL_VERSION,
    CancelAccepted,
    CancelJob,
    FreeMemory,
    GetStatus,
    Hello,
    JobAccepted,
    JobQueued,
    JobsListed,
    JobWatched,
    ListJobs,
    Message,
    Shutdown,
    ShutdownAccepted,
    StatusReported,
    SubmitJob,
    UnwatchJob,
    WatchJob,
    Welcomed,
)
from ...shared.wire import refusal
from .admission import Plan, admit, asked_spec
from .blobs import BlobStore
from .config import BrokerConfig
from .foreman import Foreman
from .reception import Answer, Reception, Request
from .store import Job, JobStore
from .watchers import Watchers

log = logging.getLogger(__name__)
MAX_LISTED = 200
RETRY_S = 5.0


class Desk:
    """Answers clients. Nothing here waits: what takes time is answered later."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        session: str,
        plan: Plan,
        models: Sequence[dict[str, Any]],
        store: JobStore,
        blobs: BlobStore,
        watchers: Watchers,
        foreman: Foreman,
        stop: Callable[[], None],
    ) -> None:
        self._config = config
        self._session = session
        self._plan = plan
        self._models = tuple(models)
        self._store = store
        self._blobs = blobs
        self._watchers = watchers
        self._foreman = foreman
        self._stop = stop
        self._started_at = time.monotonic()
        self._later: set[asyncio.Task[None]] = set()
        self.reception: Reception | None = None  # for answers that come later

    async def answer(self, request: Request) -> Answer | None:
        """The answer to one request.

        Raises:
            PanoloomError: It is refused.
        """
        match request.message:
            case Hello():
                return self._welcome(), ()
            case SubmitJob() as submit:
                return self._submit(submit), ()
            case WatchJob() | UnwatchJob() as watch:
                self._watch(request, watch)
                return None
            case CancelJob() as cancel:
                return self._cancel(cancel), ()
            case ListJobs() as listing:
                jobs = self._store.newest(min(max(listing.limit, 0), MAX_LISTED))
                return JobsListed(jobs=tuple(job.summary() for job in jobs)), ()
            case GetStatus():
                return self._status(), ()
            case FreeMemory():
                task = asyncio.ensure_future(self._free(request))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
                return None
            case Shutdown():
                asyncio.get_running_loop().call_soon(self._stop)
                return ShutdownAccepted(), ()
            case other:
                raise InvalidJob(f"{type(other).__name__} cannot be answered.")

    def record(
        self, event: Message, parts: Sequence[bytes] = (), *, key: str = ""
    ) -> Message | None:
        """Store an event of a job and tell who watches it; None if it cannot happen any more.

        When the store cannot be written (a full disk), progress is not kept and the end of a job is
        tried again until it can.
        """
        try:
            stored = self._store.append(event, parts, key=key)
        except sqlite3.Error as why:
            log.error("the job store cannot be written: %s", why)
            if isinstance(event, LAST_EVENTS):
                loop = asyncio.get_running_loop()
                loop.call_later(RETRY_S, lambda: self.record(event, parts, key=key))
            return None
        if stored is not None:
            self._watchers.tell(stored, parts)
        return stored

    def _welcome(self) -> Welcomed:
        worker = self._foreman.known_worker()
        return Welcomed(
            engine_version=self._config.engine_version,
            protocol=PROTOCOL_VERSION,
            session=self._session,
            library=str(self._config.library),
            device=worker.device if worker is not None else "",
            models=self._models,
        )

    def _submit(self, request: SubmitJob) -> JobAccepted:
        asked = asked_spec(request)
        known = self._store.job(request.job_id)
        if known is not None:
            _check_same(known, asked.sha256())
            return JobAccepted(job_id=known.job_id, state=known.state, seq=known.seq)
        spec = admit(request, plan=self._plan, blobs=self._blobs, library=self._config.library)
        position = self._store.count(JobState.QUEUED, JobState.RUNNING)
        self._store.add(request.job_id, asked.sha256(), spec, request.priority)
        worker = self._foreman.known_worker()
        job = self._job(request.job_id)
        if worker is None or not self._foreman.finish_from_results(job, worker):
            self.record(JobQueued(job_id=request.job_id, position=position))
            asyncio.get_running_loop().call_soon(self._foreman.wake)  # after the answer
        job = self._job(request.job_id)
        return JobAccepted(job_id=job.job_id, state=job.state, seq=job.seq)

    def _watch(self, request: Request, watch: WatchJob | UnwatchJob) -> None:
        assert self.reception is not None
        job = self._job(watch.job_id)
        answer = JobWatched(job_id=job.job_id, state=job.state, seq=job.seq)
        self.reception.reply(request, answer)
        if isinstance(watch, WatchJob):
            self._watchers.add(request.identity, job.job_id, watch.after_seq, request.message_id)
        else:
            self._watchers.remove(request.identity, job.job_id)

    def _cancel(self, request: CancelJob) -> CancelAccepted:
        job = self._job(request.job_id)
        if not job.state.is_terminal:
            self._foreman.cancel(job)
        return CancelAccepted(job_id=job.job_id, state=self._job(request.job_id).state)

    def _status(self) -> StatusReported:
        return StatusReported(
            engine_version=self._config.engine_version,
            session=self._session,
            library=str(self._config.library),
            uptime_s=time.monotonic() - self._started_at,
            queued=self._store.count(JobState.QUEUED),
            running_job_id=self._foreman.running_job_id,
            free_disk_bytes=shutil.disk_usage(self._config.library).free,
            worker=self._foreman.status(),
        )

    async def _free(self, request: Request) -> None:
        assert self.reception is not None
        assert isinstance(request.message, FreeMemory)
        try:
            answer: Message = await self._foreman.free(request.message.level)
        except PanoloomError as why:
            answer = refusal(why)
        self.reception.reply(request, answer)

    def _job(self, job_id: str) -> Job:
        job = self._store.job(job_id)
        if job is None:
            raise InvalidJob(
                f"This engine has no such job ({job_id[:8]}). It belongs to another library, or "
                "is so old that it was taken from the list; `panoloom jobs` shows what is there.",
                field="job_id",
            )
        return job


def _check_same(known: Job, asked_sha256: str) -> None:
    if known.asked_sha256 != asked_sha256:
        raise InvalidJob(
            "This job id already stands for another request; choose a new one.", field="job_id"
        )
