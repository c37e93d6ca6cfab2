"""The broker: opens everything in order, serves, and closes everything in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import zmq
import zmq.asyncio

from ...shared.connection import Connection, connection_path, write_connection
from ...shared.errors import InvalidJob
from ...shared.messages import (
    BLOB_REQUESTS,
    CONTROL_REQUESTS,
    PROTOCOL_VERSION,
    CancelJob,
    FetchBlob,
    FetchFile,
    FreeMemory,
    JobResumed,
    Message,
    Shutdown,
    StoreBlob,
    SubmitJob,
)
from ...shared.wire import new_id
from .admission import Plan
from .blobs import BlobStore
from .config import BrokerConfig
from .desk import Desk
from .foreman import Foreman
from .keys import Keys, load_or_make_keys, load_or_make_remote_key
from .library import LibraryLock, prepare_library
from .process import WorkerProcess, default_command
from .reception import Answer, Reception, Request
from .results import read_piece
from .sockets import (
    BLOB_MAX_BYTES,
    CLIENTS,
    CONTROL_MAX_BYTES,
    WORKER_MAX_BYTES,
    WORKERS,
    Gatekeeper,
    open_router,
)
from .store import JobStore
from .watchers import Watchers

log = logging.getLogger(__name__)
KEPT_JOBS = 1000
FLUSH_MS = 300


class Broker:
    """One engine on one library.

        asyncio.run(Broker(config, plan, models).run())

    Attributes:
        session: New with every broker.
        connection: What clients need, once `started` is set.
        started: Set when clients can connect; a threading.Event, for whoever started the thread.
    """

    def __init__(
        self,
        config: BrokerConfig,
        plan: Plan,
        models: Sequence[dict[str, Any]],
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            plan: Resolves a valid spec for its model, or raises InvalidJob.
            models: Plain data about each known model, for clients.
            worker_command: What starts the worker; the real one by default.
        """
        self._config = config
        self._plan = plan
        self._models = models
        command = worker_command or default_command()
        self._command = [*command, *config.worker_words]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self.session = new_id()
        self.connection: Connection | None = None
        self.started = threading.Event()

    async def run(self) -> None:
        """Serve until `stop`, a signal, or a Shutdown request.

        Raises:
            UserError: The port, the library or the host cannot be had; says what to do.
        """
        self._config.check_host()
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            tasks = await self._open(stack)
            stopping = asyncio.ensure_future(self._stopping.wait())
            self.started.set()
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()  # a bug: say so

    def stop(self) -> None:
        """End soon. May be called from any thread, and from a signal handler."""
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # already closed
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def _open(self, stack: contextlib.AsyncExitStack) -> list[asyncio.Task[None]]:
        config = self._config
        keys, store, blobs = self._take_library(stack)
        context = zmq.asyncio.Context(io_threads=2)
        stack.callback(context.term)
        sockets = self._open_sockets(context, stack, keys)
        (control, _), (blob, _), (work, work_endpoint) = sockets
        gatekeeper = Gatekeeper(
            context, {CLIENTS: self._client_keys(keys), WORKERS: [keys.worker.public]}
        )
        stack.callback(gatekeeper.close)
        watchers = Watchers(control, store, self.session)
        stack.callback(watchers.close)

        def record(event: Message, parts: Sequence[bytes] = (), *, key: str = "") -> Message | None:
            return desk.record(event, parts, key=key)

        def make_process() -> WorkerProcess:
            return WorkerProcess(
                self._command,
                endpoint=work_endpoint,
                keys=keys,
                library=config.library,
                log=config.worker_log,
            )

        foreman = Foreman(
            config, store, work, session=self.session, make_process=make_process, record=record
        )
        desk = Desk(
            config,
            session=self.session,
            plan=self._plan,
            models=self._models,
            store=store,
            blobs=blobs,
            watchers=watchers,
            foreman=foreman,
            stop=self.stop,
        )
        self._recover(store, desk)
        self._announce(stack, keys, sockets[0][1], sockets[1][1])
        self._handle_signals(stack)
        blob_desk = _BlobDesk(blobs, store)
        tasks = self._start(stack, gatekeeper, foreman, desk, control, blob, blob_desk)
        foreman.wake()
        if config.starts_worker_early:
            foreman.ensure_worker()
        return tasks

    def _take_library(self, stack: contextlib.AsyncExitStack) -> tuple[Keys, JobStore, BlobStore]:
        """The library, held for this engine alone, and what is stored in it."""
        config = self._config
        prepare_library(config.library, config.state_folder)
        lock = LibraryLock(config.state_folder / "engine.lock", config.library)
        lock.acquire()
        stack.callback(lock.release)
        connection_path(config.library).unlink(missing_ok=True)
        keys = load_or_make_keys(config.state_folder / "keys")
        store = JobStore(config.state_folder / "jobs.sqlite3")
        stack.callback(store.close)
        blobs = BlobStore(config.state_folder / "blobs", max_bytes=config.max_blob_bytes)
        return keys, store, blobs

    def _client_keys(self, keys: Keys) -> list[str]:
        """Public keys that may connect: this machine's, and with a key file that of others."""
        path = self._config.remote_key
        remote = [load_or_make_remote_key(path, keys.server)] if path is not None else []
        return [keys.client.public, *(key.client_public_key for key in remote)]

    def _open_sockets(
        self, context: zmq.asyncio.Context, stack: contextlib.AsyncExitStack, keys: Keys
    ) -> list[tuple[zmq.asyncio.Socket, str]]:
        """Control, blobs and worker, each with its endpoint."""
        config = self._config
        sizes = (CONTROL_MAX_BYTES, BLOB_MAX_BYTES, WORKER_MAX_BYTES)
        hosts = (config.host, config.host, "127.0.0.1")
        ports = (config.control_port, config.blob_port, 0)
        opened: list[tuple[zmq.asyncio.Socket, str]] = []
        for index in range(3):
            pair = open_router(
                context,
                server=keys.server,
                domain=WORKERS if index == 2 else CLIENTS,
                max_bytes=sizes[index],
                io_thread=1 if index == 1 else 0,
                host=hosts[index],
                port=ports[index],
            )
            stack.callback(pair[0].close, linger=FLUSH_MS)
            opened.append(pair)
        return opened

    def _start(
        self,
        stack: contextlib.AsyncExitStack,
        gatekeeper: Gatekeeper,
        foreman: Foreman,
        desk: Desk,
        control: zmq.asyncio.Socket,
        blob: zmq.asyncio.Socket,
        blob_desk: _BlobDesk,
    ) -> list[asyncio.Task[None]]:
        """All loops as tasks; cancelled, and the worker ended, before anything is closed."""
        once = (SubmitJob, CancelJob, FreeMemory, Shutdown)
        desk.reception = Reception(
            control,
            session=self.session,
            accepted=CONTROL_REQUESTS,
            once=once,
            handler=desk.answer,
        )
        blob_reception = Reception(
            blob,
            session=self.session,
            accepted=BLOB_REQUESTS,
            once=(),
            handler=blob_desk.answer,
        )
        loops = (gatekeeper.run, foreman.serve, desk.reception.run, blob_reception.run)
        tasks = [asyncio.ensure_future(loop()) for loop in loops]

        async def end() -> None:
            await foreman.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        stack.push_async_callback(end)
        return tasks

    def _recover(self, store: JobStore, desk: Desk) -> None:
        """Queue again what an engine had in hand that ended without a word."""
        store.forget_old(KEPT_JOBS)
        for job in store.running():
            desk.record(
                JobResumed(
                    job_id=job.job_id,
                    attempt=job.attempt + 1,
                    reason="The engine was started again. The job goes on from its last "
                    "checkpoint.",
                )
            )

    def _announce(
        self, stack: contextlib.AsyncExitStack, keys: Keys, control: str, blobs: str
    ) -> None:
        """Write the connection file; it goes when the broker ends."""
        self.connection = Connection(
            protocol=PROTOCOL_VERSION,
            pid=os.getpid(),
            session=self.session,
            control=_reachable(control),
            blobs=_reachable(blobs),
            server_public_key=keys.server.public,
            client_public_key=keys.client.public,
            client_secret_key=keys.client.secret,
            library=str(self._config.library),
        )
        path = connection_path(self._config.library)
        write_connection(path, self.connection)
        stack.callback(path.unlink, missing_ok=True)

    def _handle_signals(self, stack: contextlib.AsyncExitStack) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        if not (self._config.handles_signals and is_main):
            return
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            if sys.platform == "win32":
                signal.signal(name, lambda *_: self.stop())
            else:
                loop.add_signal_handler(name, self.stop)
                stack.callback(loop.remove_signal_handler, name)


class _BlobDesk:
    """Answers on the blob socket; the files are read and written in a thread."""

    def __init__(self, blobs: BlobStore, store: JobStore) -> None:
        self._blobs = blobs
        self._store = store

    async def answer(self, request: Request) -> Answer:
        match request.message:
            case StoreBlob() as store:
                piece = request.envelope.parts[0]
                return await asyncio.to_thread(self._blobs.store, store, piece), ()
            case FetchBlob() as fetch:
                chunk, piece = await asyncio.to_thread(self._blobs.fetch, fetch)
                return chunk, (piece,)
            case FetchFile() as fetch:
                job = self._store.job(fetch.job_id)
                if job is None or job.artifact is None:
                    raise InvalidJob(
                        f"This engine has no finished job {fetch.job_id[:8]}.", field="job_id"
                    )
                answer, piece = await asyncio.to_thread(read_piece, job.artifact, fetch)
                return answer, (piece,)
            case other:
                raise AssertionError(other)


def _reachable(endpoint: str) -> str:
    """An endpoint to connect to from this machine, for one that listens on every address."""
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
