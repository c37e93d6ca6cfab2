"""Addresses and key files of engines on other machines."""

from __future__ import annotations

import json
import os
import stat

import pytest

from panoloom.shared.connection import ELSEWHERE
from panoloom.shared.errors import EngineUnreachable, InvalidJob
from panoloom.shared.remote import (
    DEFAULT_PORT,
    RemoteEngine,
    RemoteKey,
    connection_of,
    parse_address,
    read_key,
    write_key,
)

KEY = RemoteKey(server_public_key="s" * 40, client_public_key="c" * 40, client_secret_key="#" * 40)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("studio", ("studio", DEFAULT_PORT)),
        (" studio.local:7000 ", ("studio.local", 7000)),
        ("192.168.1.20", ("192.168.1.20", DEFAULT_PORT)),
        ("192.168.1.20:65534", ("192.168.1.20", 65534)),
        ("[fe80::1%eth0]:7000", ("fe80::1%eth0", 7000)),
        ("[::1]", ("::1", DEFAULT_PORT)),
    ],
)
def test_address_is_a_host_and_a_port(text, found):
    assert parse_address(text) == found


@pytest.mark.parametrize(
    "text", ["", ":7000", "studio:", "studio:65535", "studio:0", "tcp://studio", "a/b", "::1", "*"]
)
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(InvalidJob, match=r"192\.168\.1\.20:47600"):
        parse_address(text)


def test_blobs_are_at_the_port_after_control(tmp_path):
    write_key(tmp_path / "key", KEY)
    found = connection_of(RemoteEngine("[::1]:7000", tmp_path / "key"))
    assert (found.control, found.blobs) == ("tcp://[::1]:7000", "tcp://[::1]:7001")
    assert found.pid == ELSEWHERE
    assert found.client_secret_key == KEY.client_secret_key


def test_only_other_machines_need_the_network(tmp_path):
    key = tmp_path / "key"
    assert RemoteEngine("127.0.0.1:7000", key).is_loopback  # a tunnel
    assert not RemoteEngine("192.0.2.1", key).is_loopback


def test_key_file_comes_back_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "key"
    write_key(path, KEY)
    assert read_key(path) == KEY
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\x00", json.dumps({"server_public_key": "s" * 40}),
     json.dumps(dict.fromkeys(RemoteKey.__slots__, "short"))],
)  # fmt: skip
def test_damaged_key_file_is_a_sentence_with_the_way_out(text, tmp_path):
    (tmp_path / "key").write_text(text)
    with pytest.raises(EngineUnreachable, match="Copy it from the engine's machine"):
        read_key(tmp_path / "key")


def test_missing_key_file_is_a_sentence_with_the_way_out(tmp_path):
    with pytest.raises(EngineUnreachable, match=r"No such file.*Copy it"):
        read_key(tmp_path / "key")
