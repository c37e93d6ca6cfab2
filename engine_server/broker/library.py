"""The library folder on disk: made, checked, and held by one engine at a time."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from ...shared.errors import UserError


def prepare_library(library: Path, state_folder: Path) -> None:
    """Make the folders, the inner one for its owner only.

    Raises:
        UserError: They cannot be made.
    """
    try:
        library.mkdir(parents=True, exist_ok=True)
        state_folder.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix":
            state_folder.chmod(0o700)
    except OSError as why:
        raise UserError(
            f"The library folder {library} cannot be used: {why.strerror}. Choose another.",
            field="library",
        ) from why


class LibraryLock:
    """One engine a library: an operating-system lock, gone with the process that held it."""

    def __init__(self, path: Path, library: Path) -> None:
        self._path = path
        self._library = library
        self._file: BinaryIO | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            UserError: Another engine has it; `details["pid"]` is its process id, if known.
        """
        file = open(self._path, "a+b")  # noqa: SIM115 - held open as long as the engine runs
        try:
            _lock(file)
        except OSError as why:
            file.seek(1)
            owner = file.read(20).decode("ascii", "replace").strip()
            file.close()
            who = f" (process {owner})" if owner.isdigit() else ""
            raise UserError(
                f"Another engine{who} already serves the library {self._library}. Connect to it, "
                "or choose another library.",
                field="library",
                pid=owner,
            ) from why
        file.truncate(0)
        file.write(f" {os.getpid()}".encode())
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give it back; harmless when it is not held."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                _unlock(self._file)
            self._file.close()
            self._file = None


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
