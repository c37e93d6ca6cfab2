"""The library folder on disk: made, checked, and held by one engine at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from ...shared.errors import ArtifactWriteFailed, UserError
from ...shared.jobs import JobSpec

RESERVE_BYTES = 256 * 1024 * 1024


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


def estimated_bytes(spec: JobSpec) -> int:
    """Room a job needs: its frames as half-float RGB, as much again for the rest, and slack."""
    return spec.num_frames * spec.width * spec.height * 3 * 2 * 3 // 2 + 64 * 1024 * 1024


def check_room(library: Path, spec: JobSpec) -> None:
    """Refuse a job whose files could not be written.

    Raises:
        ArtifactWriteFailed: Not writable, or the disk is too full; names both numbers.
    """
    try:
        with tempfile.TemporaryFile(dir=library, prefix=".panoloom-"):
            pass
        free = shutil.disk_usage(library).free
    except OSError as why:
        raise ArtifactWriteFailed(
            f"The library folder {library} cannot be written to: {why.strerror}.",
            folder=str(library),
        ) from why
    needed = estimated_bytes(spec) + RESERVE_BYTES
    if free < needed:
        raise ArtifactWriteFailed(
            f"The disk of {library} has {free / 2**30:.1f} GiB free and this job may need "
            f"{needed / 2**30:.1f} GiB. Make room, or ask for fewer or smaller frames.",
            folder=str(library),
            free_bytes=free,
            needed_bytes=needed,
        )


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
