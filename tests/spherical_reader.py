"""A reader of spherical metadata after the public specifications; it shares nothing with ours.

It stands in for Google's tool, which no package index has: it looks only where players have to
look, walks every box to its last byte, and fails on what the specifications forbid.

    told = spherical_of(path)
    packets = samples_of(path)      # by the file's own tables, without FFmpeg

Sources: Spherical Video RFC (V1) and Spherical Video V2 RFC, github.com/google/spatial-media/docs;
Apple Projected Media Profile (vexu); ISO/IEC 14496-12 (boxes, sample tables).
"""

from __future__ import annotations

import struct
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

V1 = uuid.UUID("ffcc8263-f855-4a93-8814-587a02521fdd").bytes
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
GSPHERICAL = "{http://ns.google.com/videos/1.0/spherical/}"
SAMPLE_ENTRY_BYTES = 78
CONFIGS = {b"avc1": b"avcC", b"hvc1": b"hvcC", b"av01": b"av1C"}


@dataclass(frozen=True)
class Told:
    """What a film says, in each of the three ways.

    Attributes:
        v1: Tag to text.
        stereo_mode: 0 mono, 1 top-bottom.
        tool: Who wrote it.
        pose: Yaw, pitch, roll, 16.16 fixed.
        bounds: Top, bottom, left, right, 0.32 fixed.
        apple: Projection, eyes (bits), packing; what is not there is None.
    """

    v1: dict[str, str]
    stereo_mode: int
    tool: str
    pose: tuple[int, ...]
    bounds: tuple[int, ...]
    apple: tuple[str, int | None, str | None]


def spherical_of(path: Path) -> Told:
    """What the first video track says; everything has to be there, once, and in its place."""
    track = _video_track(path.read_bytes())
    (entry_kind, entry), *others = _entries(track)
    assert not others
    inside = list(_boxes(entry[SAMPLE_ENTRY_BYTES:]))
    kinds = [kind for kind, _ in inside]
    ours = [kinds.index(kind) for kind in (CONFIGS[entry_kind], b"st3d", b"sv3d")]
    assert ours == sorted(ours), "V2 stands behind the codec's configuration, st3d first"
    assert all(ours[-1] < kinds.index(kind) for kind in (b"clap", b"pasp") if kind in kinds)
    mode = _full(_only(inside, b"st3d"))
    assert len(mode) == 1
    tool, pose, bounds = _sv3d(_only(inside, b"sv3d"))
    uuids = [body for kind, body in _boxes(track) if kind == b"uuid" and body[:16] == V1]
    assert len(uuids) == 1, "V1 stands in the video track, once"
    apple = _vexu(_only(inside, b"vexu"))
    return Told(_v1(uuids[0][16:]), mode[0], tool, pose, bounds, apple)


def samples_of(path: Path) -> list[bytes]:
    """The video's samples as its index finds them."""
    raw = path.read_bytes()
    table = dict(_boxes(_down(_video_track(raw), b"mdia", b"minf", b"stbl")))
    same, count = struct.unpack_from(">II", table[b"stsz"], 4)
    sizes = [same] * count if same else list(struct.unpack_from(f">{count}I", table[b"stsz"], 12))
    wide = b"co64" in table
    offsets = table[b"co64" if wide else b"stco"]
    (num_chunks,) = struct.unpack_from(">I", offsets, 4)
    starts = struct.unpack_from(f">{num_chunks}{'Q' if wide else 'I'}", offsets, 8)
    (num_runs,) = struct.unpack_from(">I", table[b"stsc"], 4)
    runs = [struct.unpack_from(">III", table[b"stsc"], 8 + 12 * n) for n in range(num_runs)]
    found: list[bytes] = []
    for chunk, start in enumerate(starts, start=1):
        for _ in range([n for first, n, _ in runs if first <= chunk][-1]):
            size = sizes[len(found)]
            found.append(raw[start : start + size])
            start += size
    assert len(found) == count
    return found


def _sv3d(body: bytes) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    (head, tool), (proj, projection) = _boxes(body)
    assert (head, proj) == (b"svhd", b"proj")
    name = _full(tool)
    assert name.endswith(b"\0")
    assert name.count(b"\0") == 1
    (prhd, pose), (equi, bounds) = _boxes(projection)
    assert (prhd, equi) == (b"prhd", b"equi")
    yaw, pitch, roll = struct.unpack(">3i", _full(pose))
    assert abs(yaw) <= 180 << 16
    assert abs(pitch) <= 90 << 16
    assert abs(roll) <= 180 << 16
    top, bottom, left, right = struct.unpack(">4I", _full(bounds))
    assert top + bottom < 2**32
    assert left + right < 2**32
    return name[:-1].decode(), (yaw, pitch, roll), (top, bottom, left, right)


def _v1(xml: bytes) -> dict[str, str]:
    root = ET.fromstring(xml.decode())
    assert root.tag == f"{RDF}SphericalVideo"
    assert all(child.tag.startswith(GSPHERICAL) for child in root)
    told = {child.tag.removeprefix(GSPHERICAL): child.text or "" for child in root}
    assert told.keys() >= {"Spherical", "Stitched", "StitchingSoftware", "ProjectionType"}
    assert len(told) == len(root), "each tag once"
    return told


def _vexu(body: bytes) -> tuple[str, int | None, str | None]:
    inside = list(_boxes(body))
    projection = _full(_only(list(_boxes(_only(inside, b"proj"))), b"prji")).decode()
    eyes = packing = None
    kinds = {kind for kind, _ in inside}
    if b"eyes" in kinds:
        (eyes,) = _full(_only(list(_boxes(_only(inside, b"eyes"))), b"stri"))
    if b"pack" in kinds:
        packing = _full(_only(list(_boxes(_only(inside, b"pack"))), b"pkin")).decode()
    return projection, eyes, packing


def _video_track(raw: bytes) -> bytes:
    tracks = [body for kind, body in _boxes(_only(list(_boxes(raw)), b"moov")) if kind == b"trak"]
    return next(t for t in tracks if _down(t, b"mdia", b"hdlr")[8:12] == b"vide")


def _entries(track: bytes) -> list[tuple[bytes, bytes]]:
    stsd = _down(track, b"mdia", b"minf", b"stbl", b"stsd")
    found = list(_boxes(stsd[8:]))
    assert struct.unpack_from(">I", stsd, 4) == (len(found),)
    return found


def _down(body: bytes, *path: bytes) -> bytes:
    for kind in path:
        body = _only(list(_boxes(body)), kind)
    return body


def _only(boxes: list[tuple[bytes, bytes]], kind: bytes) -> bytes:
    bodies = [body for each, body in boxes if each == kind]
    assert len(bodies) == 1, f"{kind!r} stands {len(bodies)} times"
    return bodies[0]


def _full(body: bytes) -> bytes:
    assert body[:4] == bytes(4), "version 0, no flags"
    return body[4:]


def _boxes(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(raw):
        size, kind = struct.unpack_from(">I4s", raw, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", raw, start + 8)[0], 16
        assert head <= size <= len(raw) - start, f"{kind!r} does not end where its parent does"
        yield kind, raw[start + head : start + size]
        start += size
