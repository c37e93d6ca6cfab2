from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple

import pytest

from panoloom.engine_server.broker.config import BrokerConfig
from panoloom.engine_server.broker.keys import load_or_make_keys
from panoloom.engine_server.broker.library import LibraryLock, prepare_library
from panoloom.shared.errors import UserError

Usage = namedtuple("Usage", "total used free")


def test_a_library_is_held_by_one_engine_at_a_time(tmp_path):
    first, second = (LibraryLock(tmp_path / "lock", tmp_path) for _ in range(2))
    first.acquire()
    with pytest.raises(UserError, match="Another engine") as caught:
        second.acquire()
    assert caught.value.details["pid"] == str(os.getpid())
    first.release()
    second.acquire()
    second.release()


def test_the_lock_goes_with_the_process_that_held_it(tmp_path):
    code = (
        "import os, sys, pathlib\n"
        "from panoloom.engine_server.broker.library import LibraryLock\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "LibraryLock(path / 'lock', path).acquire()\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 9
    lock = LibraryLock(tmp_path / "lock", tmp_path)
    lock.acquire()
    lock.release()


def test_a_library_that_cannot_be_made_is_said_so(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match="cannot be used"):
        prepare_library(file / "library", file / "library" / ".panoloom")


def test_keys_are_made_once_and_kept(tmp_path):
    first = load_or_make_keys(tmp_path / "keys")
    assert load_or_make_keys(tmp_path / "keys") == first
    pairs = {first.server.secret, first.client.secret, first.worker.secret}
    assert len(pairs) == 3
    if os.name == "posix":
        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "keys" / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", '{"server": 1}'])
def test_damaged_keys_are_said_to_be_damaged(tmp_path, text):
    load_or_make_keys(tmp_path)
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(UserError, match="Delete it"):
        load_or_make_keys(tmp_path)


def test_keys_that_do_not_belong_together_are_refused(tmp_path):
    keys = load_or_make_keys(tmp_path)
    text = (tmp_path / "keys.json").read_text()
    (tmp_path / "keys.json").write_text(text.replace(keys.client.public, keys.worker.public))
    with pytest.raises(UserError, match="belong together"):
        load_or_make_keys(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_permission(tmp_path, host):
    BrokerConfig(library=tmp_path, host=host).check_host()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_other_addresses_need_a_key_file_for_other_machines(tmp_path, host):
    with pytest.raises(UserError, match="--listen"):
        BrokerConfig(library=tmp_path, host=host).check_host()
    BrokerConfig(library=tmp_path, host=host, remote_key=tmp_path / "key").check_host()


@pytest.mark.parametrize("host", ["*", "", "example.org", "127.0.0.1:5"])
def test_what_is_no_address_is_refused(tmp_path, host):
    with pytest.raises(UserError, match="not an address"):
        BrokerConfig(library=tmp_path, host=host, remote_key=tmp_path / "key").check_host()
