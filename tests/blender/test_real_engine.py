"""The installed zip and a running engine: what befalls a job, in rendered pixels."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from panoloom.shared.connection import connection_path

ENGINE = Path(__file__).parent / "window" / "engine.py"
PATIENCE_S = 180.0
pytestmark = pytest.mark.timeout(1000)  # of a busy machine


@contextmanager
def painting_engine(library: Path) -> Iterator[None]:
    """`window/engine.py`, which a mark in the library kills and another starts again."""
    with (library.parent / f"{library.name}.log").open("w") as log:
        engine = subprocess.Popen([sys.executable, str(ENGINE), str(library)], stdout=log)
    try:
        end = time.monotonic() + PATIENCE_S
        while not connection_path(library).exists():
            assert engine.poll() is None, "the engine ended at its start"
            assert time.monotonic() < end, "the engine does not answer"
            time.sleep(0.02)
        yield
    finally:
        engine.terminate()
        try:
            engine.wait(timeout=40)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.wait()


@pytest.fixture(scope="module")
def told(blender, tmp_path_factory):
    place = tmp_path_factory.mktemp("real")
    with painting_engine(place / "library"):
        return blender("real_engine.py", place / "files", place / "library", timeout=900)


STORIES = (
    "engine_absent",
    "one_job",
    "cancelled",
    "undo_in_object_mode",
    "undo_in_edit_mode",
    "undo_in_sculpt_mode",
    "file_loaded",
    "save_as",
    "two_scenes",
    "engine_killed",
)


@pytest.mark.parametrize("story", STORIES)
def test_every_render_of_the_story_shows_what_it_should(told, story):
    assert told["stories"][story]["wrong"] == []
    assert told["stories"][story]["told"] > 1


def test_no_story_is_left_out(told):
    assert set(told["stories"]) == set(STORIES)


def test_nothing_is_written_into_the_extensions_own_folder(told):
    assert told["written"] == []


def test_job_goes_on_without_blender_and_the_next_start_picks_it_up(blender, tmp_path):
    library = tmp_path / "library"
    with painting_engine(library):
        left = blender("two_runs.py", "leave", tmp_path, library)
        (library / "go").touch()
        end = time.monotonic() + PATIENCE_S
        while not list(library.glob("*/manifest.json")):
            assert time.monotonic() < end, "the job did not go on"
            time.sleep(0.02)
        found = blender("two_runs.py", "return", tmp_path, library)
    assert left == {"seen": "preview", "active": True}
    assert found == {"opened": True, "seen": "loop 3", "left": ""}
