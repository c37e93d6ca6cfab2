from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from panoloom.shared.connection import (
    Connection,
    connection_path,
    is_process_alive,
    read_connection,
    write_connection,
)
from panoloom.shared.errors import EngineUnreachable

KEY = "0" * 40


@pytest.fixture
def connection(tmp_path):
    connection_path(tmp_path).parent.mkdir()
    return Connection(
        protocol=(1, 0),
        pid=os.getpid(),
        session="s",
        control="tcp://127.0.0.1:1",
        blobs="tcp://127.0.0.1:2",
        server_public_key=KEY,
        client_public_key=KEY,
        client_secret_key=KEY,
        library=str(tmp_path),
    )


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_connection_is_read_from_its_file_or_its_library(tmp_path, connection):
    path = connection_path(tmp_path)
    write_connection(path, connection)
    assert read_connection(path) == read_connection(tmp_path) == connection


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_the_connection_file_is_for_its_owner_alone(tmp_path, connection):
    path = connection_path(tmp_path)
    path.write_text("older")
    path.chmod(0o644)
    write_connection(path, connection)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["engine.json"]


def test_no_file_means_no_engine(tmp_path):
    with pytest.raises(EngineUnreachable, match="No engine is running"):
        read_connection(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x"}', "\xff"])
def test_a_broken_file_is_said_to_be_broken(tmp_path, connection, text):
    connection_path(tmp_path).write_text(text, encoding="latin-1")
    with pytest.raises(EngineUnreachable, match="cannot be read"):
        read_connection(tmp_path)


def test_a_file_left_by_a_dead_engine_is_told_apart(tmp_path, connection):
    dead = dataclasses.replace(connection, pid=ended_pid())
    write_connection(connection_path(tmp_path), dead)
    with pytest.raises(EngineUnreachable) as caught:
        read_connection(tmp_path)
    assert caught.value.details["stale"] is True


def test_a_copy_of_another_machines_file_says_so_with_pid_0(tmp_path, connection):
    elsewhere = dataclasses.replace(connection, pid=0, control="tcp://192.0.2.7:5000")
    write_connection(connection_path(tmp_path), elsewhere)
    assert read_connection(tmp_path) == elsewhere


def test_processes_are_alive_or_not():
    assert is_process_alive(os.getpid())
    assert not is_process_alive(ended_pid())
    assert not is_process_alive(0)
    assert not is_process_alive(-1)
