"""Blender runs in a process of its own: scripts in `inside/` with the installed extension.

`blender(script, *args)` runs one and returns the JSON document it printed last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = [ROOT / ".venv-blender" / name for name in ("bin/python", "Scripts/python.exe")]
OTHER = os.environ.get("PANOLOOM_TEST_BLENDER")  # the Python of another version of bpy
PYTHON = Path(OTHER) if OTHER else next((path for path in HOMES if path.exists()), None)
INSIDE = Path(__file__).parent / "inside"
Run = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder carries the marker `blender`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.blender)
            if PYTHON is None:
                item.add_marker(
                    pytest.mark.skip(reason="no .venv-blender: `packaging/run.py test` makes it")
                )


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as users get it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / "packaging" / "build_extension.py")]
    done = subprocess.run(
        [*command, "--out", str(out), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["built"][0]["path"])


def run_inside(
    script: str,
    user: Path,
    *args: object,
    timeout: float = 300,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Run `inside/<script>` in bpy and return the JSON document on its last line.

    Args:
        variables: Of the environment, beside those that are there.
    """
    assert PYTHON is not None
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(user), "OMP_NUM_THREADS": "2"}
    environment.pop("PYTHONPATH", None)  # the engine's packages are not Blender's
    environment |= variables or {}
    command = [str(PYTHON), str(INSIDE / script), *map(str, args)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
    )
    said = f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    assert done.returncode == 0, said
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, said
    return json.loads(lines[-1].removeprefix("RESULT "))


@pytest.fixture(scope="session")
def blender_python() -> Path:
    """The Python that has bpy."""
    assert PYTHON is not None
    return PYTHON


@pytest.fixture(scope="session")
def user_folder(extension_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh profile with the zip installed and enabled."""
    user = tmp_path_factory.mktemp("profile")
    run_inside("install.py", user, extension_zip)
    return user


@pytest.fixture(scope="session")
def blender(user_folder: Path) -> Run:
    """`blender("script.py", *args)` in the profile that has the extension."""

    def run(script: str, *args: object, **words: Any) -> Any:
        return run_inside(script, user_folder, *args, **words)

    return run


@pytest.fixture
def blender_alone() -> Run:
    """`blender_alone("script.py", profile_folder, *args)`: in a profile of the test's own."""
    return run_inside
