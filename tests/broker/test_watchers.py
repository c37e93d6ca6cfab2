"""Slow and vanished watchers, with a socket that does as it is told."""

from __future__ import annotations

import asyncio
import errno

import pytest
import zmq

from panoloom.engine_server.broker import watchers as module
from panoloom.engine_server.broker.store import JobStore
from panoloom.engine_server.broker.watchers import Watchers
from panoloom.shared.errors import UserError
from panoloom.shared.jobs import JobSpec, Progress
from panoloom.shared.messages import (
    JobCancelled,
    JobPreviewed,
    JobProgressed,
    JobQueued,
    JobStarted,
)
from panoloom.shared.wire import decode

JOB = "a" * 32


class Line:
    """Takes `room` messages; raises Again beyond, or EHOSTUNREACH once `is_gone`."""

    def __init__(self, room=1000):
        self.room, self.is_gone, self.taken = room, False, []

    def send_multipart(self, parts, flags):
        assert flags == zmq.NOBLOCK
        future = asyncio.get_running_loop().create_future()
        if self.is_gone:
            future.set_exception(zmq.ZMQError(errno.EHOSTUNREACH))
        elif self.room == 0:
            future.set_exception(zmq.Again())
        else:
            self.room -= 1
            self.taken.append((parts[0], decode(parts[1:])))
            future.set_result(None)
        return future

    def told(self, identity=b"me"):
        return [envelope.message for name, envelope in self.taken if name == identity]


@pytest.fixture
def store():
    store = JobStore(":memory:")
    store.add(JOB, "", JobSpec(prompt="sea"), 0)
    yield store
    store.close()


def happen(store, watchers, event, parts=()):
    watchers.tell(store.append(event, parts), parts)


def progressed(step):
    progress = Progress(phase="x", step=step, num_steps=9, fraction=0.1, elapsed_s=1.0)
    return JobProgressed(job_id=JOB, progress=progress)


def test_a_slow_watcher_hears_everything_but_old_previews_when_there_is_room(store, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.0)

    async def scene():
        line = Line(room=2)
        watchers = Watchers(line, store, "s")
        watchers.add(b"me", JOB, 0, "parent")
        happen(store, watchers, JobQueued(job_id=JOB))
        happen(store, watchers, JobStarted(job_id=JOB, attempt=1))
        for step in range(3):
            happen(store, watchers, progressed(step))
            preview = JobPreviewed(job_id=JOB, step=step, width=2, height=1)
            happen(store, watchers, preview, [b"jpeg"])
        assert len(line.taken) == 2
        line.room = 100
        happen(store, watchers, JobCancelled(job_id=JOB))
        while len(line.taken) < 7:
            await asyncio.sleep(0)
        watchers.close()
        return line.told()

    told = asyncio.run(scene())
    kinds = [type(event) for event in told]
    progresses = [JobProgressed] * 3
    assert kinds == [JobQueued, JobStarted, *progresses, JobPreviewed, JobCancelled]
    assert [event.seq for event in told] == sorted(event.seq for event in told)


def test_a_watcher_that_is_gone_is_forgotten_with_all_its_watches(store):
    async def scene():
        line = Line()
        watchers = Watchers(line, store, "s")
        watchers.add(b"me", JOB, 0, "p")
        watchers.add(b"you", JOB, 0, "p")
        line.is_gone = True
        happen(store, watchers, JobQueued(job_id=JOB))
        line.is_gone = False
        happen(store, watchers, JobStarted(job_id=JOB, attempt=1))
        watchers.add(b"me", JOB, 0, "p")
        return line

    line = asyncio.run(scene())
    assert [event.seq for event in line.told(b"me")] == [1, 2]
    assert line.told(b"you") == []


def test_who_comes_back_is_told_from_where_it_stood_as_an_answer_to_its_request(store):
    async def scene():
        line = Line()
        watchers = Watchers(line, store, "s")
        happen(store, watchers, JobQueued(job_id=JOB))
        happen(store, watchers, JobStarted(job_id=JOB, attempt=1))
        watchers.add(b"me", JOB, 1, "the request")
        watchers.remove(b"me", JOB)
        happen(store, watchers, progressed(1))
        return line

    line = asyncio.run(scene())
    assert [type(event) for event in line.told()] == [JobStarted]
    assert line.taken[0][1].header.parent_id == "the request"
    assert line.taken[0][1].header.session == "s"


def test_there_is_a_largest_number_of_watches(store, monkeypatch):
    monkeypatch.setattr(module, "MAX_WATCHES", 2)
    watchers = Watchers(Line(), store, "s")
    watchers.add(b"1", JOB, 0, "p")
    watchers.add(b"2", JOB, 0, "p")
    watchers.add(b"2", JOB, 0, "p")
    with pytest.raises(UserError, match="Close a client"):
        watchers.add(b"3", JOB, 0, "p")
