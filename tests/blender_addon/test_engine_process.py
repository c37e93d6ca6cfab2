"""Finding, starting, watching and stopping the engine's program."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from panoloom.blender_addon import engine_process
from panoloom.blender_addon.engine_process import (
    EngineProcess,
    default_library,
    find_command,
    serve_words,
)
from panoloom.engine_server.config import EngineConfig
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
    assert default_library() == EngineConfig.read().library


@pytest.mark.parametrize("chosen", ["/srv/loops", "~/loops", "loops", ""])
def test_library_variable_means_the_same_to_the_engine_and_here(chosen, monkeypatch):
    monkeypatch.setenv("PANOLOOM_LIBRARY", chosen)
    assert default_library() == EngineConfig.read().library


def test_settings_come_from_the_environment_in_one_file_of_the_add_on():
    found = set()
    for path in Path(engine_process.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = ast.unparse(node) if isinstance(node, (ast.Subscript, ast.Call)) else ""
            if words.startswith(("os.environ[", "os.environ.get(", "os.getenv(")):
                found.add(path.name)
    assert found == {"engine_process.py"}


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
