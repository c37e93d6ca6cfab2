"""manifest.json: what a result is, how it was made and whether it is whole.

It suffices to make the same job again. It holds no date, duration, path or job id: the same job
made twice on the same machine has the same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec

NAME = "manifest.json"
PREVIEW_NAME = "preview.mp4"
FORMAT = "panoloom.artifact"
FORMAT_VERSION = 1
MAX_BYTES = 16 * 2**20

_COLOUR = {
    "frames": "OpenEXR, half float, linear Rec.709 (inverse sRGB curve), ZIP",
    "video": "H.264, sRGB-encoded, tagged BT.709 primaries, transfer and matrix, limited range",
    "pictures": "sRGB",
}
_PROJECTION = {
    "name": "equirectangular",
    "heading": "the centre column is the heading of the scene's camera (yaw 0); yaw grows to the "
    "right",
    "rows": "row 0 is the zenith; pixel centres lie at i + 0.5",
}
_FLAT = {
    "ring": {"name": "plane", "ring": True, "columns": "the right side meets the left"},
    "plane": {"name": "plane", "ring": False},
}
_KINDS = {".exr": "frame", ".mp4": "video", ".safetensors": "latents"}


def manifest_bytes(
    folder: Path,
    spec: JobSpec,
    *,
    fps: Fraction,
    num_model_frames: int,
    made_with: dict[str, Any],
    notes: tuple[str, ...],
    measured: dict[str, float] | None = None,
    quality: dict[str, Any] | None = None,
    sun: dict[str, Any] | None = None,
    memory: dict[str, Any] | None = None,
) -> bytes:
    """The manifest of the files that lie in `folder`, as canonical JSON.

    Args:
        sun: The Sun lamp that the frames suggest, as `lights.SunFinder` tells it.
        memory: The level of the memory ladder that a large model worked at. No part of a result's
            identity: what changes pixels is told in `made_with` too.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return canonical_json(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "job": spec.to_plain(),
            "job_sha256": spec.sha256(),
            "made_with": made_with,
            "loop": {
                "width": spec.width,
                "height": spec.height,
                "num_frames": spec.num_frames,
                "num_model_frames": num_model_frames,
                "interpolated": num_model_frames != spec.num_frames,
                "fps": spec.fps,
                "fps_exact": f"{fps.numerator}/{fps.denominator}",
                "loops": spec.loop,
            },
            "projection": _FLAT.get(spec.surface, _PROJECTION),
            "colour": _COLOUR,
            "sun": sun,
            "memory": memory or {},
            "notes": list(notes),
            "measured": measured or {},
            "quality": quality or {},
            "files": [_entry(folder, path) for path in paths],
        }
    )


def load_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a result.

    Raises:
        InvalidJob: `folder` holds no result, or one of a newer or foreign format.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        manifest = json.loads(raw) if len(raw) <= MAX_BYTES else None
    except OSError as why:
        raise InvalidJob(
            f"{folder} holds no result: {NAME} cannot be read.", field="folder"
        ) from why
    except (ValueError, RecursionError) as why:
        raise InvalidJob(f"{path} is damaged: it is not JSON.", field="folder") from why
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidJob(f"{path} is not a manifest of Panoloom.", field="folder")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise InvalidJob(
            f"{path} has format version {version}; this Panoloom reads {FORMAT_VERSION}. "
            "Update Panoloom.",
            field="folder",
        )
    return manifest


def verify_artifact(folder: Path) -> list[str]:
    """What is wrong with the files of a result, as sentences; empty when it is whole.

    Raises:
        InvalidJob: There is no readable manifest.
    """
    problems = []
    entries = load_manifest(folder).get("files")
    if not isinstance(entries, list) or not entries:
        return [f"{NAME} lists no files."]
    for entry in entries:
        problem = _problem(folder, entry)
        if problem:
            problems.append(problem)
    return problems


def canonical_json(value: Any) -> bytes:
    """Sorted keys, two spaces, ASCII, no NaN: one text for one value."""
    text = json.dumps(value, sort_keys=True, indent=2, allow_nan=False)
    return text.encode("ascii") + b"\n"


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    return {
        "path": path.relative_to(folder).as_posix(),
        "kind": path.stem if path.name == PREVIEW_NAME else _KINDS.get(path.suffix, path.stem),
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }


def _problem(folder: Path, entry: Any) -> str | None:
    name = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        return f"{NAME} has an entry without a path."
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        return f"{NAME} names a file outside of the folder: {name}."
    try:
        path = folder / relative
        size = path.stat().st_size
        if size != entry.get("bytes"):
            return f"{name} has {size} bytes; {entry.get('bytes')} were written."
        if file_sha256(path) != entry.get("sha256"):
            return f"{name} has been changed: its hash differs."
    except FileNotFoundError:
        return f"{name} is missing."
    except OSError as why:
        return f"{name} cannot be read: {why.strerror or why}."
    return None
