"""A real broker for tests: real sockets, keys, store and worker process, but no model."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fake_worker
import zmq

from panoloom.engine_server.broker import Broker, BrokerConfig, running
from panoloom.engine_server.client import Engine
from panoloom.shared.connection import (
    Connection,
    connection_path,
    is_process_alive,
    read_connection,
)
from panoloom.shared.errors import EngineUnreachable, InvalidJob
from panoloom.shared.jobs import JobSpec

MODELS = [{"name": "preview"}]
SILENCE_MS = 300


def plan(spec: JobSpec) -> JobSpec:
    """A catalogue of one model."""
    if spec.model != "preview":
        raise InvalidJob(f"There is no model {spec.model!r}.", field="model", known=["preview"])
    return spec


@contextmanager
def real_broker(
    library: Path, *, worker: list[str] | None = None, **settings: Any
) -> Iterator[Broker]:
    """A broker in a thread; it has ended when the block is left."""
    config = BrokerConfig(library=Path(library), engine_version="test", **settings)
    with running(Broker(config, plan, MODELS, worker or fake_worker.COMMAND)) as broker:
        yield broker


@contextmanager
def broker_process(library: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A broker in a process of its own, which a test may kill."""
    command = [sys.executable, str(Path(__file__).resolve()), str(library)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_for_engine(library, process.pid)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def wait_for_engine(library: Path, pid: int) -> Connection:
    """The connection of the engine with this process id, once it listens."""
    for _ in range(2000):
        try:
            found = read_connection(connection_path(library))
            if found.pid == pid:
                return found
        except EngineUnreachable:
            pass
        time.sleep(0.01)
    raise AssertionError("the engine did not start")


def client(library: Path, **settings: Any) -> Engine:
    """A client that gives up sooner than usual."""
    return Engine.connect(library, **{"timeout_s": 5.0, "patience_s": 20.0, **settings})


def wait_until_gone(pid: int) -> None:
    """Return once no process has this id, or only as a zombie."""
    wait_until(lambda: not is_process_alive(pid))


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return as soon as `is_so()`; at most 20 seconds."""
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to be so")


def answers(endpoint, parts, *, server="", public=b"", secret=b"", wait_ms=SILENCE_MS) -> bool:
    """Whether anybody answers at all."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    if server:
        socket.curve_serverkey = server.encode()
        socket.curve_publickey, socket.curve_secretkey = public, secret
    socket.connect(endpoint)
    try:
        socket.send_multipart(parts, zmq.NOBLOCK)  # a line that was refused already takes nothing
        heard = socket.poll(wait_ms) != 0
    except zmq.Again:
        heard = False
    socket.close()
    context.term()
    return heard


def free_ports() -> int:
    """A port that is free together with the next one."""
    with zmq.Context() as context:
        while True:
            with context.socket(zmq.ROUTER) as one, context.socket(zmq.ROUTER) as two:
                port = one.bind_to_random_port("tcp://127.0.0.1", max_port=65000)
                try:
                    two.bind(f"tcp://127.0.0.1:{port + 1}")
                except zmq.ZMQError:
                    continue
                return port


def stored(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


if __name__ == "__main__":
    from panoloom.engine_server.broker import serve

    config = BrokerConfig(library=Path(sys.argv[1]), engine_version="test")
    serve(Broker(config, plan, MODELS, fake_worker.COMMAND))
