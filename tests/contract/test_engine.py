"""What clients may rely on: one suite for the fake engine and for a real broker with its worker."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager

import msgpack
import pytest
import zmq
from engines import client, real_broker
from fakes import FakeEngine

from panoloom.engine_server.broker.config import MAX_BLOB_BYTES
from panoloom.shared import messages as m
from panoloom.shared.connection import read_connection
from panoloom.shared.errors import GenerationFailed, InvalidJob, MalformedMessage, UserError
from panoloom.shared.jobs import JobSpec, JobState
from panoloom.shared.jobview import JobView
from panoloom.shared.wire import decode, encode, new_id

ENGINES = {"fake": FakeEngine, "real": real_broker}


@pytest.fixture(scope="module", params=ENGINES)
def library(request, tmp_path_factory):
    """A library that is being served; tests share its engine as clients do."""
    folder = tmp_path_factory.mktemp(request.param)
    with ENGINES[request.param](folder):
        yield folder


@pytest.fixture
def engine(library):
    (library / "go").unlink(missing_ok=True)
    with client(library) as engine:
        yield engine


@contextmanager
def raw_line(library):
    """A socket with the right keys and nothing else."""
    place = read_connection(library)
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_serverkey = place.server_public_key.encode()
    socket.curve_publickey = place.client_public_key.encode()
    socket.curve_secretkey = place.client_secret_key.encode()
    socket.connect(place.control)
    try:
        yield socket
    finally:
        socket.close()
        context.term()


def ask(socket, parts) -> m.Message:
    socket.send_multipart(parts)
    assert socket.poll(5000), "no answer"
    return decode(socket.recv_multipart()).message


def events(engine, job_id, after_seq=0) -> list[m.Message]:
    return [envelope.message for envelope in engine.watch(job_id, after_seq)]


def without_previews(found):
    return [event for event in found if not isinstance(event, m.JobPreviewed)]


def test_the_engine_says_who_it_is(engine, library):
    welcome = engine.hello()
    assert welcome.protocol == m.PROTOCOL_VERSION
    assert welcome.session == read_connection(library).session
    assert welcome.library == str(library)
    assert [model["name"] for model in welcome.models] == ["preview"]


def test_a_job_goes_from_queued_to_finished_and_leaves_an_artifact(engine):
    job_id = engine.submit(JobSpec(prompt="one steps=3", seed=1))
    found = events(engine, job_id)
    kinds = [type(event) for event in without_previews(found)]
    assert kinds == [m.JobQueued, m.JobStarted, *[m.JobProgressed] * 3, m.JobFinished]
    assert [event.seq for event in found] == sorted({event.seq for event in found})
    artifact = found[-1].artifact
    with open(os.path.join(artifact.folder, "manifest.json"), "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == artifact.manifest_sha256
    assert (artifact.job_id, artifact.width, artifact.num_frames) == (job_id, 512, 16)


def test_previews_come_with_their_picture(engine):
    job_id = engine.submit(JobSpec(prompt="two steps=2 hold_at=1"))
    for envelope in engine.watch(job_id):
        if isinstance(envelope.message, m.JobPreviewed):
            assert envelope.parts[0].startswith(b"\xff\xd8")
            assert (envelope.message.width, envelope.message.height) == (64, 32)
            break
    assert engine.cancel(job_id) in (JobState.RUNNING, JobState.CANCELLED)
    assert engine.wait(job_id).state is JobState.CANCELLED


def test_a_job_submitted_twice_is_one_job(engine):
    job_id, spec = new_id(), JobSpec(prompt="three steps=1")
    assert engine.submit(spec, job_id) == engine.submit(spec, job_id) == job_id
    assert engine.wait(job_id).state is JobState.FINISHED
    assert engine.submit(spec, job_id) == job_id
    assert [job.job_id for job in engine.list()].count(job_id) == 1


def test_one_id_cannot_stand_for_two_requests(engine):
    job_id = engine.submit(JobSpec(prompt="four steps=1"))
    with pytest.raises(InvalidJob, match="another request"):
        engine.submit(JobSpec(prompt="five steps=1"), job_id)
    engine.wait(job_id)


def test_a_repeated_message_is_carried_out_once_and_answered_twice(library):
    submit = m.SubmitJob(job_id=new_id(), spec=JobSpec(prompt="six steps=1").to_plain())
    with raw_line(library) as socket:
        parts = encode(submit, message_id=new_id())
        assert ask(socket, parts).job_id == ask(socket, parts).job_id == submit.job_id
    with client(library) as engine:
        engine.wait(submit.job_id)
        assert [job.job_id for job in engine.list()].count(submit.job_id) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"prompt": ""}, "prompt"), ({"width": 500}, "width"), ({"num_frames": 1}, "num_frames"),
     ({"seed": "x"}, "seed"), ({"fps": float("nan")}, "fps"), ({"seed": -1}, "seed")],
)  # fmt: skip
def test_a_bad_request_is_refused_before_any_work(library, changes, field):
    spec = {**JobSpec(prompt="bad").to_plain(), **changes}
    with raw_line(library) as socket:
        answer = ask(socket, encode(m.SubmitJob(job_id=new_id(), spec=spec)))
    assert isinstance(answer, m.Refused)
    assert (answer.code, answer.details["field"]) == ("user.invalid_job", field)


@pytest.mark.parametrize("job_id", ["", "../../x", "A" * 32, "0" * 31])
def test_a_job_id_that_is_none_is_refused(engine, job_id):
    with pytest.raises(InvalidJob) as caught:
        engine._ask(m.SubmitJob(job_id=job_id, spec=JobSpec(prompt="x").to_plain()), m.JobAccepted)
    assert caught.value.details["field"] == "job_id"


def test_a_cancelled_job_ends_as_cancelled_and_stays_so(engine):
    job_id = engine.submit(JobSpec(prompt="seven steps=3 hold_at=1"))
    watch = engine.watch(job_id)
    next(event for event in watch if isinstance(event.message, m.JobPreviewed))
    engine.cancel(job_id)
    assert [type(event.message) for event in watch][-1] is m.JobCancelled
    assert engine.cancel(job_id) is JobState.CANCELLED


def test_a_waiting_job_is_cancelled_at_once(engine, library):
    first = engine.submit(JobSpec(prompt="eight steps=2 hold_at=1"))
    second = engine.submit(JobSpec(prompt="nine steps=2"))
    assert engine.cancel(second) is JobState.CANCELLED
    assert isinstance(events(engine, second)[-1], m.JobCancelled)
    (library / "go").touch()
    assert engine.wait(first).state is JobState.FINISHED


def test_a_failure_arrives_as_its_error(engine):
    view = engine.wait(engine.submit(JobSpec(prompt="ten steps=3 fail_at=2")))
    assert view.state is JobState.FAILED
    assert isinstance(view.error, GenerationFailed)
    assert str(view.error) == "The sea is closed today."


def test_who_watches_later_hears_the_same_events(engine):
    job_id = engine.submit(JobSpec(prompt="eleven steps=3"))
    live = without_previews(events(engine, job_id))
    assert without_previews(events(engine, job_id)) == live
    middle = live[2].seq
    assert without_previews(events(engine, job_id, middle)) == live[3:]


def test_of_the_previews_only_the_newest_is_kept(engine):
    job_id = engine.submit(JobSpec(prompt="twelve steps=4"))
    engine.wait(job_id)
    kept = [event for event in events(engine, job_id) if isinstance(event, m.JobPreviewed)]
    assert [preview.step for preview in kept] == [4]


def test_two_clients_watch_one_job(engine, library):
    job_id = engine.submit(JobSpec(prompt="thirteen steps=3 hold_at=2"))
    with client(library) as other:
        watches = [engine.watch(job_id), other.watch(job_id)]
        seen = []
        for watch in watches:
            view = JobView(job_id=job_id)
            for envelope in watch:
                view.apply(envelope.message, envelope.parts)
                if view.preview_step == 2:
                    break
            seen.append(view)
        (library / "go").touch()
        for view, watch in zip(seen, watches, strict=True):
            for envelope in watch:
                view.apply(envelope.message, envelope.parts)
    assert seen[0] == seen[1]
    assert seen[0].state is JobState.FINISHED


@pytest.mark.parametrize("request_type", [m.WatchJob, m.UnwatchJob, m.CancelJob])
def test_an_unknown_job_is_refused(library, request_type):
    with raw_line(library) as socket:
        answer = ask(socket, encode(request_type(job_id=new_id())))
    assert isinstance(answer, m.Refused)
    assert answer.details["field"] == "job_id"


def test_status_and_list_tell_about_jobs(engine):
    job_id = engine.submit(JobSpec(prompt="fourteen steps=1"))
    engine.wait(job_id)
    assert engine.status().queued == 0
    newest = engine.list(limit=1)
    assert [(job.job_id, job.state) for job in newest] == [(job_id, JobState.FINISHED)]


def test_memory_is_given_back_on_request(engine):
    assert engine.free("cache").level == "cache"


def test_an_unknown_request_is_answered_and_harms_nothing(library):
    with raw_line(library) as socket:
        parts = encode(m.Hello())
        header = {**msgpack.unpackb(parts[0]), "type": "PaintFence"}
        answer = ask(socket, [msgpack.packb(header), parts[1]])
        assert isinstance(answer, m.Refused)
        assert "PaintFence" in answer.message
        assert isinstance(ask(socket, encode(m.Hello())), m.Welcomed)


@pytest.mark.parametrize(
    "parts",
    [[b""], [b"", b""], [b"\xc1" * 10, b"x"], [b"x"] * 9, encode(m.Hello())[:1],
     [encode(m.Hello())[0], b"\x81\xa6client"], encode(m.JobAccepted(job_id="x", state="queued"))],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_request_is_refused_and_harms_nothing(library, parts):
    with raw_line(library) as socket:
        answer = ask(socket, parts)
        assert isinstance(answer, m.Refused)
        assert answer.code == MalformedMessage.code
        assert isinstance(ask(socket, encode(m.Hello())), m.Welcomed)


def test_another_protocol_is_answered_in_plain_words(library):
    with raw_line(library) as socket:
        parts = encode(m.Hello())
        header = {**msgpack.unpackb(parts[0]), "protocol": [2, 3], "type": "HelloAgain"}
        answer = ask(socket, [msgpack.packb(header), b"\xc1 from the future"])
    assert isinstance(answer, m.Refused)
    assert answer.code == "transport.protocol_mismatch"
    assert ".".join(map(str, m.PROTOCOL_VERSION)) in answer.message
    assert "2.3" in answer.message
    assert answer.message.endswith("Update the engine.")


def test_a_file_is_stored_in_pieces_and_comes_back(engine):
    data = os.urandom(m.MAX_CHUNK_BYTES * 2 + 12345)
    sha256 = engine.store_blob(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert engine.fetch_blob(sha256) == data
    assert engine.store_blob(data) == sha256


def test_bytes_that_are_not_those_of_the_name_are_refused(engine):
    name = hashlib.sha256(b"right").hexdigest()
    with pytest.raises(UserError, match="not those of the name"):
        engine._store(name, 5, 0, b"wrong")
    assert engine._store(name, 5, 0, b"").received == 0
    assert engine._store(name, 5, 0, b"right").is_complete


def test_a_file_too_large_is_refused_at_its_first_piece(engine):
    with pytest.raises(UserError) as caught:
        engine._store("0" * 64, 10**9, 0, b"x")
    assert caught.value.details["largest"] == MAX_BLOB_BYTES


def test_a_file_nobody_stored_cannot_be_fetched(engine):
    with pytest.raises(UserError, match="No file"):
        engine.fetch_blob("f" * 64)


def test_watching_an_ended_job_from_its_end_ends_at_once(engine):
    job_id = engine.submit(JobSpec(prompt="fifteen steps=1"))
    last = events(engine, job_id)[-1]
    assert events(engine, job_id, last.seq) == []
