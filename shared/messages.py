"""Every message that crosses a socket. PROTOCOL.md explains them; a test holds the two together.

Requests are imperatives, replies and events are past tense. Events belong to a job and carry
`seq`, which grows with every event of that job and may have gaps (an old preview is not kept).
Pictures and blob bytes travel as raw parts behind the message: `num_parts` says how many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .evaluation import (
    Evaluate,
    Evaluated,
    EvaluationFailed,
    KeepPrompt,
    LoadModel,
    ModelLoaded,
)
from .jobs import ArtifactRef, JobState, Progress
from .message import Message

PROTOCOL_VERSION: tuple[int, int] = (1, 4)
MAX_CHUNK_BYTES = 4 * 1024 * 1024

# Structures inside messages -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """One line of the list of jobs; `created_at` is seconds since 1970, `kind` is
    "generate", "refine" or "repaint"."""

    job_id: str
    state: JobState
    prompt: str = ""
    model: str = ""
    seed: int = 0
    width: int = 0
    height: int = 0
    num_frames: int = 0
    seq: int = 0
    attempt: int = 0
    fraction: float = 0.0
    created_at: float = 0.0
    artifact: ArtifactRef | None = None
    error: str = ""
    kind: str = "generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """The process that owns the device; `state` is "none", "starting", "idle" or "busy"."""

    state: str = "none"
    pid: int = 0
    device: str = ""
    precision: str = ""
    numerics_version: str = ""
    memory_total_bytes: int = 0
    memory_free_bytes: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Who evaluated views of a job: the worker itself ("worker"), a process beside it ("process")
    or an actor of a cluster ("actor"), on what, and how many model calls it answered. `note` says
    why it no longer takes part, or is empty."""

    place: str
    device: str
    evaluations: int = 0
    note: str = ""


# Requests on the control socket ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """Who is there? Answered by Welcomed; also the way to ask whether the engine is alive."""

    client: str = ""
    client_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob(Message):
    """Make this. `job_id` is the client's choice; submitting it twice is one job."""

    job_id: str
    spec: dict[str, Any]
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchJob(Message):
    """Send the events of this job: first those kept with seq > after_seq, then the new ones."""

    job_id: str
    after_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwatchJob(Message):
    """Send no more events of this job."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Message):
    """Stop this job. Also sent on to the worker."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Message):
    """The newest jobs first."""

    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeMemory(Message):
    """Give memory back: "cache", "weights", or "exit" (ends the worker process)."""

    level: str = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStatus(Message):
    """How is the engine?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(Message):
    """End the engine; a running job is resumed at its next start."""


# Requests on the blob socket ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBlob(Message):
    """A piece of a file, at most 4 MiB, in order. An empty piece asks how much is there already."""

    num_parts: ClassVar[int] = 1
    sha256: str
    size: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchBlob(Message):
    """At most `length` bytes of a stored file, from `offset`."""

    sha256: str
    offset: int = 0
    length: int = MAX_CHUNK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFile(Message):
    """At most `length` bytes, from `offset`, of a file of a finished job. `path` is relative to the
    job's folder, as in its manifest; "manifest.json" comes first."""

    job_id: str
    path: str
    offset: int = 0
    length: int = MAX_CHUNK_BYTES


