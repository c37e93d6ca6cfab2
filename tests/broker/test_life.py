"""Workers and brokers that die, and what becomes of the jobs."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

import fake_worker
import pytest
from engines import (
    broker_process,
    client,
    real_broker,
    wait_for_engine,
    wait_until,
    wait_until_gone,
)

from panoloom.shared import messages as m
from panoloom.shared.connection import connection_path, read_connection
from panoloom.shared.errors import EngineUnreachable, GenerationFailed, InvalidJob, UserError
from panoloom.shared.jobs import JobSpec, JobState, Reference
from panoloom.shared.jobview import JobView
from panoloom.shared.wire import new_id

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills with POSIX signals")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    with real_broker(folder, cancel_grace_s=0.2, worker_stall_s=60.0):
        yield folder


@pytest.fixture
def engine(library):
    (library / "go").unlink(missing_ok=True)
    with client(library) as engine:
        yield engine


def run(engine, prompt):
    """The job's view at its end, and its events."""
    job_id = engine.submit(JobSpec(prompt=prompt))
    view, found = JobView(job_id=job_id), []
    for envelope in engine.watch(job_id):
        view.apply(envelope.message, envelope.parts)
        found.append(envelope.message)
    return view, found


def chain(view) -> str:
    """The hash over all steps of a finished job."""
    return json.loads((Path(view.artifact.folder) / "manifest.json").read_text())["chain"]


def until(watch, wanted):
    """The first event of a type."""
    return next(e.message for e in watch if isinstance(e.message, wanted))


def test_a_worker_killed_in_mid_job_is_replaced_and_the_job_ends_with_the_same_bytes(engine):
    undisturbed, _ = run(engine, "calm steps=6")
    view, found = run(engine, "storm steps=6 die_at=3")
    assert chain(view) == chain(undisturbed)
    resumed = next(event for event in found if isinstance(event, m.JobResumed))
    assert "killed by signal 9" in resumed.reason
    assert [event.attempt for event in found if isinstance(event, m.JobStarted)] == [1, 2]
    steps = [event.progress.step for event in found if isinstance(event, m.JobProgressed)]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_worker_killed_from_outside_is_replaced(engine, library):
    job_id = engine.submit(JobSpec(prompt="kill steps=4 hold_at=2"))
    watch = engine.watch(job_id)
    until(watch, m.JobPreviewed)
    os.kill(engine.status().worker.pid, signal.SIGKILL)
    until(watch, m.JobResumed)
    (library / "go").touch()
    assert until(watch, m.JobFinished).artifact.job_id == job_id
    assert engine.status().worker.restarts >= 1


def test_a_job_that_kills_every_worker_at_the_same_point_is_given_up(engine, library):
    view, found = run(engine, "dies=1")
    assert isinstance(view.error, GenerationFailed)
    assert "3 times at the same point" in str(view.error)
    assert str(library / ".panoloom" / "worker.log") in str(view.error)
    assert len([event for event in found if isinstance(event, m.JobResumed)]) == 2
    assert run(engine, "after steps=1")[0].state is JobState.FINISHED


def test_a_worker_that_lets_go_unasked_gets_the_job_again(engine):
    view, found = run(engine, "quits=1 steps=1")
    assert view.state is JobState.FINISHED
    assert [event.attempt for event in found if isinstance(event, m.JobStarted)] == [1, 2]


def test_a_result_that_is_not_there_fails_the_job(engine):
    view, _ = run(engine, "lies=1 steps=1")
    assert view.state is JobState.FAILED
    assert view.error.code == "engine.artifact_write_failed"
    assert "ask for the job once more" in str(view.error)


def test_a_job_that_is_not_there_says_where_to_look(engine):
    with pytest.raises(InvalidJob, match="`panoloom jobs` shows"):
        engine.cancel("c" * 32)


def test_a_work_folder_that_cannot_be_made_fails_the_job_with_its_path(engine, library):
    job_id = new_id()
    (library / ".panoloom" / "jobs").mkdir(exist_ok=True)
    (library / ".panoloom" / "jobs" / job_id).touch()
    engine.submit(JobSpec(prompt="nowhere steps=1"), job_id)
    error = engine.wait(job_id).error
    assert error.code == "engine.artifact_write_failed"
    assert f"could not be written to {library / '.panoloom' / 'jobs' / job_id}" in str(error)


