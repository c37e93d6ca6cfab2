from __future__ import annotations

import pytest

from panoloom.shared.errors import GenerationFailed
from panoloom.shared.jobs import ArtifactRef, JobState, Progress
from panoloom.shared.jobview import JobView
from panoloom.shared.messages import (
    Hello,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobQueued,
    JobResumed,
    JobStarted,
)

PROGRESS = Progress(phase="denoise", step=1, num_steps=4, fraction=0.25, elapsed_s=1.0)
ARTIFACT = ArtifactRef(
    job_id="a", folder="f", manifest_sha256="0", width=2, height=1, num_frames=2, fps=1.0, loop=True
)
EVENTS = [
    (JobQueued(job_id="a", seq=1, position=2), ()),
    (JobStarted(job_id="a", seq=2, attempt=1), ()),
    (JobProgressed(job_id="a", seq=3, progress=PROGRESS), ()),
    (JobPreviewed(job_id="a", seq=4, step=1, width=8, height=4), (b"one",)),
    (JobResumed(job_id="a", seq=5, attempt=2, reason="It died."), ()),
    (JobStarted(job_id="a", seq=6, attempt=2), ()),
    (JobPreviewed(job_id="a", seq=9, step=2, width=8, height=4), (b"two",)),
    (JobFinished(job_id="a", seq=10, artifact=ARTIFACT), ()),
]


def folded(events):
    view = JobView(job_id="a")
    for message, parts in events:
        view.apply(message, parts)
    return view


def test_events_fold_into_the_state_of_the_job():
    view = folded(EVENTS)
    assert view == JobView(
        job_id="a",
        seq=10,
        state=JobState.FINISHED,
        position=2,
        attempt=2,
        progress=PROGRESS,
        preview=b"two",
        preview_size=(8, 4),
        preview_step=2,
        notice="It died.",
        artifact=ARTIFACT,
    )


def test_an_interrupted_job_waits_again():
    assert folded(EVENTS[:5]).state is JobState.QUEUED
    assert folded(EVENTS[:6]).state is JobState.RUNNING


@pytest.mark.parametrize("cut", range(len(EVENTS)))
def test_replayed_events_count_once(cut):
    assert folded([*EVENTS[:cut], *EVENTS]) == folded(EVENTS)


def test_what_has_ended_never_changes():
    view = folded([*EVENTS, (JobFailed(job_id="a", seq=11, code="engine", message="x"), ())])
    assert view.state is JobState.FINISHED
    assert view.error is None


def test_events_of_other_jobs_and_other_messages_are_not_taken():
    view = JobView(job_id="a")
    assert not view.apply(JobStarted(job_id="b", seq=1))
    assert not view.apply(Hello())
    assert view == JobView(job_id="a")


def test_a_failure_becomes_its_error_again():
    failed = JobFailed(
        job_id="a", seq=1, code="engine.generation_failed", message="The sea is shut."
    )
    view = folded([(failed, ())])
    assert isinstance(view.error, GenerationFailed)
    assert str(view.error) == "The sea is shut."


def test_cancelling_is_a_state_and_no_error():
    view = folded([(JobCancelled(job_id="a", seq=1), ())])
    assert (view.state, view.error) == (JobState.CANCELLED, None)
