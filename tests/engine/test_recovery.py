"""The real engine survives the death of its parts, with the same bytes at the end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_process import EngineProcess, kill_9
from results import require_same_bytes

from panoloom.engine_server.client import Engine
from panoloom.engine_server.output.manifest import verify_artifact
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import ArtifactRef, JobSpec, JobState
from panoloom.shared.messages import (
    JobCancelled,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobResumed,
)

SPEC = JobSpec(prompt="northern lights over a calm sea", num_frames=8, steps=4, seed=3)


def finish(engine: Engine, job_id: str) -> ArtifactRef:
    *_, last = engine.watch(job_id)
    assert isinstance(last.message, JobFinished), last.message
    return last.message.artifact


def until_step(engine: Engine, job_id: str, step: int) -> None:
    """Return once that step of the denoising has been reported."""
    for envelope in engine.watch(job_id):
        event = envelope.message
        assert not isinstance(event, JobFinished), "the job was over before it could be disturbed"
        if not isinstance(event, JobProgressed) or event.progress.phase != "denoise":
            continue
        if event.progress.step >= step:
            return


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_parts_lose_nothing_and_the_bytes_are_the_same(
    engine_process: Callable[[str], EngineProcess],
) -> None:
    with engine_process("undisturbed").start() as engine:
        undisturbed = finish(engine, engine.submit(SPEC))

    process = engine_process("disturbed")
    job_id = uuid.uuid4().hex
    with process.start() as engine:
        engine.submit(SPEC, job_id)
        until_step(engine, job_id, 1)
        kill_9(engine.status().worker.pid)
        until_step(engine, job_id, 2)
        process.kill()
    with process.start() as engine:
        events = [envelope.message for envelope in engine.watch(job_id)]
        resumed = [event for event in events if isinstance(event, JobResumed)]
        assert [event.attempt for event in resumed] == [2, 3]
        assert all(event.reason for event in resumed)
        assert isinstance(events[-1], JobFinished)
        artifact = events[-1].artifact
        require_same_bytes(artifact, undisturbed)
        assert verify_artifact(Path(artifact.folder)) == []

        again = finish(engine, engine.submit(SPEC))
        assert again.folder == artifact.folder, "the same request again costs nothing"
    process.stop()
    with process.start() as engine:
        states = {line.job_id: line.state for line in engine.list()}
        assert states[job_id] == JobState.FINISHED


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_previews_come_while_it_runs_and_cancel_ends_it(
    engine_process: Callable[[str], EngineProcess],
) -> None:
    process = engine_process("library")
    with process.start() as engine:
        job_id = engine.submit(SPEC)
        seen = []
        for envelope in engine.watch(job_id):
            seen.append(envelope.message)
            if isinstance(envelope.message, JobPreviewed):
                assert bytes(envelope.parts[0]).startswith(b"\xff\xd8")
                engine.cancel(job_id)
        assert isinstance(seen[-1], JobCancelled)
        assert not [path for path in process.library.iterdir() if path.name[0] != "."]


def test_a_job_that_cannot_be_is_refused_at_once(
    engine_process: Callable[[str], EngineProcess],
) -> None:
    with engine_process("library").start() as engine:
        with pytest.raises(InvalidJob) as caught:
            engine.submit(JobSpec(prompt="sea", width=640, height=320))
        assert caught.value.details["nearest"] == [512, 256]
        assert engine.list() == () or list(engine.list()) == []
        assert engine.status().worker.pid == 0