def test_a_worker_deaf_to_cancelling_is_ended(engine):
    job_id = engine.submit(JobSpec(prompt="deaf=1 steps=4 hold_at=1"))
    watch = engine.watch(job_id)
    until(watch, m.JobPreviewed)
    pid = engine.status().worker.pid
    assert engine.cancel(job_id) is JobState.RUNNING
    until(watch, m.JobCancelled)
    wait_until_gone(pid)


def test_checkpoints_go_when_the_job_ends(engine, library):
    view, _ = run(engine, "tidy steps=2")
    assert view.state is JobState.FINISHED
    folder = library / ".panoloom" / "jobs" / view.job_id
    wait_until(lambda: not folder.exists())


def test_the_same_request_again_is_finished_at_once(engine):
    first, _ = run(engine, "again steps=2")
    second, found = run(engine, "again steps=2")
    assert [type(event) for event in found] == [m.JobFinished]
    assert second.artifact == first.artifact


def test_a_result_that_was_altered_is_made_anew(engine):
    first, _ = run(engine, "altered steps=2")
    (Path(first.artifact.folder) / "manifest.json").write_text("{}")
    second, _ = run(engine, "altered steps=2")
    assert second.artifact.job_id == second.job_id != first.job_id


def test_memory_is_not_taken_from_a_running_job_and_exit_ends_the_worker(engine, library):
    job_id = engine.submit(JobSpec(prompt="free steps=2 hold_at=1"))
    watch = engine.watch(job_id)
    until(watch, m.JobPreviewed)
    with pytest.raises(UserError, match="A job is running"):
        engine.free("cache")
    (library / "go").touch()
    until(watch, m.JobFinished)
    with pytest.raises(UserError, match="known are"):
        engine.free("everything")
    pid = engine.status().worker.pid
    engine.free("exit")
    wait_until_gone(pid)
    assert engine.status().worker.state == "none"
    assert run(engine, "woken steps=1")[0].state is JobState.FINISHED


def test_an_unknown_model_is_refused_with_the_known_ones(engine):
    with pytest.raises(InvalidJob) as caught:
        engine.submit(JobSpec(prompt="sea", model="sora"))
    assert caught.value.details["known"] == ["preview"]


def test_a_reference_has_to_be_stored_first_and_be_a_picture(engine):
    spec = JobSpec(prompt="sea", reference=Reference(sha256="e" * 64))
    with pytest.raises(InvalidJob) as caught:
        engine.submit(spec)
    assert caught.value.details["missing"] == ["e" * 64]
    text = engine.store_blob(b"this is no picture")
    with pytest.raises(InvalidJob, match="no picture"):
        engine.submit(JobSpec(prompt="sea", reference=Reference(sha256=text)))


def test_a_mask_of_another_size_is_refused(engine):
    image, mask = (
        engine.store_blob(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
            + struct.pack(">II", 2 * height, height)
            + b"IEND\xaeB`\x82"
        )
        for height in (256, 128)
    )
    reference = Reference(sha256=image, mask_sha256=mask)
    with pytest.raises(InvalidJob, match="256x128 pixels and the reference has 512x256"):
        engine.submit(JobSpec(prompt="sea", reference=reference))


def test_a_worker_that_never_gets_ready_fails_the_job_with_its_last_words(tmp_path):
    broken = [*fake_worker.COMMAND, "--broken"]
    with real_broker(tmp_path, worker=broken, max_crashes=1), client(tmp_path) as engine:
        view, _ = run(engine, "sea")
    assert isinstance(view.error, GenerationFailed)
    assert "the graphics card is on holiday" in str(view.error)


def test_a_worker_that_cannot_be_started_fails_the_job(tmp_path):
    missing = [str(tmp_path / "no-such-program")]
    with real_broker(tmp_path, worker=missing, max_crashes=1), client(tmp_path) as engine:
        view, _ = run(engine, "sea")
    assert "cannot be started" in str(view.error)
    assert "panoloom doctor" in str(view.error)


def test_a_silent_worker_is_replaced(tmp_path):
    with real_broker(tmp_path, worker_stall_s=0.5), client(tmp_path) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=2 hold_at=1"))
        watch = engine.watch(job_id)
        assert "silent" in until(watch, m.JobResumed).reason
        (tmp_path / "go").touch()
        until(watch, m.JobFinished)


