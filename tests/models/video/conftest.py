"""Makes tests/models/video/tiny.py importable by its name, and garbage wait.

An engine collects it when a text encoder goes; beside the library that takes longer than any test.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
_collect = gc.collect


@pytest.fixture(autouse=True)
def garbage_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


@pytest.fixture
def garbage_goes(monkeypatch: pytest.MonkeyPatch, garbage_waits: None) -> None:
    """As it does in an engine."""
    monkeypatch.setattr(gc, "collect", _collect)
