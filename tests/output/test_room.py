from __future__ import annotations

import dataclasses
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.room import check_room, estimate_bytes, readable_size
from panoloom.shared.errors import ArtifactWriteFailed, InvalidJob

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free_bytes(monkeypatch):
    def set_to(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, free))

    return set_to


def test_the_estimate_is_not_below_what_noise_takes(tmp_path, small_spec):
    import numpy as np

    spec = dataclasses.replace(small_spec, width=256, height=128, num_frames=6)
    rng = np.random.default_rng(0)
    with ArtifactWriter(tmp_path, spec, "a" * 32, made_with={}) as writer:
        writer.write(rng.random((128, 256, 3), dtype=np.float32) for _ in range(6))
        folder = Path(writer.finish().folder)
    taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert taken < estimate_bytes(spec)


def test_the_estimate_grows_with_frames_and_with_pixels(small_spec):
    more = dataclasses.replace(small_spec, num_frames=8)
    larger = dataclasses.replace(small_spec, width=128, height=64)
    assert estimate_bytes(small_spec) < estimate_bytes(more) < estimate_bytes(larger)


def test_room_is_found_and_the_library_is_made(tmp_path, small_spec):
    check_room(tmp_path / "new" / "library", small_spec)
    assert list((tmp_path / "new" / "library").iterdir()) == []


def test_too_little_room_is_said_before_any_work(tmp_path, small_spec, free_bytes):
    free_bytes(1000)
    with pytest.raises(ArtifactWriteFailed, match=r"1\.0 kB are free") as caught:
        check_room(tmp_path, small_spec)
    details = caught.value.details
    assert details["path"] == str(tmp_path)
    assert details["free_bytes"] == 1000
    assert details["missing_bytes"] == details["needed_bytes"] - 1000 > 0


def test_the_writer_asks_for_room_before_it_takes_a_frame(tmp_path, small_spec, free_bytes):
    free_bytes(0)
    with (
        pytest.raises(ArtifactWriteFailed, match="too full"),
        ArtifactWriter(tmp_path, small_spec, "a" * 32, made_with={}),
    ):
        pytest.fail("entered without room")
    assert list(tmp_path.iterdir()) == []


def test_odd_sizes_are_refused_with_the_nearest(tmp_path, small_spec):
    with pytest.raises(InvalidJob, match="odd side") as caught:
        check_room(tmp_path, dataclasses.replace(small_spec, width=66, height=33))
    assert caught.value.details["nearest"] == [68, 34]


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (512_000, "512 kB"), (2_340_000_000, "2.3 GB")],
)
def test_sizes_are_said_for_people(num_bytes, text):
    assert readable_size(num_bytes) == text
