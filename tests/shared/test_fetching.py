"""A finished loop from another machine: whole or absent, checked, and taken up where it stood."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from panoloom.shared import fetching
from panoloom.shared.errors import ArtifactWriteFailed, MalformedMessage
from panoloom.shared.fetching import Fetch, is_inside
from panoloom.shared.jobs import ArtifactRef
from panoloom.shared.messages import FileChunk

JOB = "a" * 32
FILES = {"frames/loop_0001.exr": b"one" * 500, "loop.mp4": bytes(range(256)) * 11, "empty": b""}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(fetching, "PIECE_BYTES", 1000)


def manifest_of(files: dict[str, bytes]) -> bytes:
    entries = [
        {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in files.items()
    ]
    return json.dumps({"format": "panoloom.artifact", "files": entries}).encode()


def artifact_of(manifest: bytes, folder: str = "/engine/library/sea-0001") -> ArtifactRef:
    return ArtifactRef(
        job_id=JOB,
        folder=folder,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        width=8,
        height=4,
        num_frames=1,
        fps=24.0,
        loop=True,
    )


class Far:
    """An engine's machine: answers what a Fetch asks for, and counts the bytes."""

    def __init__(self, files: dict[str, bytes], manifest: bytes | None = None) -> None:
        self.files = files | {"manifest.json": manifest or manifest_of(files)}
        self.num_sent = 0

    @property
    def artifact(self) -> ArtifactRef:
        return artifact_of(self.files["manifest.json"])

    def answer(self, request) -> tuple[FileChunk, bytes]:
        data = self.files[request.path]
        piece = data[request.offset : request.offset + request.length]
        self.num_sent += len(piece)
        chunk = FileChunk(
            job_id=request.job_id, path=request.path, offset=request.offset, size=len(data)
        )
        return chunk, piece

    def serve(self, fetch: Fetch, pieces: int = 10**6) -> None:
        """Answer until it is complete, or so many pieces were taken."""
        while not fetch.is_complete and pieces > 0:
            for request in list(fetch.requests()):
                fetch.take(*self.answer(request))
                pieces -= 1
                if pieces == 0:
                    return


