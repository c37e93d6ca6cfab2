"""What kind of picture a stored file is, from its first bytes: enough to refuse the impossible.

Whether every pixel can be read shows when the worker opens it, before any denoising.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from ...shared.errors import InvalidJob
from ...shared.jobs import MAX_SIDE_PX

MAX_PIXELS = MAX_SIDE_PX * MAX_SIDE_PX // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHead:
    """Kind ("png", "jpeg", "exr" or "hdr") and size in pixels."""

    kind: str
    width: int
    height: int


def read_head(path: Path, *, field: str) -> ImageHead:
    """The head of an image file.

    Raises:
        InvalidJob: No picture we read, a damaged one, or one too large.
    """
    with open(path, "rb") as file:
        raw = file.read(1 << 20)
    try:
        head = _png(raw) or _jpeg(raw) or _exr(raw) or _hdr(raw)
    except (struct.error, IndexError, ValueError) as why:
        raise InvalidJob("The reference is a damaged picture.", field=field) from why
    if head is None:
        raise InvalidJob(
            "The reference is no picture: give a PNG, JPEG, EXR or HDR file.",
            field=field,
            known=["png", "jpeg", "exr", "hdr"],
        )
    if head.width < 1 or head.height < 1:
        raise InvalidJob("The reference is a damaged picture.", field=field)
    if head.width * head.height > MAX_PIXELS or max(head.width, head.height) > MAX_SIDE_PX:
        raise InvalidJob(
            f"The reference has {head.width}x{head.height} pixels; the largest that is taken is "
            f"{MAX_SIDE_PX}x{MAX_SIDE_PX // 2}.",
            field=field,
            largest=[MAX_SIDE_PX, MAX_SIDE_PX // 2],
        )
    return head


def _png(raw: bytes) -> ImageHead | None:
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    name, width, height = struct.unpack(">4sII", raw[12:24])
    if name != b"IHDR":
        raise ValueError("no IHDR")
    return ImageHead(kind="png", width=width, height=height)


def _jpeg(raw: bytes) -> ImageHead | None:
    if not raw.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while True:
        while raw[at] == 0xFF and raw[at + 1] == 0xFF:  # fill bytes
            at += 1
        if raw[at] != 0xFF:
            raise ValueError("no marker")
        marker = raw[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            return ImageHead(kind="jpeg", width=width, height=height)
        (length,) = struct.unpack(">H", raw[at + 2 : at + 4])
        at += 2 + max(length, 2)


def _exr(raw: bytes) -> ImageHead | None:
    if not raw.startswith(b"\x76\x2f\x31\x01"):
        return None
    tag = b"dataWindow\0box2i\0"
    at = raw.index(tag) + len(tag) + 4
    left, top, right, bottom = struct.unpack("<iiii", raw[at : at + 16])
    return ImageHead(kind="exr", width=right - left + 1, height=bottom - top + 1)


def _hdr(raw: bytes) -> ImageHead | None:
    if not raw.startswith((b"#?RADIANCE", b"#?RGBE")):
        return None
    size = re.search(rb"\n-Y (\d{1,6}) \+X (\d{1,6})\n", raw)
    if size is None:
        raise ValueError("no size")
    return ImageHead(kind="hdr", width=int(size[2]), height=int(size[1]))
