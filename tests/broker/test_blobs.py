from __future__ import annotations

import errno
import hashlib
import os

import pytest

from panoloom.engine_server.broker.blobs import BlobStore
from panoloom.shared.errors import ArtifactWriteFailed, MalformedMessage, UserError
from panoloom.shared.messages import FetchBlob, StoreBlob

DATA = bytes(range(256)) * 10
NAME = hashlib.sha256(DATA).hexdigest()
SIZE = len(DATA)


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs", max_bytes=4000)


def put(blobs, piece, offset, size=SIZE, name=NAME):
    return blobs.store(StoreBlob(sha256=name, size=size, offset=offset), piece)


def test_a_blob_is_whole_or_absent(blobs):
    assert put(blobs, DATA[:1000], 0).received == 1000
    assert not blobs.has(NAME)
    assert put(blobs, DATA[1000:], 1000).is_complete
    assert blobs.has(NAME)
    assert blobs.path(NAME).read_bytes() == DATA
    assert not list(blobs.path(NAME).parent.glob("*.part"))


def test_a_piece_out_of_order_changes_nothing_and_is_told_where_to_go_on(blobs):
    put(blobs, DATA[:1000], 0)
    assert put(blobs, DATA[2000:], 2000).received == 1000
    assert put(blobs, DATA[:1000], 0).received == 1000
    assert put(blobs, DATA[1000:], 1000).is_complete


def test_an_empty_piece_asks_how_much_is_there(blobs):
    assert put(blobs, b"", 0).received == 0
    put(blobs, DATA[:10], 0)
    assert put(blobs, b"", 0).received == 10


def test_wrong_bytes_leave_nothing_behind(blobs):
    with pytest.raises(UserError, match="not those of the name"):
        put(blobs, DATA[::-1], 0)
    assert put(blobs, b"", 0).received == 0
    assert put(blobs, DATA, 0).is_complete


def test_full_disk_is_said_with_the_way_out_and_leaves_nothing_behind(blobs, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactWriteFailed, match=r"too full.*Free") as caught:
        put(blobs, DATA, 0)
    assert caught.value.details["missing_bytes"] > 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("offset", "size", "piece"),
    [(-1, 100, b"x"), (0, 0, b""), (0, -5, b""), (0, 1, b"xx"), (99, 100, b"xx")],
)
def test_sizes_that_cannot_be_are_malformed(blobs, offset, size, piece):
    with pytest.raises(MalformedMessage):
        put(blobs, piece, offset, size)


def test_the_largest_size_is_named(blobs):
    with pytest.raises(UserError) as caught:
        put(blobs, b"x", 0, size=4001)
    assert caught.value.details["largest"] == 4000


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 63 + "/"])
def test_no_name_leads_out_of_the_folder(blobs, name):
    with pytest.raises(MalformedMessage):
        put(blobs, b"x", 0, name=name)
    with pytest.raises(MalformedMessage):
        blobs.fetch(FetchBlob(sha256=name))


def test_pieces_come_back(blobs):
    put(blobs, DATA, 0)
    chunk, piece = blobs.fetch(FetchBlob(sha256=NAME, offset=100, length=50))
    assert (chunk.size, chunk.offset, piece) == (len(DATA), 100, DATA[100:150])
    assert blobs.fetch(FetchBlob(sha256=NAME, offset=10**9))[1] == b""
    for offset, length in ((-1, 5), (0, 0), (0, 10**9)):
        with pytest.raises(MalformedMessage):
            blobs.fetch(FetchBlob(sha256=NAME, offset=offset, length=length))


def test_unfinished_blobs_are_swept_at_the_next_start(blobs, tmp_path):
    put(blobs, DATA[:10], 0)
    again = BlobStore(tmp_path / "blobs", max_bytes=4000)
    assert put(again, b"", 0).received == 0


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_the_folder_is_for_its_owner_alone(blobs, tmp_path):
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0
