"""The connection file: how a client finds the engine of a library, and may talk to it.

`<library>/.panoloom/engine.json`, readable by its owner alone, is written when the engine listens
and removed when it ends. It holds the client's secret key: whoever can read it can use the engine.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import EngineUnreachable, MalformedMessage
from .jobcheck import is_sha256
from .plain import from_plain, to_plain

STATE_FOLDER = ".panoloom"
ELSEWHERE = 0
"""The process id of an engine on another machine: none that could be asked about here."""
LOG_NAME = "worker.log"
"""In the state folder: what the worker said on its standard output and error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where an engine listens. Keys are CURVE keys as 40 characters of Z85.

    Attributes:
        protocol: (major, minor) the engine speaks.
        pid, session: Of the engine process; pid 0 where it runs on another machine.
        control, blobs: Endpoints such as "tcp://127.0.0.1:49153".
        library: Folder the engine serves.
    """

    protocol: tuple[int, ...]
    pid: int
    session: str
    control: str
    blobs: str
    server_public_key: str
    client_public_key: str
    client_secret_key: str
    library: str


def connection_path(library: Path | str) -> Path:
    """Where the connection file of `library` is."""
    return Path(library) / STATE_FOLDER / "engine.json"


def blob_path(blobs: Path, sha256: str) -> Path:
    """Where the stored file of this hash is or would be, below the folder of all of them.

    Raises:
        MalformedMessage: `sha256` is none; so no name from outside ever leads out of the folder.
    """
    if not is_sha256(sha256):
        raise MalformedMessage("A blob is named by 64 lower-case hex digits.", field="sha256")
    return blobs / sha256[:2] / sha256[2:]


def write_connection(path: Path, connection: Connection) -> None:
    """Write the file whole or not at all, for its owner's eyes only."""
    write_private(path, json.dumps(to_plain(connection), indent=1).encode())


def read_connection(path: Path | str) -> Connection:
    """The connection of the engine that is running now.

    Args:
        path: The file, or the library folder it belongs to.

    Raises:
        EngineUnreachable: No engine, one that died without a word (`details["stale"]`), or a
            broken file.
    """
    path = Path(path)
    if path.is_dir() or path.suffix != ".json":
        path = connection_path(path)
    try:
        plain: Any = json.loads(path.read_bytes())
        found = from_plain(Connection, plain, error=MalformedMessage, where="connection file")
    except FileNotFoundError as why:
        raise EngineUnreachable(
            "No engine is running for this library. Start one first.", file=str(path)
        ) from why
    except (OSError, ValueError, MalformedMessage) as why:
        raise EngineUnreachable(
            f"The connection file {path} cannot be read: {why}. Start the engine again.",
            file=str(path),
        ) from why
    if found.pid != ELSEWHERE and not is_process_alive(found.pid):
        raise EngineUnreachable(
            f"The engine (process {found.pid}) has ended without a word. Start it again.",
            file=str(path),
            stale=True,
        )
    return found


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step; mode 0600 from the first byte on."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp: 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_process_alive(pid: int) -> bool:
    """Whether a process with this id exists; a zombie counts as ended where that can be seen."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == 259  # STILL_ACTIVE
