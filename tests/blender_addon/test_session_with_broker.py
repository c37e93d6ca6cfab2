"""The session and a real broker: a line that breaks, and two Blenders on one engine."""

from __future__ import annotations

import pytest
from engines import real_broker
from scripted_engine import until

from panoloom.blender_addon import session as session_module
from panoloom.blender_addon.session import LinkState, Session
from panoloom.shared.jobs import JobSpec, JobState
from panoloom.shared.wire import new_id


@pytest.fixture
def library(tmp_path):
    """A library that a broker with the scripted worker serves."""
    with real_broker(tmp_path):
        yield tmp_path


@pytest.fixture
def make_session(library, monkeypatch):
    """Sessions that are connected, and ask again after a tenth of a second of silence."""
    monkeypatch.setattr(session_module, "ASK_S", 0.1)
    made: list[Session] = []

    def make() -> Session:
        session = Session()
        made.append(session)
        session.connect(library)
        until(lambda: session.state is LinkState.CONNECTED, session.poll)
        return session

    yield make
    for session in made:
        session.disconnect()


def drop_the_line(session: Session) -> None:
    """Break the control socket's TCP connection and open it anew, as a network does."""
    endpoint = session._connection.control
    session._link._control.disconnect(endpoint)
    session._link._control.connect(endpoint)


def test_job_ends_although_its_line_broke_once(make_session, library):
    session = make_session()
    view = session.submit(JobSpec(prompt="one steps=6 hold_at=2"), new_id())
    until(lambda: view.progress is not None and view.progress.step == 2, session.poll)
    drop_the_line(session)
    (library / "go").touch()
    until(lambda: view.state is JobState.FINISHED, session.poll)
    assert session.state is LinkState.CONNECTED
    assert session.trouble is None


def test_job_ends_although_its_request_was_lost_with_the_line(make_session, library):
    (library / "go").touch()
    session = make_session()
    view = session.submit(JobSpec(prompt="two steps=2"), new_id())
    drop_the_line(session)
    until(lambda: view.state is JobState.FINISHED, session.poll)


def test_cancel_is_heard_although_the_line_broke_under_it(make_session):
    session = make_session()
    view = session.submit(JobSpec(prompt="three steps=6 hold_at=2"), new_id())
    until(lambda: view.progress is not None and view.progress.step == 2, session.poll)
    session.cancel(view.job_id)
    drop_the_line(session)
    until(lambda: view.state is JobState.CANCELLED, session.poll)


def test_two_blenders_on_one_engine_each_get_their_own_job(make_session, library):
    first, second = make_session(), make_session()
    views = [
        session.submit(JobSpec(prompt=f"{name} steps={num_steps}"), new_id())
        for session, name, num_steps in ((first, "left", 3), (second, "right", 5))
    ]
    until(lambda: all(view.state.is_terminal for view in views), first.poll, second.poll)
    assert [view.state for view in views] == [JobState.FINISHED] * 2
    assert [view.progress.num_steps for view in views] == [3, 5]
    assert [view.artifact.job_id for view in views] == [view.job_id for view in views]
    assert [list(session.views) for session in (first, second)] == [[v.job_id] for v in views]
