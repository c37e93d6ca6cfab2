"""The panel's buttons start and stop an engine; nothing else does."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def test_engine_is_started_and_stopped_by_the_panels_buttons(blender, tmp_path):
    program = Path(sys.executable).with_name("panoloom")
    if not program.exists() or shutil.which("false") is None:
        pytest.skip("the engine is not installed as a program here")
    found = blender("start_stop.py", program, tmp_path / "library")
    assert not found["offered_without_a_program"]
    assert found["after_opening_a_file"] == ["No engine yet", False]
    assert found["starting"] == "The engine is starting …"
    assert found["connected"] == "Engine ready"
    assert found["can_generate"]
    assert found["stopped"] == "No engine yet"
    assert "exit code 1" in found["failed"]
