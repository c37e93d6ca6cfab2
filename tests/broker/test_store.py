from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoloom.engine_server.broker.store import JobStore
from panoloom.shared.errors import ArtifactWriteFailed, UserError
from panoloom.shared.jobs import ArtifactRef, JobSpec, JobState, Progress
from panoloom.shared.messages import (
    JobCancelled,
    JobFailed,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    JobQueued,
    JobResumed,
    JobStarted,
)

A, B, C = "a" * 32, "b" * 32, "c" * 32
SPEC = JobSpec(prompt="sea")
ARTIFACT = ArtifactRef(
    job_id=A, folder="f", manifest_sha256="0", width=2, height=1, num_frames=2, fps=1.0, loop=True
)
PROGRESS = Progress(phase="denoise", step=1, num_steps=4, fraction=0.25, elapsed_s=1.0)
EVENTS = [
    JobQueued(job_id=A),
    JobStarted(job_id=A, attempt=1),
    JobProgressed(job_id=A, progress=PROGRESS),
    JobPreviewed(job_id=A, step=1, width=2, height=1),
    JobResumed(job_id=A, attempt=2, reason="It died."),
    JobFinished(job_id=A, artifact=ARTIFACT),
    JobFailed(job_id=A, code="engine", message="no"),
    JobCancelled(job_id=A),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.sqlite3"


@pytest.fixture
def store(path):
    store = JobStore(path)
    yield store
    store.close()


def add(store, job_id=A, priority=0):
    return store.add(job_id, SPEC.sha256(), SPEC, priority)


def append(store, event):
    return store.append(event, [b"jpeg"] * type(event).num_parts)


def test_an_id_is_taken_once(store):
    assert add(store)
    assert not add(store)
    assert store.count(JobState.QUEUED) == 1


def test_jobs_and_events_outlive_the_process(store, path):
    add(store)
    for event in EVENTS[:6]:
        append(store, event)
    before = store.job(A), store.events(A, 0)
    store.close()
    again = JobStore(path)
    assert (again.job(A), again.events(A, 0)) == before
    assert again.job(A).spec == SPEC
    again.close()


def test_the_queue_is_first_come_first_served_within_a_priority(store):
    for job_id, priority in ((A, 0), (B, 5), (C, 5)):
        add(store, job_id, priority)
    order = []
    while (job := store.next_queued()) is not None:
        order.append(job.job_id)
        append(store, JobStarted(job_id=job.job_id, attempt=1))
    assert order == [B, C, A]


def test_events_are_numbered_per_job_and_of_the_previews_one_is_kept(store):
    add(store)
    append(store, JobStarted(job_id=A, attempt=1))
    for step in (1, 2, 3):
        store.append(JobPreviewed(job_id=A, step=step, width=2, height=1), [b"%d" % step])
    found = store.events(A, 0)
    assert [(event.seq, event.parts) for event in found] == [(1, ()), (4, (b"3",))]
    assert [event.seq for event in store.events(A, 1)] == [4]


@given(steps=st.lists(st.sampled_from(EVENTS), max_size=12))
@settings(max_examples=60, deadline=None)
def test_states_change_only_as_they_may_and_what_has_ended_never_changes(steps):
    store = JobStore(":memory:")
    add(store)
    ended = None
    for event in steps:
        before = store.job(A)
        stored = append(store, event)
        after = store.job(A)
        if ended is not None:
            assert stored is None
            assert after == before == ended
        if stored is None:
            assert after == before
        else:
            assert stored.seq == after.seq == before.seq + 1
        if isinstance(event, JobStarted) and stored is not None:
            assert before.state is JobState.QUEUED
        if after.state.is_terminal:
            ended = after
    store.close()


def test_an_event_of_a_job_nobody_knows_is_not_stored(store):
    assert append(store, JobStarted(job_id=B, attempt=1)) is None


def test_only_finished_results_are_found_by_their_key_the_newest_first(store):
    for job_id in (A, B):
        add(store, job_id)
        store.append(JobFinished(job_id=job_id, artifact=ARTIFACT), key="k")
    add(store, C)
    store.append(JobFailed(job_id=C, code="engine", message="no"), key="k")
    assert len(store.finished_with("k")) == 2
    assert store.finished_with("other") == []


def test_old_ended_jobs_are_forgotten_and_waiting_ones_never(store):
    for job_id in (A, B, C):
        add(store, job_id)
    append(store, JobCancelled(job_id=B))
    store.forget_old(keep=0)
    assert {job.job_id for job in store.newest(10)} == {A, C}
    assert store.events(B, 0) == []


def test_on_a_full_disk_an_event_changes_nothing_and_later_ones_are_stored(store):
    add(store)
    append(store, JobStarted(job_id=A, attempt=1))
    before = store.job(A), store.events(A, 0)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    preview = JobPreviewed(job_id=A, step=1, width=2, height=1)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.append(preview, [bytes(100_000)])
    assert (store.job(A), store.events(A, 0)) == before
    with pytest.raises(ArtifactWriteFailed, match="full"):
        store.add(B, "", JobSpec(prompt="x" * 100_000), 0)
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert store.append(preview, [bytes(100_000)]).seq == 2


def test_a_damaged_store_is_said_to_be_damaged(path):
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match="damaged"):
        JobStore(path)


def test_a_store_of_a_newer_engine_is_left_alone(store, path):
    store.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UserError, match="newer engine"):
        JobStore(path)
