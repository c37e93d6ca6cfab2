"""Files that travel: a loop beside its .blend, which opens the same where we are not installed."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="module")
def kept(blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("travel")
    return blender("travel.py", folder), folder


def test_unsaved_file_keeps_its_loop_at_the_first_save(kept):
    facts, folder = kept
    assert facts["off_without_a_loop"]
    assert facts["waits"] == [True, True]
    assert facts["first_save"] == ["//panoloom/loop/frames/loop_0001.exr", True]
    assert (folder / "one" / "panoloom" / "loop" / "manifest.json").is_file()
    assert facts["text"]
    assert facts["off_when_kept"]


def test_save_as_takes_the_loop_along(kept):
    facts, folder = kept
    assert facts["save_as"] == ["//panoloom/loop/frames/loop_0001.exr", True]
    assert facts["reopened"] == ["//panoloom/loop/frames/loop_0001.exr", True]
    assert (folder / "two" / "panoloom" / "loop" / "frames" / "loop_0004.exr").is_file()


def test_file_that_has_a_place_gets_its_loop_by_the_tick(kept):
    facts, _ = kept
    assert not facts["before_keep"]
    assert facts["kept_by_the_tick"][1]
    assert facts["kept_by_the_tick"][0].startswith("//panoloom/loop/")


def test_preview_is_shown_again_after_a_save(kept):
    facts, _ = kept
    assert facts["after_save"][0][1]
    assert facts["after_save"][1] == "512"


def test_saving_a_copy_elsewhere_changes_nothing_here(kept):
    facts, _ = kept
    assert facts["after_a_copy"] == ["//panoloom/loop/frames/loop_0001.exr", True]


@pytest.mark.parametrize("name", ["two/shot.blend", "one/copy.blend", "three/late.blend"])
def test_moved_file_shows_the_final_loop_without_library_and_extension(
    kept, name, blender_alone, tmp_path
):
    _, folder = kept
    moved = shutil.copytree((folder / name).parent, tmp_path / "moved")
    hidden = folder / "loop"
    away = hidden.rename(folder / "away")
    try:
        found = blender_alone("open_kept.py", tmp_path / "user", moved / name.partition("/")[2])
    finally:
        away.rename(hidden)
    assert found == {
        "extension": False,
        "inside": True,
        "source": "SEQUENCE",
        "rendered": [0.0, 0.0, 0.25, 0.25, 0.25, 0.25],  # of loop frames 1, 2 and 2
        "frames": [4, True],
        "map": ["MANUAL", 256],
        "text": True,
    }
