"""Finding, starting, watching and stopping the engine's program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from panoloom.blender_addon.engine_process import (
    EngineProcess,
    default_library,
    find_command,
    serve_words,
)
from panoloom.shared.errors import EngineUnreachable


def program(folder: Path) -> Path:
    path = folder / ".venv-engine" / "bin" / "panoloom"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_chosen_program_is_the_only_one_looked_at(tmp_path):
    path = program(tmp_path)
    assert find_command(str(path)) == str(path)
    assert find_command(str(tmp_path / "nothing"), near=[tmp_path]) is None


def test_program_of_a_checkout_is_found_from_a_folder_inside_it(tmp_path):
    path = program(tmp_path)
    inside = tmp_path / "demo" / "scenes"
    inside.mkdir(parents=True)
    assert find_command(near=[inside]) == str(path)


def test_program_on_the_search_path_is_found(tmp_path, monkeypatch):
    path = program(tmp_path)
    monkeypatch.setenv("PATH", str(path.parent))
    assert find_command() == str(path)


def test_nothing_is_found_where_nothing_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_command() is None


def test_library_is_the_one_the_engine_takes_by_itself():
    platformdirs = pytest.importorskip("platformdirs")
    assert default_library() == Path(platformdirs.user_data_dir("panoloom")) / "library"


def test_engine_that_ends_leaves_its_last_words(tmp_path):
    code = "print('port 5 is taken'); raise SystemExit(3)"
    engine = EngineProcess([sys.executable, "-c", code], tmp_path / "logs" / "engine.log")
    engine._process.wait(timeout=60)
    with pytest.raises(EngineUnreachable, match="exit code 3: port 5 is taken"):
        engine.check()


def test_engine_is_asked_to_end(tmp_path):
    engine = EngineProcess(
        [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "engine.log"
    )
    assert engine.is_running
    engine.stop()
    engine._process.wait(timeout=60)
    assert not engine.is_running


def test_program_that_cannot_run_gives_a_sentence(tmp_path):
    with pytest.raises(EngineUnreachable, match="could not be started"):
        EngineProcess([str(tmp_path / "nothing")], tmp_path / "engine.log")


def test_blenders_python_settings_do_not_reach_the_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    code = "import os; print(os.environ.get('PYTHONPATH', 'none'))"
    engine = EngineProcess([sys.executable, "-c", code], tmp_path / "engine.log")
    engine._process.wait(timeout=60)
    assert engine.last_words() == "none"


def test_engine_is_told_its_library(tmp_path):
    assert serve_words("panoloom", tmp_path) == ["panoloom", "serve", "--library", str(tmp_path)]
