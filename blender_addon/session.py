"""One engine: connection, requests and jobs, moved on by `poll`. No Blender, no threads.

    session.connect(library_or_connection_file_or_remote_engine)
    session.submit(spec, job_id, blobs=[png])
    session.poll()                      # from one timer tick; never waits, bounded by messages
    session.views[job_id].progress

After a silence all that is open is asked for again, and every job watched from the last event that
was seen; a lost connection is tried again by itself. So nothing is lost and nothing counts twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from ..shared.connection import Connection
from ..shared.errors import (
    EngineError,
    EngineUnreachable,
    MalformedMessage,
    PanoloomError,
    ProtocolMismatch,
)
from ..shared.fetching import Fetch
from ..shared.jobs import JobSpec, JobState
from ..shared.jobview import JobView
from ..shared.messages import (
    BlobStored,
    CancelAccepted,
    CancelJob,
    FetchFile,
    FileChunk,
    FreeMemory,
    GetStatus,
    Hello,
    JobAccepted,
    JobCancelled,
    JobFinished,
    JobWatched,
    Message,
    Refused,
    StatusReported,
    StoreBlob,
    SubmitJob,
    WatchJob,
    Welcomed,
)
from ..shared.remote import RemoteEngine, connection_of
from ..shared.wire import Envelope, decode, error_of, new_id
from .link import Link

MAX_MESSAGES = 24  # one poll; 1000 queued events are seen within two seconds
TAKE_S = 0.001  # of one poll; the rest of what arrived waits for the next tick
CHUNK_BYTES = 512 * 1024
HELLO_S = 5.0  # without a welcome by then, the engine is not there
ASK_S = 3.0  # silence after which its file is looked at and all that is open asked for again
SILENCE_S = 15.0  # silence after which the connection counts as lost
RETRY_S = 2.0


class LinkState(Enum):
    """How the connection stands."""

    OFF = "off"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


@dataclass(slots=True)
class Submission:
    """A job on its way: blobs first, then the request; kept until the engine has accepted it."""

    message: SubmitJob
    blobs: dict[str, bytes] = field(default_factory=dict)


class Session:
    """One engine: that of a library on this computer, or one elsewhere.

    A loop that is finished elsewhere counts as finished once its files are here.

    Args:
        clock: Seconds that only grow.

    Attributes:
        state: How the connection stands.
        trouble: Why there is none, or what the engine refused, as an error with a sentence.
        views: Every job of this session, by id.
        welcome, status: The engine's latest words about itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._identity = f"blender-{new_id()}".encode()
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._place: Path | RemoteEngine | None = None
        self._library: Path | None = None
        self._fetches: dict[str, tuple[Fetch, JobFinished]] = {}
        self._asked: dict[str, Message] = {}
        self._submissions: dict[str, Submission] = {}
        self._cancelled: set[str] = set()
        self._since = 0.0  # the last step of the connection
        self._heard = 0.0
        self._asked_at = 0.0
        self.state = LinkState.OFF
        self.trouble: PanoloomError | None = None
        self.views: dict[str, JobView] = {}
        self.welcome: Welcomed | None = None
        self.status: StatusReported | None = None

    # What the buttons do ----------------------------------------------------------------------

    def connect(self, place: Path | RemoteEngine, library: Path | None = None) -> None:
        """Look for the engine of a library folder, of a connection file or elsewhere, and greet it.

        Does not raise: `state` and `trouble` tell.

        Args:
            library: Folder for the loops of an engine elsewhere; None: they are on this computer.
        """
        self._close()
        self._place, self._library = place, library
        self._fetches.clear()  # what they brought so far stays where it is
        self._dial()

    def disconnect(self) -> None:
        """Let the engine go; its jobs run on."""
        self._close()
        self._place = None
        self.state = LinkState.OFF
        self.trouble = None

    def submit(self, spec: JobSpec, job_id: str, blobs: Sequence[bytes] = ()) -> JobView:
        """Ask for a job; its blobs go first. May be called while the engine is away.

        Args:
            blobs: Bytes of the files that the spec names by hash.
        """
        message = SubmitJob(job_id=job_id, spec=spec.to_plain())
        named = {hashlib.sha256(blob).hexdigest(): blob for blob in blobs}
        self._submissions[job_id] = Submission(message, named)
        self.views[job_id] = JobView(job_id=job_id)
        if self.state is LinkState.CONNECTED:
            self._advance(job_id)
        return self.views[job_id]

    def cancel(self, job_id: str) -> None:
        """Stop a job; one that the engine has not accepted yet is simply taken back.

        One whose files are on their way here is finished at the engine, and stays there.
        """
        found = self._fetches.pop(job_id, None)
        if found is not None:
            found[0].discard()
            view = self.views[job_id]
            view.apply(JobCancelled(job_id=job_id, seq=view.seq + 1))
            return
        self._cancelled.add(job_id)  # said again after a reconnect until it was heard
        self._ask(CancelJob(job_id=job_id))
        if self._submissions.pop(job_id, None) is not None:
            view = self.views[job_id]
            view.apply(JobCancelled(job_id=job_id, seq=view.seq + 1))

    def free_weights(self) -> None:
        """Blender needs the memory: the engine here drops the weights of a model that rests.

        They come back with the next job. An engine elsewhere, or one at work, keeps them.
        """
        if self.state is LinkState.CONNECTED and not isinstance(self._place, RemoteEngine):
            self._ask(FreeMemory(level="weights"))

    def forget(self, job_id: str) -> None:
        """Follow this job no longer."""
        self.views.pop(job_id, None)
        self._submissions.pop(job_id, None)
        self._fetches.pop(job_id, None)

    def is_accepted(self, job_id: str) -> bool:
        """Whether the engine has all that it needs for this job."""
        return job_id in self.views and job_id not in self._submissions

    # What the tick does -----------------------------------------------------------------------

    def poll(self, limit: int = MAX_MESSAGES) -> int:
        """Take in at most `limit` messages, for TAKE_S or so, and keep the connection going.

        Returns how many.
        """
        if self.state is LinkState.OFF:
            return 0
        if self._link is None:
            if self._clock() - self._since >= RETRY_S:
                self._dial()
            return 0
        count, begun = 0, self._clock()
        for parts in self._link.received(limit):
            count += 1
            self._heard = self._clock()
            self._take(parts)
            if self._link is None:  # what came made us hang up
                return count
            if self._clock() - begun > TAKE_S:
                break
        self._go_on_fetching()
        self._mind_the_silence()
        return count

    def _dial(self) -> None:
        assert self._place is not None
        self._since = self._heard = self._clock()
        try:
            self._connection = connection_of(self._place)
            self._link = Link(self._connection, self._identity)
        except PanoloomError as error:
            self._lose(error)
            return
        self.state = LinkState.CONNECTING
        self._ask(Hello(client="panoloom-blender"))

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._asked.clear()
        self.welcome = None
        self.status = None

    def _lose(self, why: PanoloomError) -> None:
        self._close()
        self.state = LinkState.LOST
        self.trouble = why
        self._since = self._clock()

    def _mind_the_silence(self) -> None:
        now = self._clock()
        if self.state is LinkState.CONNECTING and now - self._since > HELLO_S:
            doubt = self._doubt
            said = f"The engine does not answer.{doubt} Trying again …"
            self._lose(EngineUnreachable(said, **({"field": "key"} if doubt else {})))
        elif self.state is LinkState.CONNECTED and now - self._heard > SILENCE_S:
            self._lose(EngineUnreachable("The engine has gone silent. Trying to reach it again …"))
        elif self.state is LinkState.CONNECTED and now - max(self._heard, self._asked_at) > ASK_S:
            self._asked_at = now
            self._look_at_the_file()
            if self.state is LinkState.CONNECTED:
                self._say_again()

    @property
    def _doubt(self) -> str:
        """What may be wrong with an engine elsewhere that says nothing."""
        if not isinstance(self._place, RemoteEngine):
            return ""
        return (
            f" Does it run at {self._place.address}, and is {self._place.key_file} a copy of its "
            "key file?"
        )

    def _look_at_the_file(self) -> None:
        """An engine that ended takes its file away; one that started again wrote another."""
        assert self._place is not None
        try:
            found = connection_of(self._place)
        except PanoloomError as error:
            self._lose(error)
            return
        if found != self._connection:
            self._close()
            self._dial()

    def _ask(self, message: Message, parts: Sequence[bytes] = ()) -> None:
        if self._link is None:
            return  # said again after the next welcome, or pointless by then
        message_id = new_id()
        self._asked[message_id] = message
        try:
            self._link.send(message, parts, message_id=message_id)
        except EngineUnreachable as error:
            self._lose(error)

    # What the engine says ---------------------------------------------------------------------

    def _take(self, parts: Sequence[bytes]) -> None:
        try:
            envelope = decode(parts)
        except ProtocolMismatch as error:
            self._close()
            self.state = LinkState.OFF  # trying again would not help
            self.trouble = error
            return
        except MalformedMessage as error:
            self.trouble = error
            return
        asked = self._asked.pop(envelope.header.parent_id, None)
        if isinstance(envelope.message, Refused):
            self._refused(error_of(envelope.message), asked)
        else:
            self._told(envelope)

    def _told(self, envelope: Envelope) -> None:
        message = envelope.message
        match message:
            case Welcomed():
                self._welcomed(message)
            case StatusReported():
                self.status = message
            case JobAccepted():
                self._submissions.pop(message.job_id, None)
                self._watch(message.job_id)
            case BlobStored():
                self._stored(message)
            case JobFinished() if self._library is not None:
                self._begin_to_fetch(message, self._library)
            case FileChunk():
                self._fetched(message, envelope.parts[0])
            case CancelAccepted():
                self._cancelled.discard(message.job_id)
            case JobWatched():
                pass  # its events follow
            case _:
                view = self.views.get(getattr(message, "job_id", ""))
                if view is not None:
                    view.apply(message, envelope.parts)

    def _welcomed(self, message: Welcomed) -> None:
        self.welcome = message
        self.state = LinkState.CONNECTED
        self.trouble = None
        self._say_again()

    def _say_again(self) -> None:
        """Ask for all that is open, since a line that broke may have lost any of it.

        The engine does nothing twice: jobs and blobs have names of their own, and events that were
        seen are not told again.
        """
        self._ask(GetStatus())
        for job_id in self._cancelled:
            self._ask(CancelJob(job_id=job_id))
        for fetch, _ in self._fetches.values():
            fetch.repeat()
        for job_id, view in self.views.items():
            if job_id in self._submissions:
                self._advance(job_id)
            elif job_id in self._fetches:
                continue
            elif not view.state.is_terminal:
                self._watch(job_id)

    def _watch(self, job_id: str) -> None:
        view = self.views.get(job_id)
        if view is not None:
            self._ask(WatchJob(job_id=job_id, after_seq=view.seq))

    def _advance(self, job_id: str) -> None:
        """The next step of a submission: ask for what is there of its next blob, or submit."""
        submission = self._submissions[job_id]
        for sha256, blob in submission.blobs.items():
            self._ask(StoreBlob(sha256=sha256, size=len(blob), offset=0), (b"",))
            return
        self._ask(submission.message)

    def _stored(self, message: BlobStored) -> None:
        for job_id, submission in list(self._submissions.items()):
            blob = submission.blobs.get(message.sha256)
            if blob is None:
                continue
            if message.is_complete:
                del submission.blobs[message.sha256]
                self._advance(job_id)
            else:
                start = message.received
                piece = blob[start : start + CHUNK_BYTES]
                words = StoreBlob(sha256=message.sha256, size=len(blob), offset=start)
                self._ask(words, (piece,))
                return

    # Files from an engine elsewhere --------------------------------------------------------------

    def _begin_to_fetch(self, message: JobFinished, library: Path) -> None:
        view = self.views.get(message.job_id)
        if view is None or view.state.is_terminal or message.job_id in self._fetches:
            return
        try:
            fetch = Fetch(message.job_id, message.artifact, library)
        except PanoloomError as error:
            self._fail(message.job_id, error)
            return
        self._fetches[message.job_id] = (fetch, message)
        view.state = JobState.RUNNING

    def _go_on_fetching(self) -> None:
        """Ask for the next pieces, and count a loop as finished when all of it is here."""
        for job_id, (fetch, message) in list(self._fetches.items()):
            view = self.views[job_id]
            if fetch.is_complete:
                del self._fetches[job_id]
                try:
                    artifact = fetch.finish()
                except PanoloomError as error:
                    self._fail(job_id, error)
                else:
                    view.apply(replace(message, artifact=artifact))
                continue
            view.progress = fetch.progress(view.progress.elapsed_s if view.progress else 0.0)
            for request in fetch.requests():
                self._ask(request)

    def _fetched(self, message: FileChunk, piece: bytes) -> None:
        found = self._fetches.get(message.job_id)
        if found is None:
            return
        try:
            found[0].take(message, piece)
        except PanoloomError as error:
            self._fail(message.job_id, error)

    def _refused(self, error: PanoloomError, asked: Message | None) -> None:
        if isinstance(error, ProtocolMismatch):
            self._close()
            self.state = LinkState.OFF
        if isinstance(asked, (SubmitJob, WatchJob, FetchFile)):
            self._fail(asked.job_id, error)
        elif isinstance(asked, CancelJob):
            self._cancelled.discard(asked.job_id)  # it never knew the job, or lost it
        elif isinstance(asked, StoreBlob):
            for job_id, submission in list(self._submissions.items()):
                if asked.sha256 in submission.blobs:
                    self._fail(job_id, error)
        elif not isinstance(asked, FreeMemory):  # it has work to do, and keeps what that needs
            self.trouble = error

    def _fail(self, job_id: str, error: PanoloomError) -> None:
        self._submissions.pop(job_id, None)
        self._fetches.pop(job_id, None)
        view = self.views.get(job_id)
        if view is not None and not view.state.is_terminal:
            view.state = JobState.FAILED
            view.error = error if str(error) else EngineError("The engine refused without a word.")
