"""The library as a history of loops: what is there, starred, in use, and too much. No Blender.

A loop is a folder with a manifest, whoever made it. What this add-on knows beside it (stars, which
.blend files use which loop, how long loops took) lies in one small file of the library.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..shared.connection import STATE_FOLDER, write_private
from ..shared.errors import PanoloomError
from ..shared.jobs import JobSpec
from ..shared.wire import new_id
from .loops import MANIFEST

NOTES = "blender.json"
FORMAT = "panoloom.artifact"
MAX_MANIFEST_BYTES = 16 * 2**20
READ_A_STEP = 6
TRASH = ".deleted-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finished loop.

    Attributes:
        spec: The request it was made of.
        num_bytes: Of all its files, as the manifest lists them.
        made_at: Seconds since 1970.
    """

    folder: Path
    spec: JobSpec
    width: int
    height: int
    num_frames: int
    fps: float
    num_bytes: int
    made_at: float
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder, unique in the library."""
        return self.folder.name

    @property
    def title(self) -> str:
        """The words a person knows it by."""
        return self.spec.title.strip() or self.name

    @property
    def poster(self) -> Path:
        """Its first frame."""
        return self.folder / "poster.png"


@dataclass(slots=True)
class Notes:
    """What the add-on remembers about a library.

    Attributes:
        starred: Names of loops.
        used_by: Names of loops by the .blend file that shows them.
        paces: What past loops took, as multiples of the table's word.
    """

    starred: set[str] = field(default_factory=set)
    used_by: dict[str, list[str]] = field(default_factory=dict)
    paces: list[float] = field(default_factory=list)


class History:
    """The loops of one library folder; `refresh` reads a few new ones at a time.

    Attributes:
        entries: Newest first.
        notes: What is remembered about them.
        is_complete: Whether everything that is there was read.
    """

    def __init__(self, library: Path) -> None:
        self.library = library
        self.entries: tuple[Entry, ...] = ()
        self.is_complete = False
        self.notes = read_notes(library)
        self._known: dict[str, tuple[float, Entry | None]] = {}
        self._unread: list[tuple[float, str]] = []

    @property
    def num_bytes(self) -> int:
        """Of all loops together."""
        return sum(entry.num_bytes for entry in self.entries)

    def find(self, name: str) -> Entry | None:
        """The loop in the folder of this name, None when there is none."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def refresh(self, limit: int = READ_A_STEP) -> bool:
        """Look what is there, and read at most `limit` new manifests; whether anything changed."""
        if not self._unread:
            found = _manifests(self.library)
            self._known = {name: known for name, known in self._known.items() if name in found}
            new = [(at, name) for name, at in found.items() if self._known.get(name, (0,))[0] != at]
            self._unread = sorted(new)
        for _ in range(min(limit, len(self._unread))):
            at, name = self._unread.pop()  # the newest first
            self._known[name] = (at, read_entry(self.library / name, at))
        self.is_complete = not self._unread
        entries = [entry for _, entry in self._known.values() if entry is not None]
        before, self.entries = self.entries, tuple(sorted(entries, key=lambda e: -e.made_at))
        return before != self.entries

    # Stars, and who uses what -------------------------------------------------------------

    def star(self, name: str, starred: bool) -> None:
        """Put a star on a loop, or take it off."""
        self.notes = read_notes(self.library)
        (self.notes.starred.add if starred else self.notes.starred.discard)(name)
        self._write()

    def is_starred(self, name: str) -> bool:
        """Whether it has a star, which also keeps it from being pruned."""
        return name in self.notes.starred

    def remember_use(self, blend: Path, names: Iterable[str]) -> None:
        """Note which loops a saved .blend shows; they count as in use while that file is there."""
        self.notes = read_notes(self.library)
        used = sorted(set(names))
        if self.notes.used_by.get(str(blend), []) == used:
            return
        if used:
            self.notes.used_by[str(blend)] = used
        else:
            self.notes.used_by.pop(str(blend), None)
        self._write()

    def remember_pace(self, paces: Sequence[float]) -> None:
        """Note what past loops took."""
        self.notes = read_notes(self.library)
        self.notes.paces = list(paces)
        self._write()

    def users_of(self, name: str) -> list[str]:
        """The .blend files, as far as they are still there, that show this loop."""
        used_by = self.notes.used_by.items()
        return [blend for blend, names in used_by if name in names and Path(blend).is_file()]

    def why_not_delete(self, name: str, shown: Collection[str]) -> str:
        """Why a loop cannot be deleted; empty when it can.

        Args:
            shown: Names of the loops that the open file uses.
        """
        if name in shown:
            return "This file uses the loop: restore your World first"
        users = self.users_of(name)
        if users:
            return f"{Path(users[0]).name} uses the loop"
        return ""

    # Taking away --------------------------------------------------------------------------

    def delete(self, name: str, shown: Collection[str]) -> int:
        """Take a loop off the disk; returns its bytes.

        Raises:
            PanoloomError: It is in use, is no loop of this library, or cannot be removed.
        """
        why = self.why_not_delete(name, shown)
        if why:
            raise PanoloomError(f"{why}.", name=name)
        entry = self.find(name)
        if entry is None or entry.folder.parent != self.library or entry.folder.is_symlink():
            raise PanoloomError("There is no such loop in the library.", name=name)
        trash = self.library / f"{TRASH}{new_id()[:8]}"
        try:
            os.replace(entry.folder, trash)  # all of it or nothing
            shutil.rmtree(trash)
        except OSError as reason:
            raise PanoloomError(
                f"{name} could not be deleted: {reason.strerror or reason}. If a program has a "
                "file of it open, close that.",
                folder=str(entry.folder),
            ) from reason
        self._known.pop(name, None)
        self.entries = tuple(e for e in self.entries if e.name != name)
        return entry.num_bytes

    def to_prune(self, limit_bytes: int, shown: Collection[str]) -> list[Entry]:
        """The loops to delete, oldest first, so that the rest fits; never one in use or starred.

        Args:
            limit_bytes: 0 is no limit.
        """
        total, gone = self.num_bytes, []
        for entry in reversed(self.entries):
            if not limit_bytes or total <= limit_bytes:
                break
            if self.is_starred(entry.name) or self.why_not_delete(entry.name, shown):
                continue
            gone.append(entry)
            total -= entry.num_bytes
        return gone

    def _write(self) -> None:
        path = self.library / STATE_FOLDER / NOTES
        used_by = {k: v for k, v in self.notes.used_by.items() if Path(k).is_file()}
        plain = {
            "starred": sorted(self.notes.starred),
            "used_by": used_by,
            "paces": self.notes.paces,
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, json.dumps(plain, indent=1).encode())
        except OSError as reason:
            raise PanoloomError(
                f"{path} could not be written: {reason.strerror or reason}.", file=str(path)
            ) from reason


