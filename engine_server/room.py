"""Whether a job's files fit on the disk, and what to say when they do not.

Standard library only: the broker asks it too.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from ..shared.errors import ArtifactWriteFailed, InvalidJob
from ..shared.jobs import JobSpec

EXR_BYTES_PER_PIXEL = 6.0
"""Three half floats; ZIP only makes it less."""
VIDEO_BYTES_PER_PIXEL = 0.5
PREVIEW_WIDTH = 2048
"""A wider loop has a second movie of this width, for looking at it."""
PICTURES_BYTES_PER_PIXEL = 4.0
LATENTS_BYTES_PER_PIXEL = 1.25
"""Of a latent frame: eight float32 for 8x8 pixels, of a grid half as fine again each way."""
LATENT_FRAMES_PER_S = 8
FIXED_BYTES = 4 * 2**20
MARGIN = 1.05

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def estimate_bytes(spec: JobSpec) -> int:
    """An upper bound of what the finished folder of `spec` takes on the disk."""
    pixels = spec.width * spec.height
    per_frame = EXR_BYTES_PER_PIXEL + VIDEO_BYTES_PER_PIXEL
    if spec.width > PREVIEW_WIDTH:
        per_frame += VIDEO_BYTES_PER_PIXEL * (PREVIEW_WIDTH / spec.width) ** 2
    latent_frames = max(spec.num_frames, LATENT_FRAMES_PER_S * spec.num_frames / spec.fps)
    per_pixel = (
        per_frame * spec.num_frames
        + LATENTS_BYTES_PER_PIXEL * latent_frames
        + PICTURES_BYTES_PER_PIXEL
    )
    return int(pixels * per_pixel + FIXED_BYTES)


def check_room(library: Path, spec: JobSpec) -> None:
    """Refuse a job whose files could not be written, before any work.

    Makes the library's folder when it is missing.

    Raises:
        ArtifactWriteFailed: The library cannot be written to, or its disk has too little room;
            `details` has `path` and, for a full disk, `needed_bytes`, `free_bytes` and
            `missing_bytes`.
        InvalidJob: The size has an odd side, which video cannot have.
    """
    if spec.width % 2 or spec.height % 2:
        nearest = [spec.width + 2 * (spec.height % 2), spec.height + spec.height % 2]
        raise InvalidJob(
            f"The size {spec.width}x{spec.height} has an odd side, which a video cannot have; "
            f"the nearest is {nearest[0]}x{nearest[1]}.",
            field="size",
            nearest=nearest,
        )
    try:
        library.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=library):
            pass
        free = shutil.disk_usage(library).free
    except OSError as why:
        raise write_failed(why, library) from why
    needed = int(estimate_bytes(spec) * MARGIN)
    if free < needed:
        raise _disk_full(library, needed, free)


def write_failed(
    why: OSError,
    path: Path,
    *,
    what: str = "The result",
    expected_bytes: int = 0,
    written_bytes: int = 0,
) -> ArtifactWriteFailed:
    """The sentence for what the operating system would not do at `path`.

    Args:
        what: That was to be written, as the sentence begins.
        expected_bytes, written_bytes: Of the whole folder, and so far.
    """
    if is_full(why):
        free = _free_bytes(path)
        short = max(expected_bytes - written_bytes, free + 2**20)
        return _disk_full(path, short, free)
    if why.errno in _FORBIDDEN:
        return ArtifactWriteFailed(
            f"Panoloom may not write to {path}. Choose another library folder, or allow writing "
            "to this one.",
            path=str(path),
            reason=why.strerror or str(why),
        )
    reason = why.strerror or str(why)
    return ArtifactWriteFailed(
        f"{what} could not be written to {path}: {reason}. Check the disk, or choose another "
        "library folder.",
        path=str(path),
        reason=reason,
    )


def is_full(why: OSError) -> bool:
    """Whether the operating system said that the disk is full."""
    return why.errno in _FULL


def readable_size(num_bytes: int) -> str:
    """`num_bytes` for people: 512 kB, 1.5 GB; powers of ten, as disks are sold."""
    size, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"


def _disk_full(path: Path, needed: int, free: int) -> ArtifactWriteFailed:
    missing = max(needed - free, 1)
    return ArtifactWriteFailed(
        f"The disk of {path} is too full: {readable_size(needed)} are needed and "
        f"{readable_size(free)} are free. Free {readable_size(missing)}, choose another library "
        "folder, or ask for a smaller or shorter loop.",
        path=str(path),
        needed_bytes=needed,
        free_bytes=free,
        missing_bytes=missing,
    )


def _free_bytes(path: Path) -> int:
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return 0
