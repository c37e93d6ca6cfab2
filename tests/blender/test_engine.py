"""The engine comes and goes while Blender stays."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from painting_worker import COMMAND

from panoloom.engine_server.broker import Broker, BrokerConfig
from panoloom.engine_server.broker.background import running


def painter(library: Path) -> Broker:
    config = BrokerConfig(library=library, handles_signals=False)
    return Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)


def test_job_outlives_an_engine_that_was_restarted_under_it(blender, tmp_path):
    library, marks = tmp_path / "library", tmp_path / "marks"
    library.mkdir()
    marks.mkdir()
    found = {}

    def drive() -> None:
        found.update(blender("survive.py", marks, library, "sea pace=300"))

    driver = threading.Thread(target=drive)
    with running(painter(library)):
        driver.start()
        wait_for(marks / "running")
    wait_for(marks / "lost")
    with running(painter(library)):
        driver.join(timeout=100)
    assert found["told"][0] == "No engine found; looking again …"
    assert "Start one" in found["told"][1]
    assert found["state"] == "finished"
    assert found["tagged"]
    assert found["problems"] == []


def test_engine_is_started_and_stopped_by_the_panels_buttons(blender, tmp_path):
    program = Path(sys.executable).with_name("panoloom")
    if not program.exists() or shutil.which("false") is None:
        pytest.skip("the engine is not installed as a program here")
    found = blender("start_stop.py", program, tmp_path / "library")
    assert not found["offered_without_a_program"]
    assert found["starting"] == "The engine is starting …"
    assert found["connected"] == "Engine ready"
    assert found["can_generate"]
    assert found["stopped"] == "No engine yet"
    assert "exit code 1" in found["failed"]
