"""Fakes, not mocks: an engine in a thread that speaks the real wire, with real keys, and no model.

    with FakeEngine(tmp_path) as engine:             # writes the connection file like a real one
        client = Engine.connect(tmp_path)
        job_id = client.submit(JobSpec(prompt="steps=3"))
        ...
        assert isinstance(engine.received[0], Hello)

What a job does is its script. The default one follows words in the prompt, as tests/fake_worker.py
does: `steps=8 hold_at=2 fail_at=4`; `hold_at` waits for a file `go` in the library, or for
`engine.release()`. Give another script to say anything else:

    def script(job_id, spec):
        yield JobStarted(job_id=job_id)
        yield JobPreviewed(job_id=job_id, step=1, width=8, height=4), jpeg_bytes
        yield None                                   # nothing yet: asked again a little later
        yield JobFailed(job_id=job_id, code="engine", message="The sea is closed.")

    FakeEngine(tmp_path, script=script)

And it misbehaves on request: `refuse_next(error)`, `go_silent()`, `speak_again()`, `restart()`,
`protocol=(2, 0)`, `send_garbage()`, `stop()` in the middle of a job.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgpack
import zmq
import zmq.utils.z85
from fake_worker import PREVIEW, words

from panoloom.shared import messages as m
from panoloom.shared.connection import Connection, connection_path, write_connection
from panoloom.shared.errors import (
    GenerationFailed,
    InvalidJob,
    MalformedMessage,
    PanoloomError,
    UserError,
)
from panoloom.shared.jobs import ArtifactRef, JobSpec, JobState, Progress, is_job_id
from panoloom.shared.wire import Unknown, decode, decode_header, encode, new_id, refusal

Step = m.Message | tuple[m.Message, bytes] | None
Script = Callable[[str, JobSpec], Iterator[Step]]
TICK_MS = 10
_STATES = {
    m.JobQueued: JobState.QUEUED,
    m.JobStarted: JobState.RUNNING,
    m.JobResumed: JobState.QUEUED,
    m.JobFinished: JobState.FINISHED,
    m.JobFailed: JobState.FAILED,
    m.JobCancelled: JobState.CANCELLED,
}


@dataclasses.dataclass
class _Job:
    job_id: str
    spec: JobSpec
    steps: Iterator[Step]
    state: JobState = JobState.QUEUED
    seq: int = 0
    events: list[tuple[m.Message, list[bytes]]] = dataclasses.field(default_factory=list)


class FakeEngine:
    """See the top of the file.

    Attributes:
        received: Every request that could be decoded, in order.
        connection: What a client needs; also in the connection file of the library.
    """

    def __init__(
        self,
        library: Path,
        *,
        script: Script | None = None,
        preview: bytes | None = None,
        protocol: tuple[int, int] = m.PROTOCOL_VERSION,
        models: Sequence[dict[str, Any]] = ({"name": "preview"},),
    ) -> None:
        self.library = Path(library)
        self.received: list[m.Message] = []
        self._script = script or self._follow_words
        self._preview = preview
        self._protocol = protocol
        self._models = tuple(models)
        self._keys = {name: zmq.curve_keypair() for name in ("server", "client")}
        self._jobs: dict[str, _Job] = {}
        self._blobs: dict[str, bytes] = {}
        self._parts: dict[str, bytes] = {}
        self._watches: dict[tuple[bytes, str], str] = {}
        self._refusals: list[PanoloomError] = []
        self._is_silent = False
        self._is_released = False
        self._garbage: list[list[bytes]] = []
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.connection: Connection | None = None

    def __enter__(self) -> FakeEngine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a test may do

    def start(self) -> None:
        """Listen, and write the connection file. A second start keeps jobs and keys."""
        self.session = new_id()
        self._stopping.clear()
        self._context = zmq.Context()
        self._zap = self._context.socket(zmq.REP)
        self._zap.bind("inproc://zeromq.zap.01")
        self._control, control = self._router()
        self._blob, blobs = self._router()
        self.connection = Connection(
            protocol=self._protocol,
            pid=os.getpid(),
            session=self.session,
            control=control,
            blobs=blobs,
            server_public_key=self._keys["server"][0].decode(),
            client_public_key=self._keys["client"][0].decode(),
            client_secret_key=self._keys["client"][1].decode(),
            library=str(self.library),
        )
        path = connection_path(self.library)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_connection(path, self.connection)
        self._thread = threading.Thread(target=self._run, name="fake-engine", daemon=True)
        self._thread.start()

    def stop(self, *, leaves_connection_file: bool = False) -> None:
        """End, gracefully or (with the file left behind) as if killed."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        if not leaves_connection_file:
            connection_path(self.library).unlink(missing_ok=True)

    def restart(self) -> None:
        """End and start again: another session, other ports, the same jobs, nobody watching."""
        self.stop()
        with self._lock:
            self._watches.clear()
        self.start()

    def refuse_next(self, error: PanoloomError) -> None:
        """Answer the next SubmitJob with this error."""
        self._refusals.append(error)

    def go_silent(self) -> None:
        """Receive, and say nothing."""
        self._is_silent = True

    def speak_again(self) -> None:
        """The end of the silence; what was not said stays unsaid until asked for."""
        self._is_silent = False

    def release(self) -> None:
        """Let jobs that are held go on."""
        self._is_released = True

    def say(self, event: m.Message, part: bytes | None = None) -> None:
        """Emit an event of a job, out of any script."""
        with self._lock:
            self._emit(self._jobs[event.job_id], event, [] if part is None else [part])

    def send_garbage(self, parts: Sequence[bytes]) -> None:
        """Send these bytes to everybody who watches something."""
        self._garbage.append(list(parts))

    # The loop

    def _router(self) -> tuple[zmq.Socket[bytes], str]:
        socket = self._context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys["server"][1])
        socket.setsockopt(zmq.ZAP_DOMAIN, b"fake")
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        return socket, f"tcp://127.0.0.1:{port}"

    def _run(self) -> None:
        poller = zmq.Poller()
        sockets = (self._zap, self._control, self._blob)
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll(TICK_MS))
            if self._zap in ready:
                self._let_in(self._zap.recv_multipart())
            with self._lock:
                for socket in (self._control, self._blob):
                    if socket in ready:
                        self._receive(socket)
                self._work()
                for parts in self._garbage:
                    for identity in {identity for identity, _ in self._watches}:
                        self._control.send_multipart([identity, *parts])
                self._garbage.clear()
        for socket in sockets:
            socket.close(linger=200)
        self._context.term()

    def _let_in(self, question: list[bytes]) -> None:
        key = zmq.utils.z85.decode(self._keys["client"][0])
        is_known = question[5] == b"CURVE" and question[6:] == [key]
        status = b"200" if is_known else b"400"
        self._zap.send_multipart([b"1.0", question[1], status, b"", b"", b""])

    def _receive(self, socket: zmq.Socket[bytes]) -> None:
        identity, *parts = socket.recv_multipart()
        try:
            envelope = decode(parts, is_engine=True)
            self.received.append(envelope.message)
            if isinstance(envelope.message, m.WatchJob | m.UnwatchJob):
                self._watch(identity, envelope.message, envelope.header.message_id)
                return
            answer, raw = self._answer(envelope.message, envelope.parts)
        except PanoloomError as why:
            answer, raw = refusal(why), []
        try:
            parent_id = decode_header(parts).message_id
        except MalformedMessage:
            parent_id = ""
        self._send(socket, identity, answer, raw, parent_id)

    def _send(
        self,
        socket: zmq.Socket[bytes],
        identity: bytes,
        message: m.Message,
        parts: Sequence[bytes],
        parent_id: str,
    ) -> None:
        if self._is_silent:
            return
        raw = encode(message, parts, parent_id=parent_id, session=self.session)
        if self._protocol != m.PROTOCOL_VERSION:
            header = msgpack.unpackb(raw[0])
            raw[0] = msgpack.packb({**header, "protocol": list(self._protocol)})
        socket.send_multipart([identity, *raw])

    # Answers

    def _answer(
        self, message: m.Message, parts: Sequence[bytes]
    ) -> tuple[m.Message, Sequence[bytes]]:
        match message:
            case m.Hello():
                return self._welcome(), []
            case m.SubmitJob():
                return self._submit(message), []
            case m.CancelJob():
                job = self._job(message.job_id)
                if not job.state.is_terminal:
                    self._emit(job, m.JobCancelled(job_id=job.job_id), [])
                return m.CancelAccepted(job_id=job.job_id, state=job.state), []
            case m.ListJobs():
                return m.JobsListed(jobs=self._summaries(message.limit)), []
            case m.GetStatus():
                return self._status(), []
            case m.FreeMemory():
                return m.MemoryFreed(level=message.level, memory_free_bytes=4096), []
            case m.Shutdown():
                self._stopping.set()
                connection_path(self.library).unlink(missing_ok=True)
                return m.ShutdownAccepted(), []
            case m.StoreBlob():
                return self._store(message, parts[0]), []
            case m.FetchBlob():
                return self._fetch(message)
            case Unknown():
                raise MalformedMessage(f"This engine does not know the request {message.type!r}.")
            case _:
                raise MalformedMessage(f"{type(message).__name__} is no request.")

    def _welcome(self) -> m.Welcomed:
        return m.Welcomed(
            engine_version="fake",
            protocol=self._protocol,
            session=self.session,
            library=str(self.library),
            device="fake",
            models=self._models,
        )

    def _status(self) -> m.StatusReported:
        states = [job.state for job in self._jobs.values()]
        return m.StatusReported(
            engine_version="fake",
            session=self.session,
            library=str(self.library),
            uptime_s=1.0,
            queued=states.count(JobState.QUEUED),
            worker=m.WorkerStatus(state="idle", pid=os.getpid(), device="fake", precision="fp32"),
        )

    def _summaries(self, limit: int) -> tuple[m.JobSummary, ...]:
        newest = list(self._jobs.values())[::-1][:limit]
        return tuple(
            m.JobSummary(
                job_id=job.job_id,
                state=job.state,
                prompt=job.spec.title,
                seq=job.seq,
                kind=job.spec.kind,
            )
            for job in newest
        )

    def _submit(self, request: m.SubmitJob) -> m.JobAccepted:
        if self._refusals:
            raise self._refusals.pop(0)
        if not is_job_id(request.job_id):
            raise InvalidJob("A job id has 32 lower-case hex digits.", field="job_id")
        spec = JobSpec.from_plain(request.spec)
        job = self._jobs.get(request.job_id)
        if job is None:
            spec.validate()
            job = _Job(request.job_id, spec, self._script(request.job_id, spec))
            self._jobs[job.job_id] = job
            self._emit(job, m.JobQueued(job_id=job.job_id), [])
        elif job.spec != spec:
            raise InvalidJob("This job id already stands for another request.", field="job_id")
        return m.JobAccepted(job_id=job.job_id, state=job.state, seq=job.seq)

    def _watch(self, identity: bytes, request: m.WatchJob | m.UnwatchJob, message_id: str) -> None:
        job = self._job(request.job_id)
        answer = m.JobWatched(job_id=job.job_id, state=job.state, seq=job.seq)
        self._send(self._control, identity, answer, [], message_id)
        if isinstance(request, m.UnwatchJob):
            self._watches.pop((identity, job.job_id), None)
            return
        self._watches[identity, job.job_id] = message_id
        for event, parts in job.events:
            if event.seq > request.after_seq:
                self._send(self._control, identity, event, parts, message_id)

    def _job(self, job_id: str) -> _Job:
        if job_id not in self._jobs:
            raise InvalidJob("This engine has no such job.", field="job_id")
        return self._jobs[job_id]

    def _store(self, request: m.StoreBlob, piece: bytes) -> m.BlobStored:
        whole = self._blobs.get(request.sha256)
        if whole is not None:
            return m.BlobStored(sha256=request.sha256, received=len(whole), is_complete=True)
        if request.size > 512 * 1024 * 1024:
            raise UserError("The file is too large.", field="size", largest=512 * 1024 * 1024)
        so_far = self._parts.get(request.sha256, b"")
        if request.offset == len(so_far):
            so_far = self._parts[request.sha256] = so_far + piece
        is_complete = len(so_far) == request.size
        if is_complete:
            del self._parts[request.sha256]
            if hashlib.sha256(so_far).hexdigest() != request.sha256:
                raise UserError("The bytes are not those of the name.", field="sha256")
            self._blobs[request.sha256] = so_far
        return m.BlobStored(sha256=request.sha256, received=len(so_far), is_complete=is_complete)

    def _fetch(self, request: m.FetchBlob) -> tuple[m.BlobChunk, list[bytes]]:
        data = self._blobs.get(request.sha256)
        if data is None:
            raise UserError("No file with this hash is stored here.", field="sha256")
        piece = data[request.offset : request.offset + request.length]
        chunk = m.BlobChunk(sha256=request.sha256, offset=request.offset, size=len(data))
        return chunk, [piece]

    # Work

    def _work(self) -> None:
        """One step of the first job that has not ended."""
        job = next((job for job in self._jobs.values() if not job.state.is_terminal), None)
        if job is None:
            return
        step = next(job.steps, None)
        if step is not None:
            event, parts = (step[0], [step[1]]) if isinstance(step, tuple) else (step, [])
            self._emit(job, event, parts)

    def _emit(self, job: _Job, event: m.Message, parts: list[bytes]) -> None:
        job.seq += 1
        event = dataclasses.replace(event, seq=job.seq)
        job.state = _STATES.get(type(event), job.state)
        if isinstance(event, m.JobPreviewed):
            job.events = [kept for kept in job.events if not isinstance(kept[0], m.JobPreviewed)]
        job.events.append((event, parts))
        for (identity, watched), parent_id in self._watches.items():
            if watched == job.job_id:
                self._send(self._control, identity, event, parts, parent_id)

    def _follow_words(self, job_id: str, spec: JobSpec) -> Iterator[Step]:
        script = words(spec.prompt)
        num_steps = script.get("steps", spec.steps)
        yield m.JobStarted(job_id=job_id)
        for step in range(1, num_steps + 1):
            yield m.JobProgressed(
                job_id=job_id,
                progress=Progress(
                    phase="denoise",
                    step=step,
                    num_steps=num_steps,
                    fraction=step / num_steps,
                    elapsed_s=0.1 * step,
                    time_left_s=0.1 * (num_steps - step),
                ),
            )
            picture = self._preview if self._preview is not None else PREVIEW % step
            yield m.JobPreviewed(job_id=job_id, step=step, width=64, height=32), picture
            if step == script.get("fail_at"):
                error = GenerationFailed("The sea is closed today.")
                yield m.JobFailed(job_id=job_id, code=error.code, message=str(error))
            while step == script.get("hold_at") and not self._may_go():
                yield None
        yield m.JobFinished(job_id=job_id, artifact=self._write(job_id, spec))

    def _may_go(self) -> bool:
        return self._is_released or (self.library / "go").exists()

    def _write(self, job_id: str, spec: JobSpec) -> ArtifactRef:
        folder = self.library / f"fake-{job_id[:8]}"
        folder.mkdir(exist_ok=True)
        manifest = json.dumps({"spec": spec.to_plain()}).encode()
        (folder / "manifest.json").write_bytes(manifest)
        return ArtifactRef(
            job_id=job_id,
            folder=str(folder),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            width=spec.width,
            height=spec.height,
            num_frames=spec.num_frames,
            fps=spec.fps,
            loop=spec.loop,
        )