# Replies --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcomed(Message):
    """Answers Hello. `models` describes each known model as plain data; `device` may be empty
    while no worker has run here yet."""

    engine_version: str
    protocol: tuple[int, ...]
    session: str
    library: str = ""
    device: str = ""
    models: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAccepted(Message):
    """Answers SubmitJob; the rest comes as events to whoever watches the job."""

    job_id: str
    state: JobState
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWatched(Message):
    """Answers WatchJob and UnwatchJob, before the events it causes."""

    job_id: str
    state: JobState
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAccepted(Message):
    """Answers CancelJob with the state at this moment; JobCancelled follows when it is done."""

    job_id: str
    state: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsListed(Message):
    """Answers ListJobs."""

    jobs: tuple[JobSummary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFreed(Message):
    """Answers FreeMemory; comes from the worker."""

    level: str
    memory_free_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReported(Message):
    """Answers GetStatus."""

    engine_version: str
    session: str
    library: str
    uptime_s: float
    queued: int = 0
    running_job_id: str = ""
    free_disk_bytes: int = 0
    worker: WorkerStatus = field(default_factory=WorkerStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownAccepted(Message):
    """Answers Shutdown; the engine ends right after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStored(Message):
    """Answers StoreBlob: bytes 0 .. received are there; go on from `received`."""

    sha256: str
    received: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobChunk(Message):
    """Answers FetchBlob; the bytes are the raw part, `size` is that of the whole file."""

    num_parts: ClassVar[int] = 1
    sha256: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChunk(Message):
    """Answers FetchFile; the bytes are the raw part, `size` is that of the whole file."""

    num_parts: ClassVar[int] = 1
    job_id: str
    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Message):
    """The request was not carried out; `code` is one of errors.py."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


# Events of a job ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueued(Message):
    """The job waits; `position` counts the jobs before it at that moment."""

    job_id: str
    seq: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Message):
    """A worker has the job; attempt 1 is the first."""

    job_id: str
    seq: int = 0
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgressed(Message):
    """How far it is."""

    job_id: str
    seq: int = 0
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreviewed(Message):
    """A picture of the work so far, JPEG or PNG, as the raw part; only the newest is kept.

    After each step, then of each frame as it is decoded, whose `step` goes on counting.
    """

    num_parts: ClassVar[int] = 1
    job_id: str
    seq: int = 0
    step: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed(Message):
    """The job was interrupted and waits to go on, as `attempt`; `reason` says why."""

    job_id: str
    seq: int = 0
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Message):
    """Done. The last event of its job; `evaluators` is empty where nothing had to be evaluated."""

    job_id: str
    seq: int = 0
    artifact: ArtifactRef
    evaluators: tuple[Evaluator, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(Message):
    """Given up. The last event of its job; `code` is one of errors.py."""

    job_id: str
    seq: int = 0
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Message):
    """Stopped on request. The last event of its job."""

    job_id: str
    seq: int = 0


# Between broker and worker (internal) ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(Message):
    """The worker's first word. The three names after `pid` are part of a result's key."""

    pid: int
    device: str
    precision: str
    numerics_version: str
    memory_total_bytes: int = 0
    memory_free_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob(Message):
    """Do this. The spec is resolved; `work_dir` outlives the worker: checkpoints belong there."""

    job_id: str
    spec: dict[str, Any]
    attempt: int
    work_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWorker(Message):
    """End, after the job in hand is let go."""


CONTROL_REQUESTS: tuple[type[Message], ...] = (
    Hello,
    SubmitJob,
    WatchJob,
    UnwatchJob,
    CancelJob,
    ListJobs,
    FreeMemory,
    GetStatus,
    Shutdown,
)
BLOB_REQUESTS: tuple[type[Message], ...] = (StoreBlob, FetchBlob, FetchFile)
REPLIES: tuple[type[Message], ...] = (
    Welcomed,
    JobAccepted,
    JobWatched,
    CancelAccepted,
    JobsListed,
    MemoryFreed,
    StatusReported,
    ShutdownAccepted,
    BlobStored,
    BlobChunk,
    FileChunk,
    Refused,
)
EVENTS: tuple[type[Message], ...] = (
    JobQueued,
    JobStarted,
    JobProgressed,
    JobPreviewed,
    JobResumed,
    JobFinished,
    JobFailed,
    JobCancelled,
)
LAST_EVENTS = (JobFinished, JobFailed, JobCancelled)
INTERNAL: tuple[type[Message], ...] = (
    WorkerReady,
    RunJob,
    StopWorker,
    LoadModel,
    ModelLoaded,
    KeepPrompt,
    Evaluate,
    Evaluated,
    EvaluationFailed,
)
REGISTRY: dict[str, type[Message]] = {
    cls.__name__: cls for cls in (*CONTROL_REQUESTS, *BLOB_REQUESTS, *REPLIES, *EVENTS, *INTERNAL)
}