def stored(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_loop_arrives_whole_under_the_name_it_had(tmp_path):
    far = Far(FILES)
    fetch = Fetch(JOB, far.artifact, tmp_path)
    far.serve(fetch)
    assert not (tmp_path / "sea-0001").exists()  # not before it is whole
    here = fetch.finish()
    assert here.folder == str(tmp_path / "sea-0001")
    assert stored(tmp_path) == {f"sea-0001/{path}": data for path, data in far.files.items()}
    assert fetch.fraction == 1.0


def test_loop_that_is_here_already_is_not_asked_for(tmp_path):
    far = Far(FILES)
    first = Fetch(JOB, far.artifact, tmp_path)
    far.serve(first)
    first.finish()
    again = Fetch(JOB, far.artifact, tmp_path)
    assert again.is_complete
    assert list(again.requests()) == []
    assert again.finish().folder == str(tmp_path / "sea-0001")


def test_another_loop_of_the_same_name_is_not_overwritten(tmp_path):
    (tmp_path / "sea-0001").mkdir()
    (tmp_path / "sea-0001" / "manifest.json").write_text("mine")
    far = Far(FILES)
    fetch = Fetch(JOB, far.artifact, tmp_path)
    far.serve(fetch)
    assert fetch.finish().folder == str(tmp_path / "sea-0001-2")
    assert (tmp_path / "sea-0001" / "manifest.json").read_text() == "mine"


@pytest.mark.parametrize("pieces", range(1, 7))
def test_interrupted_fetch_goes_on_with_the_piece_it_lacks(pieces, tmp_path):
    far = Far(FILES)
    far.serve(Fetch(JOB, far.artifact, tmp_path), pieces)  # the process ends here
    fetch = Fetch(JOB, far.artifact, tmp_path)
    far.serve(fetch)
    assert stored(Path(fetch.finish().folder)) == far.files
    whole = sum(len(data) for data in far.files.values())
    assert far.num_sent - whole < 3 * fetching.PIECE_BYTES  # what was under way, at most


def test_several_pieces_are_under_way_and_a_lost_line_asks_again_for_each(tmp_path):
    far = Far({"loop.mp4": bytes(5500)})
    fetch = Fetch(JOB, far.artifact, tmp_path)
    far.serve(fetch, 1)
    asked = list(fetch.requests())
    assert [request.offset for request in asked] == [0, 1000, 2000]
    assert list(fetch.requests()) == []
    fetch.repeat()
    assert [request.offset for request in fetch.requests()] == [0, 1000, 2000]
    for request in asked * 2:  # the answers of both times arrive
        fetch.take(*far.answer(request))
    far.serve(fetch)
    assert stored(Path(fetch.finish().folder)) == far.files


@pytest.mark.parametrize("path", ["manifest.json", "loop.mp4", "frames/loop_0001.exr"])
def test_file_that_is_not_what_was_finished_is_refused_by_its_name(path, tmp_path):
    far = Far(FILES)
    artifact = far.artifact
    far.files[path] = bytes(len(far.files[path]))
    fetch = Fetch(JOB, artifact, tmp_path)
    with pytest.raises(MalformedMessage, match=path):
        far.serve(fetch)
    assert not fetch.is_complete
    assert [path.name for path in tmp_path.iterdir()] == [".panoloom"]


def test_file_that_grew_or_shrank_is_refused(tmp_path):
    far = Far(FILES)
    for index, data in enumerate((FILES["loop.mp4"] + b"more", FILES["loop.mp4"][:-5])):
        artifact = Far(FILES).artifact
        far.files["loop.mp4"] = data
        with pytest.raises(MalformedMessage, match=r"loop\.mp4"):
            far.serve(Fetch(JOB, artifact, tmp_path / str(index)))


@pytest.mark.parametrize(
    "path", ["../out", "/etc/passwd", "a/../../b", "C:\\x", "a\\b", "", "manifest.json", "a\0b"]
)
def test_manifest_that_names_a_file_elsewhere_is_refused(path, tmp_path):
    manifest = manifest_of({path: b"x"})
    far = Far({path: b"x", "manifest.json": manifest}, manifest)
    with pytest.raises(MalformedMessage, match="manifest"):
        far.serve(Fetch(JOB, artifact_of(manifest), tmp_path))


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"files": 3}', b'{"files": [{"path": "a"}]}', b"\xff"]
)
def test_manifest_that_cannot_be_read_is_a_sentence(manifest, tmp_path):
    far = Far({}, manifest or b" ")
    with pytest.raises(MalformedMessage):
        far.serve(Fetch(JOB, far.artifact, tmp_path))


def test_disk_without_room_is_said_with_both_numbers(tmp_path):
    manifest = json.dumps(
        {"files": [{"path": "loop.mp4", "bytes": 2**60, "sha256": "0" * 64}]}
    ).encode()
    far = Far({}, manifest)
    with pytest.raises(ArtifactWriteFailed, match="MiB left") as caught:
        far.serve(Fetch(JOB, far.artifact, tmp_path))
    assert caught.value.details["needed_bytes"] == 2**60 + len(manifest)


def test_library_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactWriteFailed, match="could not be written"):
        Fetch(JOB, artifact_of(b"{}"), tmp_path / "file")


def test_discarded_fetch_leaves_nothing(tmp_path):
    far = Far(FILES)
    fetch = Fetch(JOB, far.artifact, tmp_path)
    far.serve(fetch, 3)
    fetch.discard()
    assert stored(tmp_path) == {}


@pytest.mark.parametrize("folder", ["C:\\Users\\me\\library\\sea-0001", "/far/sea-0001"])
def test_folder_keeps_its_name_from_either_kind_of_system(folder, tmp_path):
    manifest = manifest_of({})
    far = Far({}, manifest)
    fetch = Fetch(JOB, artifact_of(manifest, folder), tmp_path)
    far.serve(fetch)
    assert Path(fetch.finish().folder) == tmp_path / "sea-0001"


@pytest.mark.parametrize(
    "folder", ["/far/..", "/far/.panoloom", "/", "/far/a:b", "/far/" + "x" * 300]
)
def test_strange_folder_name_becomes_one_of_ours(folder, tmp_path):
    manifest = manifest_of({})
    far = Far({}, manifest)
    fetch = Fetch(JOB, artifact_of(manifest, folder), tmp_path)
    far.serve(fetch)
    assert Path(fetch.finish().folder).name.startswith("loop-")


def test_only_paths_below_the_folder_are_inside():
    assert is_inside("frames/loop_0001.exr")
    assert not any(map(is_inside, ("", ".", "..", "a/..", "/a", "a\\b", "c:d", "a/../b")))
