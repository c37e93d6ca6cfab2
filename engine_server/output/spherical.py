"""Spherical metadata that every player reads: V1, V2 and Apple's, in one pass, into MP4 and MOV.

It is written last: remuxing with FFmpeg afterwards would lose parts of it. No sample is touched.

Sources: Spherical Video RFC (V1) and V2 of github.com/google/spatial-media; Apple, "QuickTime and
ISO Base Media File Formats and Spatial and Immersive Media" (vexu, proj, pack).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from ...shared.errors import InvalidJob
from .boxes import Box, full_box, read_index, replace_index, sample_entry, video_track

SOFTWARE = "Panoloom"
V1_UUID = UUID("ffcc8263-f855-4a93-8814-587a02521fdd").bytes
OURS = {b"st3d", b"sv3d", b"vexu"}
CONFIGS = {
    b"avc1": b"avcC",
    b"avc3": b"avcC",
    b"hvc1": b"hvcC",
    b"hev1": b"hvcC",
    b"av01": b"av1C",
}
"""Sample entries that are taken, and the box of each after which ours stand."""

Layout = Literal["mono", "top-bottom"]
V2_STEREO: dict[Layout, int] = {"mono": 0, "top-bottom": 1}
BOTH_EYES = 0x03


@dataclass(frozen=True, slots=True, kw_only=True)
class Spherical:
    """What a file says of its picture: a whole equirectangular sphere, level, yaw 0 in the middle.

    Attributes:
        layout: "mono", or "top-bottom" with the left eye on top.
        software: Who stitched it.
    """

    layout: Layout = "mono"
    software: str = SOFTWARE


def write_spherical(path: Path, spherical: Spherical) -> None:
    """Put V1, V2 and Apple's metadata into a file; what it had of them is replaced.

    Raises:
        InvalidJob: It is no MP4 or MOV with H.264, HEVC or AV1, or is fragmented.
        OSError: It could not be written. The file is as it was.
    """
    moov, extents = read_index(path)
    track = video_track(moov, path)
    entry = sample_entry(track, path)
    config = CONFIGS.get(entry.kind)
    if config is None:
        raise InvalidJob(
            f"The video of {path} is {entry.kind.decode('latin-1')!r}. Spherical metadata is "
            "written for H.264 (avc1), HEVC (hvc1) and AV1 (av01).",
            field="path",
        )
    entry.children = [box for box in entry.children if box.kind not in OURS]
    kinds = [box.kind for box in entry.children]
    place = kinds.index(config) + 1 if config in kinds else 0
    entry.children[place:place] = [*v2_boxes(spherical), apple_box(spherical)]
    for parent in (moov, track):
        parent.children = [box for box in parent.children if not _is_v1(box)]
    track.children.append(v1_box(spherical))
    replace_index(path, moov, extents)


def read_spherical(path: Path) -> Spherical | None:
    """What a file says of itself; V2 is asked first, then V1, then Apple's.

    Raises:
        InvalidJob: It is no MP4 or MOV that `write_spherical` could work on.
    """
    moov, _ = read_index(path)
    track = video_track(moov, path)
    entry = sample_entry(track, path)
    sv3d, st3d = entry.first(b"sv3d"), entry.first(b"st3d")
    if sv3d is not None and b"equi" in sv3d.head:
        top_bottom = st3d is not None and st3d.head[4] == V2_STEREO["top-bottom"]
        return Spherical(layout="top-bottom" if top_bottom else "mono", software=_tool(sv3d))
    for box in track.children:
        if _is_v1(box):
            return _from_v1(box.head[len(V1_UUID) :])
    vexu = entry.first(b"vexu")
    if vexu is not None and b"equi" in vexu.head:
        return Spherical(layout="top-bottom" if b"over" in vexu.head else "mono", software="")
    return None


def v1_box(spherical: Spherical) -> Box:
    """The XMP of the first version, in a `uuid` box for the track."""
    stereo = "" if spherical.layout == "mono" else _tag("StereoMode", spherical.layout)
    xml = (
        '<?xml version="1.0"?><rdf:SphericalVideo\n'
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"\n'
        'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">'
        f"{_tag('Spherical', 'true')}{_tag('Stitched', 'true')}"
        f"{_tag('StitchingSoftware', spherical.software)}"
        f"{_tag('ProjectionType', 'equirectangular')}{stereo}</rdf:SphericalVideo>"
    )
    return Box(b"uuid", V1_UUID + xml.encode())


def v2_boxes(spherical: Spherical) -> list[Box]:
    """`st3d` and `sv3d`: the second version, for the sample entry."""
    head = full_box(b"svhd", spherical.software.encode() + b"\0")
    pose = full_box(b"prhd", struct.pack(">3i", 0, 0, 0))
    bounds = full_box(b"equi", struct.pack(">4I", 0, 0, 0, 0))
    inside = head.raw() + Box(b"proj", pose.raw() + bounds.raw()).raw()
    stereo = full_box(b"st3d", bytes([V2_STEREO[spherical.layout]]))
    return [stereo, Box(b"sv3d", inside)]


def apple_box(spherical: Spherical) -> Box:
    """`vexu`: Apple Projected Media Profile. Without `pack`, readers would take TB for unpacked."""
    projection = Box(b"proj", full_box(b"prji", b"equi").raw())
    if spherical.layout == "mono":
        return Box(b"vexu", projection.raw())
    eyes = Box(b"eyes", full_box(b"stri", bytes([BOTH_EYES])).raw())
    packing = Box(b"pack", full_box(b"pkin", b"over").raw())
    return Box(b"vexu", eyes.raw() + projection.raw() + packing.raw())


def _tag(name: str, value: str) -> str:
    safe = value.replace("&", "&amp;").replace("<", "&lt;")
    return f"<GSpherical:{name}>{safe}</GSpherical:{name}>"


def _is_v1(box: Box) -> bool:
    return box.kind == b"uuid" and box.head.startswith(V1_UUID)


def _from_v1(xml: bytes) -> Spherical | None:
    """V1 by its tags alone: nothing in a file is handed to an XML parser."""
    text = xml.decode("utf-8", "replace")
    values = dict(re.findall(r"<GSpherical:(\w+)>([^<]*)</GSpherical:", text))
    if values.get("Spherical", "").lower() != "true":
        return None
    return Spherical(
        layout="top-bottom" if values.get("StereoMode") == "top-bottom" else "mono",
        software=values.get("StitchingSoftware", ""),
    )


def _tool(sv3d: Box) -> str:
    if sv3d.head[4:8] != b"svhd":
        return ""
    (size,) = struct.unpack_from(">I", sv3d.head)
    return sv3d.head[12:size].rstrip(b"\0").decode("utf-8", "replace")
