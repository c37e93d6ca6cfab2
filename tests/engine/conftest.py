"""Real engines for tests, ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_process import EngineProcess


@pytest.fixture
def engine_process(tmp_path: Path) -> Iterator[Callable[[str], EngineProcess]]:
    """Makes engines on libraries of the given names; all are ended with the test."""
    made: list[EngineProcess] = []

    def make(name: str) -> EngineProcess:
        made.append(EngineProcess(tmp_path / name))
        return made[-1]

    yield make
    for process in made:
        process.stop()
