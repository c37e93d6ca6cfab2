"""The blocking client against a fake engine that misbehaves."""

from __future__ import annotations

import pytest
from engines import client
from fakes import FakeEngine

from panoloom.engine_server.client import Engine
from panoloom.shared import messages as m
from panoloom.shared.errors import (
    EngineUnreachable,
    InvalidJob,
    MalformedMessage,
    ModelNotInstalled,
    ProtocolMismatch,
)
from panoloom.shared.jobs import JobSpec, JobState


@pytest.fixture
def fake(tmp_path):
    with FakeEngine(tmp_path) as engine:
        yield engine


def test_no_engine_is_said_in_a_sentence(tmp_path):
    with pytest.raises(EngineUnreachable, match="No engine is running for this library"):
        Engine.connect(tmp_path)


def test_an_engine_of_another_protocol_is_told_apart(tmp_path):
    ours = r"\.".join(map(str, m.PROTOCOL_VERSION))
    with (
        FakeEngine(tmp_path, protocol=(m.PROTOCOL_VERSION[0] + 1, 1)),
        pytest.raises(ProtocolMismatch, match=rf"2\.1.*{ours}.*Update the add-on"),
    ):
        client(tmp_path)


def test_a_silent_engine_is_unreachable(tmp_path, fake):
    with client(tmp_path, timeout_s=0.2) as engine:
        fake.go_silent()
        with pytest.raises(EngineUnreachable, match="does not answer"):
            engine.status()
        fake.speak_again()
        assert engine.hello().engine_version == "fake"


def test_a_late_answer_is_not_taken_for_that_of_the_next_request(tmp_path, fake):
    with client(tmp_path, timeout_s=0.2) as engine:
        fake.go_silent()
        with pytest.raises(EngineUnreachable):
            engine.list()
        fake.speak_again()
        assert isinstance(engine.status(), m.StatusReported)


def test_a_refusal_is_raised_as_its_error(tmp_path, fake):
    fake.refuse_next(ModelNotInstalled("Install the model first.", model="wan"))
    with client(tmp_path) as engine:
        with pytest.raises(ModelNotInstalled, match="Install") as caught:
            engine.submit(JobSpec(prompt="sea"))
        assert caught.value.details == {"model": "wan"}


def test_a_bad_request_never_leaves_the_client(tmp_path, fake):
    with client(tmp_path) as engine:
        with pytest.raises(InvalidJob):
            engine.submit(JobSpec(prompt=""))
        assert [type(message) for message in fake.received] == [m.Hello]


def test_a_watch_goes_on_after_the_engine_was_started_again(tmp_path, fake):
    with client(tmp_path, timeout_s=0.3) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=3 hold_at=1"))
        seen = []
        for envelope in engine.watch(job_id):
            seen.append(envelope.message.seq)
            if isinstance(envelope.message, m.JobPreviewed) and envelope.message.step == 1:
                fake.restart()
                fake.release()
        assert isinstance(envelope.message, m.JobFinished)
        assert seen == sorted(set(seen))


def test_a_watch_survives_a_silence(tmp_path, fake):
    with client(tmp_path, timeout_s=0.2) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=2 hold_at=1"))
        watch = engine.watch(job_id)
        next(watch)
        fake.go_silent()
        fake.release()
        with pytest.raises(EngineUnreachable):
            engine.status()
        fake.speak_again()
        assert [type(envelope.message) for envelope in watch][-1] is m.JobFinished


def test_a_watch_gives_up_on_an_engine_that_does_not_come_back(tmp_path, fake):
    with client(tmp_path, timeout_s=0.2, patience_s=0.3) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=2 hold_at=1"))
        watch = engine.watch(job_id)
        next(watch)
        fake.stop()
        with pytest.raises(EngineUnreachable):
            list(watch)


def test_garbage_from_the_engine_is_passed_over(tmp_path, fake):
    with client(tmp_path) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=2 hold_at=1"))
        watch = engine.watch(job_id)
        next(watch)
        for parts in ([b""], [b"\xc1", b"\xc1"], [b"x"] * 12):
            fake.send_garbage(parts)
        fake.release()
        assert [type(envelope.message) for envelope in watch][-1] is m.JobFinished


def test_events_of_two_jobs_do_not_mix(tmp_path, fake):
    with client(tmp_path) as engine:
        first, second = (engine.submit(JobSpec(prompt=f"steps={n}")) for n in (2, 3))
        watches = {first: engine.watch(first), second: engine.watch(second)}
        for job_id in (first, second):
            next(watches[job_id])
        for job_id, watch in watches.items():
            assert {envelope.message.job_id for envelope in watch} == {job_id}
        assert engine.wait(second).state is JobState.FINISHED


def test_a_blob_that_was_altered_on_the_way_is_not_taken(tmp_path, fake):
    with client(tmp_path) as engine:
        name = engine.store_blob(b"right")
        fake._blobs[name] = b"wrong"
        with pytest.raises(MalformedMessage, match="not those of the name"):
            engine.fetch_blob(name)