def test_an_idle_worker_is_sent_home(tmp_path):
    with real_broker(tmp_path, idle_worker_s=0.05), client(tmp_path) as engine:
        view, _ = run(engine, "steps=1")
        assert view.state is JobState.FINISHED
        wait_until(lambda: engine.status().worker.state == "none")
        assert engine.status().worker.restarts == 0


def test_a_killed_engine_resumes_its_job_at_the_next_start(tmp_path):
    with broker_process(tmp_path) as process, client(tmp_path) as engine:
        done = engine.wait(engine.submit(JobSpec(prompt="done steps=2")))
        waiting_spec = JobSpec(prompt="waiting steps=2")
        job_id = engine.submit(JobSpec(prompt="running steps=4 hold_at=2"))
        waiting = engine.submit(waiting_spec)
        watch = engine.watch(job_id)
        until(watch, m.JobPreviewed)
        worker = engine.status().worker.pid
        process.kill()
        process.wait()
        with pytest.raises(EngineUnreachable, match="without a word"):
            read_connection(tmp_path)
        wait_until_gone(worker)
        (tmp_path / "go").touch()
        with broker_process(tmp_path):
            found = [envelope.message for envelope in watch]  # the same watch goes on
            assert "started again" in next(e.reason for e in found if isinstance(e, m.JobResumed))
            steps = [e.progress.step for e in found if isinstance(e, m.JobProgressed)]
            assert steps == [*range(steps[0], 5)]
            assert engine.wait(waiting).state is JobState.FINISHED
            again = engine.wait(done.job_id)
            assert again.artifact == done.artifact


def test_an_engine_asked_to_end_takes_its_worker_and_its_connection_file_along(tmp_path):
    with broker_process(tmp_path) as process, client(tmp_path) as engine:
        job_id = engine.submit(JobSpec(prompt="steps=2 hold_at=1"))
        until(engine.watch(job_id), m.JobPreviewed)
        worker = engine.status().worker.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        wait_until_gone(worker)
        assert not connection_path(tmp_path).exists()


def test_a_client_can_end_the_engine(tmp_path):
    with broker_process(tmp_path) as process, client(tmp_path) as engine:
        engine.shutdown()
        assert process.wait(10) == 0
        engine.timeout_s = 0.3
        with pytest.raises(EngineUnreachable, match="does not answer"):
            engine.hello()


def test_a_second_engine_on_one_library_is_refused_and_the_first_lives_on(library, engine):
    session = engine.hello().session
    with pytest.raises(UserError, match="already serves"), real_broker(library):
        pass
    assert engine.hello().session == session
    assert read_connection(library).session == session


def test_a_port_in_use_names_the_way_out(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UserError, match=f"Port {port} on 127.0.0.1 is in use.*--listen"),
            real_broker(tmp_path, control_port=port),
        ):
            pass
    with real_broker(tmp_path, control_port=port) as broker:
        assert broker.connection.control == f"tcp://127.0.0.1:{port}"


def test_an_address_that_is_not_this_machines_names_the_way_out(tmp_path):
    with (
        pytest.raises(UserError, match=r"Cannot listen on 192\.0\.2\.1: .* --listen"),
        real_broker(tmp_path, host="192.0.2.1", remote_key=tmp_path / "key"),
    ):
        pass


def test_a_stale_connection_file_is_replaced(tmp_path):
    with real_broker(tmp_path):
        old = connection_path(tmp_path).read_text()
    connection_path(tmp_path).write_text(old)
    with real_broker(tmp_path) as broker, client(tmp_path) as engine:
        assert engine.hello().session == broker.session


def test_an_engine_starts_a_worker_early_if_told_so(tmp_path):
    with real_broker(tmp_path, starts_worker_early=True), client(tmp_path) as engine:
        wait_until(lambda: engine.status().worker.state == "idle")
        assert engine.hello().device == "fake"


def test_the_worker_ends_when_its_broker_does(tmp_path):
    assert sys.platform != "win32"
    with broker_process(tmp_path) as process, client(tmp_path) as engine:
        engine.wait(engine.submit(JobSpec(prompt="steps=1")))
        worker = engine.status().worker.pid
        assert wait_for_engine(tmp_path, process.pid).pid == process.pid
        process.kill()
        wait_until_gone(worker)
