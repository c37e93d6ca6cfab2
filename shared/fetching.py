"""The files of a finished job, brought from an engine on another machine into a local library.

    fetch = Fetch(job_id, artifact, library)
    while not fetch.is_complete:
        for request in fetch.requests(): …      # send FetchFile; several are under way at a time
        fetch.take(chunk, piece)                # a FileChunk and its raw part
    artifact = fetch.finish()                   # the same loop, with its folder on this machine

Nothing here waits or knows sockets. Each file is written beside the library's results and counts
only with the hash that the manifest gives; at the end one rename puts the folder in its place. An
interrupted fetch, in this process or another, goes on where it stood.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .connection import STATE_FOLDER
from .errors import ArtifactWriteFailed, MalformedMessage
from .jobcheck import is_sha256
from .jobs import ArtifactRef, Progress
from .messages import FetchFile, FileChunk

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 * 2**20
PIECE_BYTES = 512 * 1024
MAX_ASKED = 3
"""Requests under way at a time: enough to fill a line, few enough for one tick of Blender."""
MAX_RESUMED_BYTES = 32 * 2**20
"""A longer beginning of a file is fetched anew rather than hashed in one go."""
_PART = ".part"
_FOLDER_NAME = re.compile(r"[\w\-][\w.\-]{0,199}")
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    sha256: str


class Fetch:
    """One finished job on its way; see the top of the file.

    Attributes:
        num_bytes, num_done_bytes: Of all its files; 0 while the manifest is not here.
        num_files, num_done_files: Likewise.

    Raises:
        ArtifactWriteFailed: The library cannot be written to. So may every method.
    """

    def __init__(self, job_id: str, artifact: ArtifactRef, library: Path) -> None:
        self.job_id = job_id
        self._artifact = artifact
        self._library = library
        self._folder = library / STATE_FOLDER / f"fetching-{artifact.manifest_sha256[:16]}"
        self._files: list[_File] = [_File(MANIFEST, _UNKNOWN, artifact.manifest_sha256)]
        self._index = 0  # of the file that is being written
        self._received = 0
        self._hash = hashlib.sha256()
        self._asked: list[tuple[int, int]] = []  # file and offset of what is under way
        self._next = (0, 0)
        self.num_bytes = self.num_done_bytes = 0
        self._local = self._find_local()
        if self._local is None:
            with self._writing():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._enter()

    @property
    def is_complete(self) -> bool:
        """Whether every file is here."""
        return self._local is not None or self._index == len(self._files)

    @property
    def num_files(self) -> int:
        return len(self._files)

    @property
    def num_done_files(self) -> int:
        return self._index

    @property
    def fraction(self) -> float:
        """Of the bytes, 0 to 1."""
        if self.is_complete:
            return 1.0
        return (self.num_done_bytes + self._received) / self.num_bytes if self.num_bytes else 0.0

    def progress(self, elapsed_s: float) -> Progress:
        """How far it is, as the last phase of its job, which took `elapsed_s` until it began."""
        return Progress(
            phase="fetch",
            step=self.num_done_files,
            num_steps=self.num_files,
            fraction=self.fraction,
            elapsed_s=elapsed_s,
            message=f"{self.num_bytes / 2**20:.1f} MiB in all" if self.num_bytes else "",
        )

    def requests(self) -> Iterator[FetchFile]:
        """What to ask for now; empty while enough is under way."""
        if self._local is not None:
            return
        while len(self._asked) < MAX_ASKED and self._next[0] < len(self._files):
            index, offset = self._next
            file = self._files[index]
            if file.size == _UNKNOWN and self._asked:
                return  # how long it is, the answer tells
            following = offset + PIECE_BYTES
            more = file.size == _UNKNOWN or following < file.size
            self._next = (index, following) if more else (index + 1, 0)
            if file.size:  # an empty file is simply made
                self._asked.append((index, offset))
                yield FetchFile(
                    job_id=self.job_id, path=file.path, offset=offset, length=PIECE_BYTES
                )

    def repeat(self) -> None:
        """Ask again for what is under way: the line broke, or the engine is another process."""
        self._asked.clear()
        self._next = (self._index, self._received)

    def take(self, chunk: FileChunk, piece: bytes) -> None:
        """Take in an answer; one that was not asked for, or comes twice, changes nothing.

        Raises:
            MalformedMessage: The bytes are not those of the manifest.
        """
        if self.is_complete or not self._asked or self._asked[0] != (self._index, self._received):
            return
        file = self._files[self._index]
        if (chunk.path, chunk.offset) != (file.path, self._received):
            return
        del self._asked[0]
        self._check(file, chunk, piece)
        with self._writing():
            with self._part(file).open("ab") as sink:
                sink.write(piece)
            self._hash.update(piece)
            self._received += len(piece)
            if self._received < chunk.size:
                if file.size == _UNKNOWN:
                    self.repeat()
                return
            self._complete(file)

    def finish(self) -> ArtifactRef:
        """Put the folder in its place among the library's results.

        Raises:
            ValueError: It is not complete.
        """
        if not self.is_complete:
            raise ValueError("the files are not here yet")
        with self._writing():
            if self._local is None:
                target = self._library / self._name()
                os.rename(self._folder, target)
                self._local = target
        return replace(self._artifact, folder=str(self._local))

    def discard(self) -> None:
        """Leave nothing of it behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find_local(self) -> Path | None:
        """The same loop in the library already, fetched earlier."""
        wanted = self._artifact.manifest_sha256
        for folder in (self._library / name for name in self._names()):
            try:
                raw = (folder / MANIFEST).read_bytes()
            except OSError:
                return None  # this name is free
            if hashlib.sha256(raw).hexdigest() == wanted:
                return folder
        return None

    def _names(self) -> Iterator[str]:
        name = PureWindowsPath(self._artifact.folder).name  # reads both kinds of separator
        if not _FOLDER_NAME.fullmatch(name):
            name = f"loop-{self._artifact.manifest_sha256[:8]}"
        yield name
        for number in range(2, 100):
            yield f"{name}-{number}"

    def _name(self) -> str:
        return next(name for name in self._names() if not (self._library / name).exists())

    def _check(self, file: _File, chunk: FileChunk, piece: bytes) -> None:
        largest = MAX_MANIFEST_BYTES if file.size == _UNKNOWN else file.size
        end = self._received + len(piece)
        is_wrong = chunk.size > largest or (file.size != _UNKNOWN and chunk.size != file.size)
        if is_wrong or end > chunk.size or (not piece and end < chunk.size):
            self._fail(file)

    def _fail(self, file: _File) -> None:
        with contextlib.suppress(OSError):
            self._part(file).unlink(missing_ok=True)
        raise MalformedMessage(
            f"The file {file.path} of the finished loop was changed on the engine's machine, or on "
            "the way. Ask for the loop once more.",
            path=file.path,
        )

    def _complete(self, file: _File) -> None:
        if self._hash.hexdigest() != file.sha256:
            self._fail(file)
        if file.path == MANIFEST:
            self._read_manifest(self._part(file).read_bytes())
        self._part(file).replace(self._folder / file.path)
        self.num_done_bytes += self._received
        self._index += 1
        self._enter()

    def _enter(self) -> None:
        """Begin the next file that is not here yet."""
        while self._index < len(self._files):
            file = self._files[self._index]
            path = self._folder / file.path
            self._received, self._hash = 0, hashlib.sha256()
            if path.is_file():  # only a file with the right hash ever got its name
                if file.path == MANIFEST:
                    self._read_manifest(path.read_bytes())
                self.num_done_bytes += path.stat().st_size
            elif file.size == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._resume(self._part(file))
                break
            self._index += 1
        self._next = max(self._next, (self._index, self._received))

    def _resume(self, part: Path) -> None:
        """Go on with a file of which an earlier fetch left the beginning."""
        if not part.is_file():
            return
        whole = part.stat().st_size // PIECE_BYTES * PIECE_BYTES
        if whole > MAX_RESUMED_BYTES:
            whole = 0
        with part.open("r+b") as file:
            file.truncate(whole)
            self._hash = hashlib.sha256(file.read())
        self._received = whole

    def _part(self, file: _File) -> Path:
        return self._folder / (file.path + _PART)

    def _read_manifest(self, raw: bytes) -> None:
        """Which files there are, and whether they have room."""
        try:
            entries = json.loads(raw)["files"]
            self._files += [_entry(entry) for entry in entries]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
            raise MalformedMessage(
                f"The manifest of the finished loop cannot be read: {why}. Update Panoloom."
            ) from why
        self.num_bytes = len(raw) + sum(file.size for file in self._files[1:])
        free = shutil.disk_usage(self._library).free
        if self.num_bytes > free:
            raise ArtifactWriteFailed(
                f"The loop has {self.num_bytes / 2**20:.0f} MiB and the disk of {self._library} "
                f"has {free / 2**20:.0f} MiB left. Make room and ask for the loop once more.",
                path=str(self._library),
                needed_bytes=self.num_bytes,
                free_bytes=free,
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as why:
            raise ArtifactWriteFailed(
                f"The loop could not be written into the library {self._library}: "
                f"{why.strerror or why}. Make room or choose another library, then ask for the "
                "loop once more.",
                path=str(self._library),
            ) from why


def _entry(plain: Any) -> _File:
    """A file of the manifest; its path stays inside of the folder.

    Raises:
        ValueError: It is none.
    """
    path, size, sha256 = plain["path"], plain["bytes"], plain["sha256"]
    if not isinstance(path, str) or not is_inside(path) or path == MANIFEST:
        raise ValueError(f"it names the file {path!r}")
    if type(size) is not int or size < 0 or not is_sha256(sha256):
        raise ValueError(f"{path} has no size or no hash")
    return _File(path, size, sha256)


def is_inside(path: str) -> bool:
    """Whether a relative path with slashes, such as "frames/loop_0001.exr", leads nowhere else."""
    parts = PurePosixPath(path).parts
    is_plain = not any(letter in path for letter in ("\\", ":", "\0"))
    return bool(parts) and is_plain and not path.startswith("/") and ".." not in parts
