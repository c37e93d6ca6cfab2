"""The session: connect, submit, follow, lose, find again. The engine is scripted."""

from __future__ import annotations

import hashlib

import pytest
from scripted_engine import ScriptedEngine, until

from panoloom.blender_addon import session as session_module
from panoloom.blender_addon.session import LinkState, Session
from panoloom.shared.errors import InvalidJob, OutOfMemory, ProtocolMismatch, UserError
from panoloom.shared.jobs import ArtifactRef, JobSpec, JobState, Progress
from panoloom.shared.messages import (
    CancelJob,
    FreeMemory,
    Hello,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobStarted,
    Refused,
    StoreBlob,
    SubmitJob,
    WatchJob,
)
from panoloom.shared.wire import encode, refusal

JOB = "a" * 32
SPEC = JobSpec(prompt="sea")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path):
    made = ScriptedEngine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def session(clock):
    made = Session(clock)
    yield made
    made.disconnect()


def connect(session: Session, engine: ScriptedEngine) -> None:
    session.connect(engine.place)
    until(lambda: session.state is LinkState.CONNECTED, engine.turn, session.poll)


def submit(session: Session, engine: ScriptedEngine, blobs: tuple[bytes, ...] = ()) -> None:
    session.submit(SPEC, JOB, blobs)
    until(lambda: "WatchJob" in engine.kinds(), engine.turn, session.poll)


def progressed(seq: int, step: int) -> JobProgressed:
    progress = Progress(phase="denoise", step=step, num_steps=16, fraction=0.5, elapsed_s=1.0)
    return JobProgressed(job_id=JOB, seq=seq, progress=progress)


def finished(seq: int) -> JobFinished:
    artifact = ArtifactRef(
        job_id=JOB,
        folder="loop",
        manifest_sha256="0" * 64,
        width=512,
        height=256,
        num_frames=4,
        fps=24.0,
        loop=True,
    )
    return JobFinished(job_id=JOB, seq=seq, artifact=artifact)


