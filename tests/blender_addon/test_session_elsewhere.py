"""The session and an engine on another machine: over loopback, with no folder in common."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from engines import free_ports, real_broker, stored
from scripted_engine import until

from panoloom.blender_addon import session as session_module
from panoloom.blender_addon.session import LinkState, Session
from panoloom.shared import fetching
from panoloom.shared.jobs import JobSpec, JobState
from panoloom.shared.messages import BLOB_REQUESTS
from panoloom.shared.remote import RemoteEngine
from panoloom.shared.wire import new_id


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """The engine elsewhere, and its library."""
    folder = tmp_path_factory.mktemp("far")
    library, key, port = folder / "library", folder / "remote.key", free_ports()
    settings = {"control_port": port, "blob_port": port + 1, "remote_key": key}
    with real_broker(library, **settings):
        yield RemoteEngine(f"127.0.0.1:{port}", key), library


@pytest.fixture
def session(far, tmp_path, monkeypatch):
    """Connected; its loops come into `tmp_path`, in pieces of 16 KiB."""
    monkeypatch.setattr(session_module, "ASK_S", 0.1)
    monkeypatch.setattr(fetching, "PIECE_BYTES", 16 * 1024)
    made = Session()
    made.connect(far[0], tmp_path)
    until(lambda: made.state is LinkState.CONNECTED, made.poll)
    yield made
    made.disconnect()


def begin_to_fetch(session: Session, prompt: str):
    """A job of 300 KiB whose files are on their way, some of them here."""
    view = session.submit(JobSpec(prompt=f"{prompt} steps=1 kib=300"), new_id())
    until(lambda: view.progress is not None and view.progress.phase == "fetch", session.poll)
    until(lambda: view.progress.fraction > 0.2, session.poll)
    assert view.progress.fraction < 1
    return view


def there(library: Path, view) -> Path:
    return library / f"fake-{view.job_id[:8]}"


def test_loop_made_elsewhere_is_finished_when_its_files_are_here(session, far, tmp_path):
    view = session.submit(JobSpec(prompt="one steps=3 kib=300"), new_id())
    phases = []
    until(
        lambda: view.state is JobState.FINISHED,
        session.poll,
        lambda: phases.append(view.progress.phase if view.progress else ""),
    )
    assert phases[-1] == "fetch"
    assert view.preview_step == 3
    folder = Path(view.artifact.folder)
    assert folder.parent == tmp_path
    assert stored(folder) == stored(there(far[1], view))


def test_line_that_breaks_in_mid_fetch_costs_nothing(session, far):
    view = begin_to_fetch(session, "two")
    endpoint = session._connection.blobs
    session._link._blobs.disconnect(endpoint)
    session._link._blobs.connect(endpoint)
    until(lambda: view.state is JobState.FINISHED, session.poll)
    assert stored(Path(view.artifact.folder)) == stored(there(far[1], view))


def test_cancel_in_mid_fetch_leaves_nothing_here_and_the_loop_there(session, far, tmp_path):
    view = begin_to_fetch(session, "three")
    session.cancel(view.job_id)
    assert view.state is JobState.CANCELLED
    until(lambda: session.poll() == 0)
    assert stored(tmp_path) == {}
    assert (there(far[1], view) / "manifest.json").exists()


def test_next_run_goes_on_where_the_last_one_stood(session, far, tmp_path):
    view = begin_to_fetch(session, "four")
    session.disconnect()
    held = sum(map(len, stored(tmp_path).values()))
    again, asked = Session(), []
    again.connect(far[0], tmp_path)
    until(lambda: again.state is LinkState.CONNECTED, again.poll)
    ask = again._ask

    def count(message, parts=()):
        asked.extend([message] if isinstance(message, BLOB_REQUESTS) else [])
        ask(message, parts)

    again._ask = count
    same = again.submit(JobSpec(prompt="four steps=1 kib=300"), view.job_id)
    until(lambda: same.state is JobState.FINISHED, again.poll)
    again.disconnect()
    assert held > 0
    assert min(request.offset for request in asked if request.path == "loop.mp4") > 0
    assert stored(Path(same.artifact.folder)) == stored(there(far[1], view))


def test_loop_that_was_deleted_there_is_a_sentence(session, far):
    view = begin_to_fetch(session, "five")
    shutil.rmtree(there(far[1], view))
    until(lambda: view.state is JobState.FAILED, session.poll)
    assert "deleted or moved on the engine's machine" in str(view.error)


def test_engine_that_is_not_there_is_doubted_by_address_and_key(far, tmp_path):
    now = [0.0]
    session = Session(clock=lambda: now[0])
    session.connect(RemoteEngine(f"127.0.0.1:{free_ports()}", far[0].key_file), tmp_path)
    now[0] += session_module.HELLO_S + 1
    session.poll()
    assert session.state is LinkState.LOST
    assert "a copy of its key file?" in str(session.trouble)
    assert session.trouble.details["field"] == "key"  # which the panel has a button for
    session.disconnect()


def test_missing_key_file_is_told_and_looked_for_again(far, tmp_path):
    session = Session(clock=lambda: 0.0)
    session.connect(RemoteEngine(far[0].address, tmp_path / "none.key"), tmp_path)
    assert session.state is LinkState.LOST
    assert session.trouble.details["field"] == "key"
    session.disconnect()
