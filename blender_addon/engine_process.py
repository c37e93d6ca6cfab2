"""Find, start, watch and stop the engine that the user installed. No Blender.

The engine is a program of its own and outlives Blender: jobs go on when the window is closed.
Nothing is installed from here. Settings of our own are read from the environment here alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..shared.errors import EngineUnreachable

INSTALLED = "engine"  # folder of the installer's environment, in the user's data folder
ENVIRONMENT = ".venv-engine"  # the engine's environment in a checkout of the project
LIBRARY_VARIABLE = "PANOLOOM_LIBRARY"  # the engine reads it too
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")  # Blender's Python is not the engine's


def default_library() -> Path:
    """The folder the engine uses when it is told none: PANOLOOM_LIBRARY, or the user's own."""
    chosen = os.environ.get(LIBRARY_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else _data_folder() / "library"


def _data_folder() -> Path:
    """The user's data folder for Panoloom, as the `platformdirs` package names it."""
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(home / "AppData" / "Local")
        return Path(local) / "panoloom" / "panoloom"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "panoloom"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "panoloom"


def find_command(chosen: str = "", near: Sequence[Path] = ()) -> str | None:
    """The engine's program, or None.

    Args:
        chosen: The user's own choice; then nothing else is looked at.
        near: Folders, such as that of the .blend; a checkout at or above one of them counts.
    """
    if chosen:
        return shutil.which(os.path.expanduser(chosen))
    beside = [
        Path(ENVIRONMENT) / "bin" / "panoloom",
        Path(ENVIRONMENT) / "Scripts" / "panoloom.exe",
    ]
    for folder in near:
        for above in (folder, *folder.parents):
            for program in beside:
                if (above / program).is_file():
                    return str(above / program)
    return shutil.which("panoloom") or _installed()


def _installed() -> str | None:
    """What packaging/install.sh or install.ps1 put into the user's data folder."""
    for program in (Path("bin") / "panoloom", Path("Scripts") / "panoloom.exe"):
        path = _data_folder() / INSTALLED / program
        if path.is_file():
            return str(path)
    return None


def install_command() -> str:
    """What brings the engine to this computer, typed in the folder of Panoloom's source."""
    if sys.platform == "win32":
        return r"powershell -ExecutionPolicy Bypass -File packaging\install.ps1"
    return "sh packaging/install.sh"


class EngineProcess:
    """An engine that this Blender started.

    Args:
        command: The program and its words.
        log: File that gets what it prints.

    Raises:
        EngineUnreachable: It could not be started at all.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        environment = {k: v for k, v in os.environ.items() if k not in UNWANTED}
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as sink:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
                    env=environment,
                    start_new_session=True,
                )
        except OSError as why:
            raise EngineUnreachable(
                f"The engine could not be started: {why}.", command=" ".join(command)
            ) from why

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raises EngineUnreachable, with its last words, when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise EngineUnreachable(
                f"The engine ended with exit code {code}: {self.last_words()}", log=str(self.log)
            )

    def last_words(self) -> str:
        """The last line it printed, from the end of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing."

    def stop(self) -> None:
        """Ask it to end; a job that runs is resumed at the engine's next start."""
        if self.is_running:
            self._process.terminate()


def json_lines(log: Path) -> Iterator[Any]:
    """The JSON objects that a program has printed to `log`, a line each; none where it has not."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                continue  # half of a line, or another program's


def serve_words(program: str, library: Path) -> list[str]:
    """The command line that serves this library."""
    return [program, "serve", "--library", str(library)]