def read_notes(library: Path) -> Notes:
    """What is remembered about a library; nothing where the file is missing or damaged."""
    try:
        plain = json.loads((library / STATE_FOLDER / NOTES).read_bytes())
        return Notes(
            {str(name) for name in plain.get("starred", ())},
            {str(k): [str(n) for n in v] for k, v in plain.get("used_by", {}).items()},
            [float(pace) for pace in plain.get("paces", ())],
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return Notes()


def read_entry(folder: Path, made_at: float) -> Entry | None:
    """The loop in a folder; None when its manifest is none of ours."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
        plain: Any = json.loads(raw) if len(raw) <= MAX_MANIFEST_BYTES else None
        if plain["format"] != FORMAT:
            return None
        loop = plain["loop"]
        return Entry(
            folder=folder,
            spec=JobSpec.from_plain(plain["job"]),
            width=int(loop["width"]),
            height=int(loop["height"]),
            num_frames=int(loop["num_frames"]),
            fps=float(loop["fps"]),
            num_bytes=sum(int(file["bytes"]) for file in plain["files"]) + len(raw),
            made_at=made_at,
            notes=tuple(str(note) for note in plain.get("notes", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, PanoloomError):
        return None


def _manifests(library: Path) -> dict[str, float]:
    """Folders of the library that have a manifest, and when that was written."""
    found = {}
    try:
        with os.scandir(library) as folders:
            for folder in folders:
                if folder.name.startswith(".") or not folder.is_dir(follow_symlinks=False):
                    continue
                try:
                    found[folder.name] = os.stat(os.path.join(folder.path, MANIFEST)).st_mtime
                except OSError:
                    continue
    except OSError:
        return {}
    return found
