from __future__ import annotations

import json
from fractions import Fraction

import pytest

from panoloom.engine_server.output.manifest import (
    NAME,
    canonical_json,
    load_manifest,
    manifest_bytes,
    verify_artifact,
)
from panoloom.shared.errors import InvalidJob


@pytest.fixture
def folder(tmp_path, small_spec):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "loop_0001.exr").write_bytes(b"pixels")
    (tmp_path / "loop.mp4").write_bytes(b"movie")
    raw = manifest_bytes(
        tmp_path,
        small_spec,
        fps=Fraction(8),
        num_model_frames=4,
        made_with={"device": "cpu"},
        notes=("a note",),
    )
    (tmp_path / NAME).write_bytes(raw)
    return tmp_path


def edit(folder, change):
    plain = json.loads((folder / NAME).read_bytes())
    change(plain)
    (folder / NAME).write_bytes(canonical_json(plain))


def test_the_files_are_listed_with_kind_size_and_hash(folder):
    assert load_manifest(folder)["files"] == [
        {
            "path": "frames/loop_0001.exr",
            "kind": "frame",
            "bytes": 6,
            "sha256": "6ec9c2b0eb14010746c8bce8939303b382344b296206612eb8a907a37b2b2f37",
        },
        {
            "path": "loop.mp4",
            "kind": "video",
            "bytes": 5,
            "sha256": "8a6ba32c9bed6ce703f999f9af6ec23686d44e144e4da572d94c8daca4a9cbab",
        },
    ]


def test_it_says_what_a_reader_of_the_pixels_must_know(folder):
    manifest = load_manifest(folder)
    assert "linear Rec.709" in manifest["colour"]["frames"]
    assert "centre column" in manifest["projection"]["heading"]
    assert manifest["loop"]["fps_exact"] == "8/1"
    assert manifest["notes"] == ["a note"]


def test_it_holds_no_path_of_the_machine(folder):
    assert str(folder).encode() not in (folder / NAME).read_bytes()


def test_a_whole_result_has_no_problems(folder):
    assert verify_artifact(folder) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "loop.mp4").write_bytes(b"movia"), "loop.mp4 has been changed"),
        (lambda f: (f / "loop.mp4").write_bytes(b"movie!"), "6 bytes; 5 were written"),
        (lambda f: (f / "loop.mp4").unlink(), "loop.mp4 is missing"),
    ],
    ids=["flipped byte", "longer", "missing"],
)
def test_damage_is_found_and_named(folder, damage, sentence):
    damage(folder)
    (problem,) = verify_artifact(folder)
    assert sentence in problem


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "..\\b", "C:b", 7, None])
def test_entries_that_lead_out_of_the_folder_are_problems_and_are_not_read(folder, path):
    edit(folder, lambda plain: plain["files"][0].update(path=path))
    assert len(verify_artifact(folder)) == 1


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "not a manifest"),
        (b"{}", "not a manifest"),
        (b'{"format": "panoloom.artifact", "format_version": 99}', "Update Panoloom"),
    ],
)
def test_what_is_no_manifest_is_refused_with_a_sentence(folder, raw, sentence):
    (folder / NAME).write_bytes(raw)
    with pytest.raises(InvalidJob, match=sentence):
        load_manifest(folder)


def test_a_folder_without_a_manifest_is_no_result(tmp_path):
    with pytest.raises(InvalidJob, match="holds no result"):
        verify_artifact(tmp_path)


@pytest.mark.parametrize("files", [None, [], "x", [7]])
def test_a_list_of_files_that_is_none_is_a_problem(folder, files):
    edit(folder, lambda plain: plain.update(files=files))
    assert verify_artifact(folder)
