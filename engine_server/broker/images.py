"""What kind of picture a stored file is, by its head and its end: enough to refuse the impossible.

It asks what the worker asks when it opens the file (conditioning/reference.py), short of reading
the pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from ...shared.errors import InvalidJob
from ...shared.jobcheck import is_plane
from ...shared.jobs import LARGEST_REFERENCE, MAX_REFERENCE_PIXELS, JobSpec

_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHead:
    """Kind ("png", "jpeg" or "exr") and size in pixels."""

    kind: str
    width: int
    height: int


def reference_sides(spec: JobSpec) -> tuple[int, int] | None:
    """Width to height that the job's reference has to have; None for a photograph: any."""
    if spec.reference is not None and spec.reference.yaw_deg is not None:
        return None
    return (spec.width, spec.height) if is_plane(spec.method) else (2, 1)


def read_head(path: Path, *, field: str, sides: tuple[int, int] | None = (2, 1)) -> ImageHead:
    """The head of a reference, or of its mask where `field` says so.

    Args:
        sides: Width to height that it has to have; None: any.

    Raises:
        InvalidJob: No picture we read, a damaged one, one too large, or of other sides.
    """
    name = "mask" if "mask" in field else "reference"
    raw = path.read_bytes()
    try:
        head = _png(raw) or _jpeg(raw) or _exr(raw)
    except (struct.error, IndexError, ValueError) as why:
        raise _damaged(name, field) from why
    if head is None:
        raise InvalidJob(
            f"The {name} is no picture that is read here: give a PNG, JPEG or OpenEXR file.",
            field=field,
            known=["png", "jpeg", "exr"],
        )
    if head.width < 1 or head.height < 1:
        raise _damaged(name, field)
    _check_size(head, name, field, sides)
    return head


def check_mask_size(mask: ImageHead, reference: ImageHead, *, field: str) -> None:
    """Refuse a mask that does not lie pixel on pixel over its reference.

    Raises:
        InvalidJob: The sizes differ.
    """
    if (mask.width, mask.height) != (reference.width, reference.height):
        raise InvalidJob(
            f"The mask has {mask.width}x{mask.height} pixels and the reference has "
            f"{reference.width}x{reference.height}; give a mask of the same size.",
            field=field,
            nearest=[reference.width, reference.height],
        )


def _check_size(head: ImageHead, name: str, field: str, sides: tuple[int, int] | None) -> None:
    if head.width * head.height > MAX_REFERENCE_PIXELS:
        width, height = LARGEST_REFERENCE
        raise InvalidJob(
            f"The {name} is too large ({head.width}x{head.height}): "
            f"{MAX_REFERENCE_PIXELS // 10**6} megapixels are the most, {width}x{height} for "
            "example.",
            field=field,
            largest=[width, height],
        )
    if sides == (2, 1) and head.width != 2 * head.height:
        raise InvalidJob(
            f"The {name} is {head.width}x{head.height}; a 360° picture is twice as wide as it is "
            f"high: {2 * head.height}x{head.height}, for example.",
            field=field,
            nearest=[2 * head.height, head.height],
        )
    if sides is not None and abs(head.width * sides[1] - head.height * sides[0]) > max(sides):
        raise InvalidJob(
            f"The {name} is {head.width}x{head.height} and the picture to be made "
            f"{sides[0]}x{sides[1]}; they must have the same sides.",
            field=field,
            nearest=list(sides),
        )


def _damaged(name: str, field: str) -> InvalidJob:
    return InvalidJob(
        f"The {name} is damaged or was cut short and cannot be read. Save it again.", field=field
    )


def _png(raw: bytes) -> ImageHead | None:
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    name, width, height = struct.unpack(">4sII", raw[12:24])
    if name != b"IHDR":
        raise ValueError("no IHDR")
    raw.rindex(_PNG_END)  # what follows the end is nobody's business
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
            raw.index(_JPEG_END, at)  # compressed pixels cannot hold these two bytes
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
