"""An engine with a door for other machines: over loopback, but nothing shared on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import zmq
from engines import answers, client, free_ports, real_broker, stored

from panoloom.engine_server import cli
from panoloom.engine_server.client import Engine
from panoloom.engine_server.commands import generate
from panoloom.engine_server.commands.request import Request
from panoloom.shared.errors import EngineUnreachable, InvalidJob, MalformedMessage, UserError
from panoloom.shared.fetching import Fetch
from panoloom.shared.jobs import JobSpec
from panoloom.shared.messages import FetchFile, FileChunk, Hello
from panoloom.shared.remote import RemoteEngine, read_key, write_key
from panoloom.shared.wire import encode


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """The engine's machine: its broker, and the key file it made."""
    library = tmp_path_factory.mktemp("far") / "library"
    key = library.parent / "remote.key"
    port = free_ports()
    settings = {"control_port": port, "blob_port": port + 1, "remote_key": key}
    with real_broker(library, **settings) as broker:
        yield broker, RemoteEngine(f"127.0.0.1:{port}", key)


def test_loop_made_elsewhere_arrives_with_the_same_bytes(far, tmp_path):
    with Engine.connect(far[1], timeout_s=5) as engine:
        view = engine.wait(engine.submit(JobSpec(prompt="far steps=2 kib=1500")))
        told = []
        fetch = Fetch(view.job_id, view.artifact, tmp_path)
        here = engine.fetch(fetch, lambda fetch: told.append(fetch.fraction))
    assert Path(here.folder).parent == tmp_path
    assert stored(Path(here.folder)) == stored(Path(view.artifact.folder))
    assert (Path(here.folder) / "loop.mp4").stat().st_size == 1500 * 1024
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_stranger_without_the_key_hears_nothing(far):
    broker, where = far
    connection = where.connection()
    public, secret = zmq.curve_keypair()
    stranger = {"public": public, "secret": secret}
    hello = encode(Hello())
    assert not answers(connection.control, hello)
    assert not answers(connection.control, hello, server=connection.server_public_key, **stranger)
    with client(broker.connection.library) as engine:
        assert engine.hello().session == broker.session


def test_key_file_of_this_machine_only_engine_lets_nobody_in(far, tmp_path):
    with real_broker(tmp_path) as broker:
        key = read_key(far[1].key_file)
        keys = {"public": key.client_public_key.encode(), "secret": key.client_secret_key.encode()}
        place = broker.connection
        assert not answers(place.control, encode(Hello()), server=place.server_public_key, **keys)


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_key_file_is_made_for_its_owner_alone(far):
    assert far[1].key_file.stat().st_mode & 0o777 == 0o600


def test_key_file_of_another_engine_is_refused_and_kept(far, tmp_path):
    before = far[1].key_file.read_bytes()
    with (
        pytest.raises(UserError, match=r"belongs to another engine.*--key-file"),
        real_broker(tmp_path, remote_key=far[1].key_file),
    ):
        pass
    assert far[1].key_file.read_bytes() == before


def test_file_that_is_no_key_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("a poem")
    with pytest.raises(UserError, match="--key-file"), real_broker(tmp_path, remote_key=path):
        pass
    assert path.read_text() == "a poem"


def test_same_key_file_serves_the_next_start(tmp_path):
    key = tmp_path / "remote.key"
    found = []
    for _ in range(2):
        with real_broker(tmp_path, remote_key=key):
            found.append(read_key(key))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "path", ["../../.panoloom/keys/keys.json", "/etc/passwd", "frames/../../x", "link", ""]
)
def test_no_file_outside_of_the_folder_is_given(far, path):
    with Engine.connect(far[1], timeout_s=5) as engine:
        view = engine.wait(engine.submit(JobSpec(prompt="inside steps=1")))
        link = Path(view.artifact.folder) / "link"
        if not link.is_symlink():
            link.symlink_to(far[1].key_file)
        with pytest.raises(MalformedMessage, match="inside the folder"):
            engine._roundtrip(engine._blobs, FetchFile(job_id=view.job_id, path=path), 5.0)


def test_file_that_is_gone_and_job_without_a_result_are_sentences(far):
    with Engine.connect(far[1], timeout_s=5) as engine:
        view = engine.wait(engine.submit(JobSpec(prompt="gone steps=1")))
        for job_id, path, said in (
            (view.job_id, "nothing.exr", "has no file nothing.exr any more"),
            ("f" * 32, "manifest.json", "no finished job"),
        ):
            with pytest.raises(InvalidJob, match=said):
                engine._roundtrip(engine._blobs, FetchFile(job_id=job_id, path=path), 5.0)


def test_piece_says_how_long_the_whole_file_is(far):
    with Engine.connect(far[1], timeout_s=5) as engine:
        view = engine.wait(engine.submit(JobSpec(prompt="piece steps=1 kib=2")))
        request = FetchFile(job_id=view.job_id, path="loop.mp4", offset=2000, length=500)
        envelope = engine._roundtrip(engine._blobs, request, 5.0)
    assert envelope.message == FileChunk(
        job_id=view.job_id, path="loop.mp4", offset=2000, size=2048
    )
    assert [len(part) for part in envelope.parts] == [48]


def test_command_makes_a_loop_elsewhere_and_has_its_files_here(far, tmp_path, capsys):
    request = Request(spec=JobSpec(prompt="command steps=2 kib=9"), estimate_s=1.0)
    assert generate.make(request, tmp_path, as_json=False, remote=far[1]) == 0
    printed = capsys.readouterr().out.split()
    assert printed
    assert all(Path(path).is_relative_to(tmp_path) and Path(path).exists() for path in printed)


def test_commands_ask_the_engine_elsewhere(far, capsys):
    words = ["--engine", far[1].address, "--key", str(far[1].key_file)]
    assert cli.main(["status", *words]) == 0
    assert far[0].connection.library in capsys.readouterr().out


def test_engine_elsewhere_takes_an_address_and_a_key(far, capsys):
    assert cli.main(["status", "--engine", far[1].address]) == 2
    assert "both --engine" in capsys.readouterr().err
    assert cli.main(["status", "--engine", "a b", "--key", str(far[1].key_file)]) == 2
    assert "is not an address" in capsys.readouterr().err


def test_wrong_key_is_told_as_an_engine_that_does_not_answer(far, tmp_path):
    public, secret = zmq.curve_keypair()
    right = read_key(far[1].key_file)
    wrong = type(right)(
        server_public_key=right.server_public_key,
        client_public_key=public.decode(),
        client_secret_key=secret.decode(),
    )
    write_key(tmp_path / "key", wrong)
    where = RemoteEngine(far[1].address, tmp_path / "key")
    with pytest.raises(EngineUnreachable, match=r"does not answer.*key file"):
        Engine.connect(where, timeout_s=0.3)
