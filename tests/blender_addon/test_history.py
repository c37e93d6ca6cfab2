"""The library as a history: what is listed, starred, in use, deleted and pruned."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from panoloom.blender_addon.history import History, read_notes
from panoloom.shared.connection import STATE_FOLDER
from panoloom.shared.errors import PanoloomError
from panoloom.shared.jobs import JobSpec

SIZE = 1000


def make_loop(library: Path, name: str, at: float, **changes: object) -> Path:
    """A folder as the engine leaves it, as far as the history reads it."""
    folder = library / name
    folder.mkdir(parents=True)
    (folder / "loop.mp4").write_bytes(b"x" * SIZE)
    spec = JobSpec(prompt=name, seed=3)
    manifest = {
        "format": "panoloom.artifact",
        "format_version": 1,
        "job": spec.to_plain(),
        "loop": {"width": 512, "height": 256, "num_frames": 48, "fps": 24.0},
        "notes": ["A note."],
        "files": [{"path": "loop.mp4", "bytes": SIZE}],
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest | changes))
    os.utime(path, (at, at))
    return folder


@pytest.fixture
def library(tmp_path):
    for index, name in enumerate(("old", "middle", "new")):
        make_loop(tmp_path, name, 1000.0 + index)
    return tmp_path


def complete(library: Path) -> History:
    history = History(library)
    while not history.is_complete:
        history.refresh()
    return history


def names(history: History) -> list[str]:
    return [entry.name for entry in history.entries]


def test_loops_are_listed_newest_first_with_what_they_are(library):
    history = complete(library)
    assert names(history) == ["new", "middle", "old"]
    entry = history.entries[0]
    assert (entry.title, entry.num_frames, entry.fps, entry.spec.seed) == ("new", 48, 24.0, 3)
    assert entry.num_bytes > SIZE
    assert entry.notes == ("A note.",)


def test_only_a_few_manifests_are_read_at_a_time_the_newest_first(library):
    history = History(library)
    assert history.refresh(limit=2)
    assert names(history) == ["new", "middle"]
    assert not history.is_complete
    assert history.refresh(limit=2)
    assert history.is_complete
    assert not history.refresh()


def test_new_loop_appears_and_a_removed_one_goes(library):
    history = complete(library)
    make_loop(library, "newest", 2000.0)
    (library / "old" / "manifest.json").unlink()
    assert history.refresh()
    assert names(history) == ["newest", "new", "middle"]


def test_other_folders_and_damaged_manifests_are_no_loops(library):
    (library / "notes").mkdir()
    make_loop(library, ".hidden", 5.0)
    make_loop(library, "foreign", 6.0, format="something else")
    make_loop(library, "broken", 7.0, loop={})
    (make_loop(library, "garbage", 8.0) / "manifest.json").write_text("{")
    assert names(complete(library)) == ["new", "middle", "old"]


def test_library_that_does_not_exist_is_empty(tmp_path):
    history = History(tmp_path / "none")
    assert not history.refresh()
    assert history.is_complete
    assert history.num_bytes == 0


def test_star_is_there_in_the_next_run(library):
    complete(library).star("old", True)
    assert complete(library).is_starred("old")
    complete(library).star("old", False)
    assert not complete(library).is_starred("old")


def test_damaged_notes_are_as_good_as_none(library):
    path = library / STATE_FOLDER / "blender.json"
    path.parent.mkdir()
    for text in ("", "[]", '{"starred": 3}', '{"paces": ["fast"]}'):
        path.write_text(text)
        assert read_notes(library).starred == set()


def test_two_blenders_do_not_forget_each_others_stars(library):
    one, other = complete(library), complete(library)
    one.star("old", True)
    other.star("new", True)
    assert complete(library).notes.starred == {"old", "new"}


def test_deleted_loop_leaves_nothing_and_tells_its_size(library):
    history = complete(library)
    assert history.delete("old", ()) > SIZE
    assert sorted(path.name for path in library.iterdir()) == ["middle", "new"]
    assert names(history) == ["new", "middle"]


def test_loop_that_the_open_file_shows_is_not_deleted(library):
    history = complete(library)
    with pytest.raises(PanoloomError, match="uses the loop"):
        history.delete("old", {"old"})
    assert (library / "old").is_dir()


def test_loop_that_a_saved_file_shows_is_not_deleted_while_that_file_is_there(library, tmp_path):
    history = complete(library)
    blend = tmp_path / "shot.blend"
    blend.touch()
    history.remember_use(blend, ["old"])
    assert "shot.blend" in complete(library).why_not_delete("old", ())
    blend.unlink()
    assert complete(library).why_not_delete("old", ()) == ""


def test_file_that_shows_another_loop_by_now_frees_the_first(library, tmp_path):
    blend = tmp_path / "shot.blend"
    blend.touch()
    history = complete(library)
    history.remember_use(blend, ["old"])
    history.remember_use(blend, ["new"])
    assert history.why_not_delete("old", ()) == ""
    history.remember_use(blend, [])
    assert history.why_not_delete("new", ()) == ""


@pytest.mark.parametrize("name", ["", "..", "none", "/"])
def test_nothing_but_a_loop_of_the_library_is_deleted(name, library):
    history = complete(library)
    with pytest.raises(PanoloomError, match="no such loop"):
        history.delete(name, ())
    assert len(list(library.iterdir())) == 3


def test_link_in_the_library_is_not_followed(library, tmp_path):
    elsewhere = make_loop(tmp_path / "elsewhere", "real", 3000.0)
    (library / "link").symlink_to(elsewhere, target_is_directory=True)
    assert "link" not in names(complete(library))


def test_pruning_takes_the_oldest_until_the_rest_fits(library):
    history = complete(library)
    assert history.to_prune(10**9, ()) == []
    assert history.to_prune(0, ()) == []
    assert [e.name for e in history.to_prune(history.num_bytes - 1, ())] == ["old"]
    assert [e.name for e in history.to_prune(1, ())] == ["old", "middle", "new"]


def test_pruning_never_takes_a_starred_one_or_one_in_use(library, tmp_path):
    history = complete(library)
    history.star("old", True)
    blend = tmp_path / "shot.blend"
    blend.touch()
    history.remember_use(blend, ["middle"])
    assert history.to_prune(1, {"new"}) == []
    assert [e.name for e in history.to_prune(1, ())] == ["new"]