def test_connecting_greets_and_asks_how_the_engine_is(session, engine):
    connect(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    assert engine.kinds()[:2] == ["Hello", "GetStatus"]
    assert session.trouble is None


def test_library_without_an_engine_gives_a_sentence_and_is_tried_again(session, tmp_path, clock):
    session.connect(tmp_path / "library")
    assert session.state is LinkState.LOST
    assert "Start one" in str(session.trouble)
    engine = ScriptedEngine(tmp_path / "library")
    session.poll()
    assert session.state is LinkState.LOST  # not yet: it does not hammer
    clock.now += session_module.RETRY_S
    until(lambda: session.state is LinkState.CONNECTED, engine.turn, session.poll)
    engine.close()


def test_engine_that_never_welcomes_counts_as_lost(session, engine, clock):
    engine.answer(Hello, lambda m: None)
    session.connect(engine.place)
    until(lambda: engine.turn() > 0)
    clock.now += session_module.HELLO_S + 0.1
    session.poll()
    assert session.state is LinkState.LOST


def test_job_is_followed_to_its_end(session, engine):
    connect(session, engine)
    submit(session, engine)
    view = session.views[JOB]
    for event in (JobStarted(job_id=JOB, seq=1), progressed(2, 3)):
        engine.tell(event)
    engine.tell(JobPreviewed(job_id=JOB, seq=3, step=3, width=4, height=2), (b"\xff\xd8",))
    until(lambda: view.preview == b"\xff\xd8", session.poll)
    assert view.state is JobState.RUNNING
    assert view.progress is not None
    engine.tell(finished(4))
    until(lambda: view.state is JobState.FINISHED, session.poll)
    assert view.artifact is not None


def test_blobs_go_before_the_request_in_pieces(session, engine, monkeypatch):
    monkeypatch.setattr(session_module, "CHUNK_BYTES", 4)
    connect(session, engine)
    submit(session, engine, (b"0123456789",))
    assert list(engine.blobs.values()) == [b"0123456789"]
    kinds = engine.kinds()
    assert kinds.count("StoreBlob") == 4  # one asks what is there, three carry the bytes
    assert kinds.index("SubmitJob") > max(i for i, k in enumerate(kinds) if k == "StoreBlob")


def test_blob_that_is_there_already_is_not_sent_again(session, engine):
    connect(session, engine)
    blob = b"picture"
    session.submit(SPEC, JOB, (blob,))
    engine.blobs[hashlib.sha256(blob).hexdigest()] = blob
    until(lambda: "SubmitJob" in engine.kinds(), engine.turn, session.poll)
    assert engine.kinds().count("StoreBlob") == 1


def test_refused_job_fails_with_the_engines_words(session, engine):
    engine.answer(SubmitJob, lambda m: refusal(InvalidJob("No such model.", field="model")))
    connect(session, engine)
    view = session.submit(SPEC, JOB)
    until(lambda: view.state is JobState.FAILED, engine.turn, session.poll)
    assert isinstance(view.error, InvalidJob)
    assert view.error.details["field"] == "model"


def test_refused_blob_fails_its_job(session, engine):
    engine.answer(StoreBlob, lambda m: refusal(InvalidJob("Not a picture.")))
    connect(session, engine)
    view = session.submit(SPEC, JOB, (b"x",))
    until(lambda: view.state is JobState.FAILED, engine.turn, session.poll)
    assert str(view.error) == "Not a picture."


def test_failed_job_carries_its_error(session, engine):
    connect(session, engine)
    submit(session, engine)
    engine.tell(JobFailed(job_id=JOB, seq=1, code=OutOfMemory.code, message="Too big.", details={}))
    view = session.views[JOB]
    until(lambda: view.state is JobState.FAILED, session.poll)
    assert isinstance(view.error, OutOfMemory)


def test_lost_engine_is_found_again_and_the_job_watched_from_the_last_event(
    session, engine, clock, tmp_path
):
    connect(session, engine)
    submit(session, engine)
    engine.tell(JobStarted(job_id=JOB, seq=1))
    engine.tell(progressed(5, 3))
    until(lambda: session.views[JOB].seq == 5, session.poll)
    engine.close()
    clock.now += session_module.SILENCE_S + 0.1
    session.poll()
    assert session.state is LinkState.LOST
    again = ScriptedEngine(tmp_path)
    clock.now += session_module.RETRY_S
    until(lambda: "WatchJob" in again.kinds(), again.turn, session.poll)
    asked = next(m for m in again.heard if isinstance(m, WatchJob))
    assert asked.after_seq == 5
    again.tell(progressed(5, 1))  # replayed: seen already
    again.tell(progressed(6, 4))
    until(lambda: session.views[JOB].seq == 6, session.poll)
    assert session.views[JOB].progress.step == 4
    assert "SubmitJob" not in again.kinds()
    again.close()


def test_request_that_was_never_answered_is_made_again_with_the_same_id(
    session, engine, clock, tmp_path
):
    engine.answer(SubmitJob, lambda m: None)
    connect(session, engine)
    session.submit(SPEC, JOB)
    until(lambda: "SubmitJob" in engine.kinds(), engine.turn, session.poll)
    engine.close()
    clock.now += session_module.SILENCE_S + 0.1
    session.poll()
    again = ScriptedEngine(tmp_path)
    clock.now += session_module.RETRY_S
    until(lambda: "SubmitJob" in again.kinds(), again.turn, session.poll)
    assert next(m for m in again.heard if isinstance(m, SubmitJob)).job_id == JOB
    again.close()


def test_silent_engine_is_asked_how_it_is_before_it_counts_as_lost(session, engine, clock):
    connect(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    before = engine.kinds().count("GetStatus")
    clock.now += session_module.ASK_S + 0.1
    session.poll()
    until(lambda: engine.kinds().count("GetStatus") == before + 1, engine.turn)


def test_silence_watches_the_job_again_from_the_last_event(session, engine, clock):
    connect(session, engine)
    submit(session, engine)
    engine.tell(progressed(5, 3))
    until(lambda: session.views[JOB].seq == 5, engine.turn, session.poll)
    clock.now += session_module.ASK_S + 0.1
    session.poll()
    until(lambda: engine.kinds().count("WatchJob") == 2, engine.turn)
    assert [m.after_seq for m in engine.heard if isinstance(m, WatchJob)] == [0, 5]
    assert engine.kinds().count("SubmitJob") == 1


def test_engine_that_ended_is_missed_at_the_next_look_at_its_file(session, engine, clock):
    connect(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    engine.place.unlink()
    clock.now += session_module.ASK_S + 0.1
    session.poll()
    assert session.state is LinkState.LOST
    assert "Start one" in str(session.trouble)


def test_engine_that_started_again_is_reached_at_once(session, engine, clock, tmp_path):
    connect(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    again = ScriptedEngine(tmp_path)  # other ports, other keys, the same file
    clock.now += session_module.ASK_S + 0.1
    until(lambda: "Hello" in again.kinds(), again.turn, session.poll)
    until(lambda: session.state is LinkState.CONNECTED, again.turn, session.poll)
    again.close()


def test_cancelled_job_ends_when_the_engine_says_so(session, engine):
    connect(session, engine)
    submit(session, engine)
    session.cancel(JOB)
    until(lambda: "CancelJob" in engine.kinds(), engine.turn, session.poll)
    assert not session.views[JOB].state.is_terminal
    engine.tell(JobCancelled(job_id=JOB, seq=1))
    until(lambda: session.views[JOB].state is JobState.CANCELLED, session.poll)


def test_cancel_while_the_engine_is_away_is_told_at_the_next_welcome(session, tmp_path, clock):
    session.connect(tmp_path)
    view = session.submit(SPEC, JOB)
    session.cancel(JOB)
    assert view.state is JobState.CANCELLED
    engine = ScriptedEngine(tmp_path)
    clock.now += session_module.RETRY_S
    until(lambda: "CancelJob" in engine.kinds(), engine.turn, session.poll)
    assert [m.job_id for m in engine.heard if isinstance(m, CancelJob)] == [JOB]
    assert "SubmitJob" not in engine.kinds()
    engine.close()


def test_a_render_frees_weights_and_a_busy_engine_that_keeps_them_is_no_trouble(session, engine):
    engine.answer(FreeMemory, lambda m: refusal(UserError("A job is running.")))
    session.free_weights()  # nobody is there to hear it
    connect(session, engine)
    session.free_weights()
    until(lambda: "FreeMemory" in engine.kinds(), engine.turn, session.poll)
    view = session.submit(SPEC, JOB)  # what comes after the refusal
    until(lambda: "WatchJob" in engine.kinds(), engine.turn, session.poll)
    assert engine.kinds().count("FreeMemory") == 1
    assert session.trouble is None
    assert view.state is JobState.QUEUED


def test_engine_of_another_major_version_is_not_tried_again(session, engine, clock):
    engine.answer(
        Hello,
        lambda m: Refused(code=ProtocolMismatch.code, message="Update the add-on.", details={}),
    )
    session.connect(engine.place)
    until(lambda: session.state is LinkState.OFF, engine.turn, session.poll)
    assert str(session.trouble) == "Update the add-on."
    heard = len(engine.heard)
    clock.now += 60
    session.poll()
    assert engine.turn(0.05) == 0
    assert len(engine.heard) == heard


@pytest.mark.parametrize(
    "parts", [[b""], [b"x", b"y"], [b"\x80", b"\x80"], encode(JobStarted(job_id=JOB, seq=1))[:1]]
)
def test_bytes_that_are_no_message_do_no_harm(session, engine, parts):
    connect(session, engine)
    submit(session, engine)
    engine.say(parts)
    engine.tell(JobStarted(job_id=JOB, seq=1))
    until(lambda: session.views[JOB].state is JobState.RUNNING, session.poll)
    assert session.state is LinkState.CONNECTED


def test_one_poll_takes_a_bounded_number_of_messages(session, engine):
    connect(session, engine)
    submit(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    for seq in range(1, 1001):
        engine.tell(progressed(seq, seq % 16))
    counts: list[int] = []
    until(lambda: session.views[JOB].seq == 1000, lambda: counts.append(session.poll()))
    assert max(counts) == session_module.MAX_MESSAGES
    assert sum(counts) >= 1000


def test_one_poll_ends_when_its_time_is_over_and_the_next_goes_on(session, engine, clock):
    connect(session, engine)
    submit(session, engine)
    until(lambda: session.status is not None, engine.turn, session.poll)
    for seq in range(1, 8):
        engine.tell(progressed(seq, seq))
    clock_of = session._clock
    session._clock = lambda: setattr(clock, "now", clock.now + 0.0015) or clock_of()
    counts: list[int] = []
    until(lambda: session.views[JOB].seq == 7, lambda: counts.append(session.poll()))
    assert max(counts) == 1  # the clock is read twice for each message


def test_events_of_forgotten_jobs_are_dropped(session, engine):
    connect(session, engine)
    submit(session, engine)
    session.forget(JOB)
    engine.tell(JobStarted(job_id=JOB, seq=1))
    engine.tell(JobStarted(job_id=JOB, seq=2))
    until(lambda: session.poll() > 0)
    assert session.views == {}


def test_disconnected_session_polls_nothing(session, engine):
    connect(session, engine)
    session.disconnect()
    assert session.poll() == 0
    assert session.state is LinkState.OFF
