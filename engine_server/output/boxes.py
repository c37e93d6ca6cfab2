"""MP4 and MOV as a tree of boxes: the index is read, changed and written; samples are never read.

Source: ISO/IEC 14496-12:2022, 4.2 (boxes), 8.5.2 (sample entries), 8.7.5 (chunk offsets).
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ...shared.errors import InvalidJob

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
MAX_INDEX_BYTES = 256 * 2**20
STSD_HEAD = 8
"""Version, flags and the number of entries stand in front of the entries of `stsd`."""
VISUAL_HEAD = 78
"""Bytes of a VisualSampleEntry in front of its boxes (12.1.3)."""


@dataclass(slots=True)
class Box:
    """One box of the index.

    Attributes:
        kind: Four-character code.
        head: Bytes in front of the children; of a leaf, its whole body.
        children: Boxes within.
        tail: Bytes behind the children that are no box: QuickTime closes some lists with zeros.
    """

    kind: bytes
    head: bytes = b""
    children: list[Box] = field(default_factory=list)
    tail: bytes = b""

    def raw(self) -> bytes:
        """The box as it stands in a file."""
        body = b"".join([self.head, *(child.raw() for child in self.children), self.tail])
        return struct.pack(">I4s", 8 + len(body), self.kind) + body

    def first(self, *path: bytes) -> Box | None:
        """The first box that lies at `path` below this one."""
        if not path:
            return self
        for child in self.children:
            found = child.first(*path[1:]) if child.kind == path[0] else None
            if found is not None:
                return found
        return None

    def walk(self) -> Iterator[Box]:
        """This box and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def full_box(kind: bytes, body: bytes, *, version: int = 0) -> Box:
    """A FullBox without flags."""
    return Box(kind, bytes([version, 0, 0, 0]) + body)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a top-level box lies in its file, header included, in bytes."""

    kind: bytes
    start: int
    head: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def top_level(file: BinaryIO, path: Path) -> list[Extent]:
    """The boxes of a file in order.

    Raises:
        InvalidJob: It is no MP4 or MOV, or is cut short.
    """
    total = file.seek(0, os.SEEK_END)
    found: list[Extent] = []
    start = 0
    while start < total:
        file.seek(start)
        raw = file.read(16)
        if len(raw) < 8:
            raise damaged(path, f"{total - start} stray bytes at the end")
        size, kind = struct.unpack(">I4s", raw[:8])
        head = 8
        if size == 1 and len(raw) == 16:
            size, head = struct.unpack(">Q", raw[8:])[0], 16
        elif size == 0:
            size = total - start
        if size < head or start + size > total:
            raise damaged(path, f"the box at byte {start} says it has {size} bytes")
        found.append(Extent(kind, start, head, size))
        start += size
    return found


def read_index(path: Path) -> tuple[Box, list[Extent]]:
    """The `moov` of a file as a tree, the video's sample entries with it, and the file's layout.

    Raises:
        InvalidJob: It cannot be read, is no MP4 or MOV, is damaged, or has no index of its own
            (fragmented, encrypted index, items).
    """
    try:
        with path.open("rb") as file:
            extents = top_level(file, path)
            kinds = [extent.kind for extent in extents]
            if b"moof" in kinds:
                raise _fragmented(path)
            if kinds.count(b"moov") != 1 or b"mdat" not in kinds:
                raise damaged(path, "it has no index, or no samples")
            place = extents[kinds.index(b"moov")]
            if place.size > MAX_INDEX_BYTES:
                raise damaged(path, f"its index has {place.size} bytes")
            file.seek(place.start + place.head)
            body = file.read(place.size - place.head)
    except OSError as why:
        raise InvalidJob(f"{path} cannot be read: {why.strerror or why}.", field="path") from why
    moov = _parse(b"moov", body, path)
    if moov.first(b"mvex") is not None:
        raise _fragmented(path)
    if moov.first(b"cmov") is not None:
        raise damaged(path, "its index is compressed")
    if b"meta" in kinds:
        raise damaged(path, "it has items at fixed places beside its index")
    for entries in _video_entries(moov):
        _open_entries(entries, path)
    return moov, extents


def video_track(moov: Box, path: Path) -> Box:
    """The first track of pictures.

    Raises:
        InvalidJob: There is none.
    """
    for track in moov.children:
        if track.kind == b"trak" and _handler(track) == b"vide":
            return track
    raise InvalidJob(f"{path} has no video track.", field="path")


def sample_entry(track: Box, path: Path) -> Box:
    """The description of a video track's samples.

    Raises:
        InvalidJob: There is none.
    """
    stsd = track.first(b"mdia", b"minf", b"stbl", b"stsd")
    if stsd is None or not stsd.children:
        raise damaged(path, "its video track does not say how it is coded")
    return stsd.children[0]


def replace_index(path: Path, moov: Box, extents: list[Extent]) -> None:
    """Write `path` anew with another index; every other byte stays, and is found where it went.

    The file is written beside and renamed, so that it is whole at every moment.

    Raises:
        OSError: It could not be written.
    """
    place = next(extent for extent in extents if extent.kind == b"moov")
    raw = shifted(moov, place)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with path.open("rb") as old, partial.open("wb") as new:
            for extent in extents:
                if extent is place:
                    new.write(raw)
                    continue
                old.seek(extent.start)
                _copy(old, new, extent.size)
            new.flush()
            os.fsync(new.fileno())
        shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def damaged(path: Path, why: str) -> InvalidJob:
    """The sentence for a file that is no whole MP4 or MOV."""
    return InvalidJob(f"{path} is no MP4 or MOV that can be worked on: {why}.", field="path")


def _fragmented(path: Path) -> InvalidJob:
    return InvalidJob(
        f"{path} is fragmented: its index is spread over the file. Save it as a plain MP4 first, "
        "without fragments.",
        field="path",
    )


def shifted(moov: Box, place: Extent) -> bytes:
    """The index with its chunk offsets right for the file in which it stands."""
    tables = [box for box in moov.walk() if box.kind in (b"stco", b"co64")]
    old = [_offsets(table) for table in tables]
    while True:
        shift = len(moov.raw()) - place.size
        new = [[o + shift if o >= place.end else o for o in offsets] for offsets in old]
        wide = False
        for table, offsets in zip(tables, new, strict=True):
            if table.kind == b"stco" and any(o >= 2**32 for o in offsets):
                table.kind, wide = b"co64", True
            letter = "I" if table.kind == b"stco" else "Q"
            table.head = table.head[:8] + struct.pack(f">{len(offsets)}{letter}", *offsets)
        if not wide:
            return moov.raw()


def _offsets(table: Box) -> list[int]:
    (count,) = struct.unpack_from(">I", table.head, 4)
    return list(
        struct.unpack_from(f">{count}{'I' if table.kind == b'stco' else 'Q'}", table.head, 8)
    )


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    while size:
        piece = old.read(min(size, 2**20))
        if not piece:
            raise OSError("the file became shorter while it was copied")
        new.write(piece)
        size -= len(piece)


def _handler(track: Box) -> bytes:
    hdlr = track.first(b"mdia", b"hdlr")
    return b"" if hdlr is None else hdlr.head[8:12]


def _video_entries(moov: Box) -> Iterator[Box]:
    for track in moov.children:
        if track.kind == b"trak" and _handler(track) == b"vide":
            stsd = track.first(b"mdia", b"minf", b"stbl", b"stsd")
            if stsd is not None:
                yield stsd


def _open_entries(stsd: Box, path: Path) -> None:
    """Take `stsd` and its entries apart, in place."""
    body = stsd.head
    stsd.head = body[:STSD_HEAD]
    stsd.children, stsd.tail = _boxes(body[STSD_HEAD:], path, deep=False)
    for entry in stsd.children:
        if len(entry.head) < VISUAL_HEAD:
            raise damaged(path, "its description of the video is too short")
        body = entry.head
        entry.head = body[:VISUAL_HEAD]
        entry.children, entry.tail = _boxes(body[VISUAL_HEAD:], path, deep=False)


def _parse(kind: bytes, body: bytes, path: Path) -> Box:
    if kind not in PARENTS:
        return Box(kind, body)
    children, tail = _boxes(body, path, deep=True)
    return Box(kind, b"", children, tail)


def _boxes(raw: bytes, path: Path, *, deep: bool) -> tuple[list[Box], bytes]:
    found: list[Box] = []
    start = 0
    while len(raw) - start >= 8:
        size, kind = struct.unpack_from(">I4s", raw, start)
        if size == 0 and not any(raw[start:]):
            break
        if not 8 <= size <= len(raw) - start:
            raise damaged(path, f"a box {kind!r} of its index says it has {size} bytes")
        body = raw[start + 8 : start + size]
        found.append(_parse(kind, body, path) if deep else Box(kind, body))
        start += size
    return found, raw[start:]
