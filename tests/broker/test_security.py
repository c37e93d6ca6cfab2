from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import zmq
import zmq.asyncio
import zmq.utils.z85
from engines import answers, client, real_broker

from panoloom.engine_server.broker.blobs import BlobStore
from panoloom.engine_server.broker.sockets import CLIENTS, WORKERS, Gatekeeper
from panoloom.shared.connection import connection_path
from panoloom.shared.messages import Hello, RunJob, SubmitJob, WorkerReady
from panoloom.shared.wire import encode


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with real_broker(tmp_path_factory.mktemp("library")) as broker:
        yield broker


@pytest.mark.parametrize("door", ["control", "blobs"])
def test_nobody_gets_in_without_the_right_key(broker, door):
    place = broker.connection
    endpoint, hello = getattr(place, door), encode(Hello())
    assert not answers(endpoint, hello)
    public, secret = zmq.curve_keypair()
    assert not answers(
        endpoint, hello, server=place.server_public_key, public=public, secret=secret
    )
    right = {"public": place.client_public_key.encode(), "secret": place.client_secret_key.encode()}
    assert answers(endpoint, hello, server=place.server_public_key, wait_ms=20_000, **right)


def test_the_engine_lives_on_after_strangers_and_plain_text(broker):
    import socket

    host, port = broker.connection.control.removeprefix("tcp://").split(":")
    for text in (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", bytes(100), b"\xff" * 5000):
        with socket.create_connection((host, int(port))) as line:
            line.sendall(text)
    with client(broker.connection.library) as engine:
        assert engine.hello().session == broker.session


def test_an_oversized_message_ends_that_line_and_no_other(broker):
    place = broker.connection
    keys = {
        "server": place.server_public_key,
        "public": place.client_public_key.encode(),
        "secret": place.client_secret_key.encode(),
    }
    with client(place.library) as engine:
        assert not answers(place.control, [b"x" * (2 << 20), b"x"], **keys)
        assert engine.hello().session == broker.session


def question(key=b"k" * 32, domain=CLIENTS, mechanism=b"CURVE", version=b"1.0"):
    return [version, b"1", domain, b"127.0.0.1", b"", mechanism, key]


def test_the_gatekeeper_knows_each_key_for_its_own_door_only():
    client_key, worker_key = zmq.curve_keypair()[0], zmq.curve_keypair()[0]
    raw = {name: zmq.utils.z85.decode(key) for name, key in
           (("client", client_key), ("worker", worker_key))}  # fmt: skip
    context = zmq.asyncio.Context()
    keeper = Gatekeeper(context, {CLIENTS: [client_key.decode()], WORKERS: [worker_key.decode()]})
    try:
        assert keeper.answer(question(raw["client"]))[2] == b"200"
        assert keeper.answer(question(raw["worker"], WORKERS))[2] == b"200"
        for wrong in (
            question(raw["worker"]),
            question(raw["client"], WORKERS),
            question(raw["client"], b""),
            question(raw["client"], b"other"),
            question(raw["client"], mechanism=b"NULL"),
            question(raw["client"], mechanism=b"PLAIN"),
            question(raw["client"], version=b"2.0"),
            question(raw["client"])[:6],
            [],
        ):
            assert keeper.answer(wrong)[2] == b"400"
    finally:
        keeper.close()
        context.term()


def test_control_does_not_wait_behind_blobs(broker, monkeypatch):
    begun, release = threading.Event(), threading.Event()
    store = BlobStore.store

    def slowly(self, request, piece):
        begun.set()
        assert release.wait(20)
        return store(self, request, piece)

    monkeypatch.setattr(BlobStore, "store", slowly)
    library = broker.connection.library
    with client(library) as engine, client(library, timeout_s=20.0) as storing:
        thread = threading.Thread(target=storing.store_blob, args=(b"slow",))
        thread.start()
        assert begun.wait(20)
        assert engine.hello().session == broker.session
        release.set()
        thread.join()


def test_a_client_cannot_speak_as_a_worker(broker):
    with client(broker.connection.library) as engine:
        for message in (
            WorkerReady(pid=1, device="x", precision="y", numerics_version="z"),
            RunJob(job_id="a", spec={}, attempt=1, work_dir="/"),
        ):
            engine._control.send_multipart(encode(message))
        engine._control.send_multipart(encode(SubmitJob(job_id="a", spec={"prompt": "x"})))
        assert engine.status().worker.device in ("", "fake")


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_all_state_is_for_its_owner_alone(broker):
    state = connection_path(broker.connection.library).parent
    assert state.stat().st_mode & 0o777 == 0o700
    for name in ("engine.json", "keys/keys.json"):
        assert (state / name).stat().st_mode & 0o777 == 0o600, name


def test_the_broker_loads_neither_torch_nor_the_worker_nor_pickle():
    code = (
        "import sys; import panoloom.engine_server.broker, panoloom.engine_server.client\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in "
        "('torch', 'numpy', 'diffusers', 'bpy') or '.worker' in name or '.models' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_source_of_the_wire_names_pickle(root):
    for folder in ("shared", "engine_server/broker"):
        for path in (root / folder).glob("*.py"):
            assert "pickle" not in path.read_text(encoding="utf-8"), path
            assert "recv_pyobj" not in path.read_text(encoding="utf-8"), path
