"""What every test has: a tidy process, no network names, and skips that say why."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def _has_cuda() -> bool:
    """Whether torch can use a CUDA device; asked only when a test needs one."""
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need what this machine lacks are skipped, and say what it is."""
    for item in items:
        if item.get_closest_marker("gpu") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="torch can use no CUDA device here"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(autouse=True)
def _settings_of_the_person_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library of whoever runs the tests stays out of it."""
    monkeypatch.delenv("PANOLOOM_LIBRARY", raising=False)


@pytest.fixture(scope="session")
def ffprobe() -> Path:
    """ffprobe, for tests that hold our files against a second reader."""
    found = shutil.which("ffprobe")
    if found is None or subprocess.run([found, "-version"], capture_output=True).returncode:
        pytest.skip("ffprobe is not installed")
    return Path(found)
