"""An export that was checked (`plan`), made: written beside, renamed when whole.

A film is encoded once, played as often as asked by copying its packets, and given its metadata
last, because any remux after that would lose some of it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ....shared.errors import ArtifactWriteFailed
from ...colour import linear_to_srgb
from ...viewer.page import write_page
from .. import manifest
from ..codec import coded_level
from ..exr import HALF_MAX, write_exr
from ..hdr import LABEL, PQ_PEAK, Curve, pq_for_blender, write_radiance
from ..hdr10 import LightLevel, hdr10_words, write_light_boxes
from ..spherical import Spherical, write_spherical
from ..video import VideoWriter
from .encodings import encoding_of
from .light import Relit, Where, relight
from .plan import Plan
from .unroll import unroll

FORMAT = "panoloom.export"
FORMAT_VERSION = 1

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was made.

    Attributes:
        path: The film, or the folder.
        sidecar: The JSON that describes it.
        told: Its content.
        notes: Sentences for the user.
    """

    path: Path
    sidecar: Path
    told: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(slots=True)
class Written:
    """What a kind of export leaves, besides its files."""

    hdr: dict[str, Any] = field(default_factory=dict)
    video: dict[str, Any] = field(default_factory=dict)


def export(plan: Plan, on_progress: OnProgress) -> Exported:
    """Make it. Interrupting, by an exception out of `on_progress` too, leaves nothing behind.

    Args:
        on_progress: Called with (what is done, done, in all).

    Raises:
        ArtifactWriteFailed: It could not be written.
        InvalidJob: A frame of the loop cannot be read.
    """
    out = plan.target.parent
    partial = out / f".{plan.target.name}.partial-{os.getpid()}"
    try:
        with _disk_errors(out):
            partial.mkdir(parents=True)
            made = partial / plan.target.name
            written = _KINDS[plan.preset.kind](plan, made, on_progress)
            notes = tuple(_notes(plan, written))
            told = _told(plan, made, written, notes)
            side = partial / plan.sidecar.name
            side.write_bytes(manifest.canonical_json(told))
            _settle(made, plan.target, partial)
            side.replace(plan.sidecar)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(path=plan.target, sidecar=plan.sidecar, told=told, notes=notes)


def _film(plan: Plan, made: Path, on_progress: OnProgress) -> Written:
    """One MP4."""
    assert plan.codec is not None
    loop, relit = plan.loop, None
    shape = {"width": plan.width, "height": plan.height, "yaw_deg": plan.request.yaw_deg}
    frames = loop.frames(**shape)
    if plan.preset.hdr:
        relit = _relit(plan, "lamp", PQ_PEAK, on_progress)
        frames = (pq_for_blender(light) for light in relit.frames(frames))
    else:
        frames = (np.clip(linear_to_srgb(light), 0.0, 1.0) for light in frames)
    once = made.with_name("once.mp4")
    _encode(plan, once, frames, relit.level if relit else None, on_progress)
    labels = {"title": loop.title} | ({"comment": LABEL} if relit else {})
    repeated = lambda done, total: on_progress("repeating", done, total)  # noqa: E731
    unroll(once, made, repeats=plan.repeats, labels=labels, on_repeat=repeated)
    once.unlink()
    if relit is not None:
        write_light_boxes(made, relit.level)
    write_spherical(made, Spherical())
    return Written(hdr=relit.told() if relit else {}, video=_video_told(plan, made))


def _encode(
    plan: Plan,
    path: Path,
    frames: Iterator[np.ndarray],
    level: LightLevel | None,
    on_progress: OnProgress,
) -> None:
    assert plan.codec is not None
    encoding = encoding_of(
        plan.preset,
        plan.codec,
        width=plan.width,
        height=plan.height,
        fps=plan.loop.fps,
        num_frames=plan.loop.num_frames,
        light=hdr10_words(level) if level else None,
    )

    def coded(num_frames: int) -> None:
        on_progress("encoding", num_frames, plan.loop.num_frames)

    coded(0)
    size = {"width": plan.width, "height": plan.height, "fps": plan.loop.fps}
    with VideoWriter(path, **size, encoding=encoding, on_coded=coded) as video:
        for frame in frames:
            video.add(frame)


def _stills(plan: Plan, made: Path, on_progress: OnProgress) -> Written:
    """A folder with the EXR loop, and the first frame as EXR and Radiance."""
    loop = plan.loop
    relit = _relit(plan, "picture", HALF_MAX, on_progress)
    (made / "frames").mkdir(parents=True)
    shape = {"width": plan.width, "height": plan.height, "yaw_deg": plan.request.yaw_deg}
    for index, light in enumerate(relit.frames(loop.frames(**shape))):
        half = np.minimum(light, HALF_MAX).astype(np.float16)
        name = f"{loop.name}_{index + 1:04d}.exr"
        write_exr(made / "frames" / name, half, fps=loop.fps, comment=LABEL)
        if index == 0:
            write_exr(made / f"{loop.name}.exr", half, fps=loop.fps, comment=LABEL)
            write_radiance(made / f"{loop.name}.hdr", light)
        on_progress("writing", index + 1, loop.num_frames)
    return Written(hdr=relit.told())


def _web(plan: Plan, made: Path, on_progress: OnProgress) -> Written:
    """A folder with the page, the film and its fragments."""
    made.mkdir()
    written = _film(plan, made / "loop.mp4", on_progress)
    write_page(made, made / "loop.mp4", title=plan.loop.title)
    return written


_KINDS: dict[str, Callable[[Plan, Path, OnProgress], Written]] = {
    "video": _film,
    "stills": _stills,
    "web": _web,
}


def _relit(plan: Plan, usual: Where, ceiling: float, on_progress: OnProgress) -> Relit:
    return relight(
        plan.loop,
        yaw_deg=plan.request.yaw_deg,
        ceiling=ceiling,
        sun_in=plan.request.sun_in or usual,
        curve=Curve(),
        on_frame=lambda done, total: on_progress("finding lights", done, total),
    )


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        reason = why.strerror or str(why)
        full = why.errno in (errno.ENOSPC, errno.EFBIG)
        way = "Free some room, or n" if full else "N"
        raise ArtifactWriteFailed(
            f"The export could not be written to {out}: {reason}. {way}ame another folder with "
            "--out. Nothing was left there.",
            path=str(out),
            reason=reason,
        ) from why


def _settle(made: Path, target: Path, partial: Path) -> None:
    """Give what was made its name; what was there is gone only then."""
    if os.path.lexists(target):
        target.replace(partial / "replaced")
    made.replace(target)


def _video_told(plan: Plan, film: Path) -> dict[str, Any]:
    return {
        "codec": plan.codec,
        "level": coded_level(film),
        "repeats": plan.repeats,
        "num_frames": plan.repeats * plan.loop.num_frames,
        "seconds": float(plan.repeats * plan.loop.num_frames / plan.loop.fps),
        "colour": "PQ, Rec.2020" if plan.preset.hdr else "BT.709, sRGB-encoded",
    }


def _notes(plan: Plan, written: Written) -> Iterator[str]:
    yield from plan.loop.warnings
    if written.hdr:
        yield f"{LABEL}."
        sun = written.hdr["sun"]
        if sun and sun["lamp_strength"] > 0.01 * sun["illuminance"]:
            yield (
                f"The sun is not wholly in the picture: a Sun lamp of strength "
                f"{sun['lamp_strength']:.2f} belongs at yaw {sun['yaw_deg']:.0f}, "
                f"pitch {sun['pitch_deg']:.0f}."
            )
    if plan.preset.kind == "video" and plan.loop.loops and plan.repeats == 1:
        yield "Players that pause where a film begins again: --seconds 60 plays the loop on."


def _told(plan: Plan, made: Path, written: Written, notes: tuple[str, ...]) -> dict[str, Any]:
    files = [made] if made.is_file() else sorted(p for p in made.rglob("*") if p.is_file())
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "preset": plan.preset.name,
        "title": plan.loop.title,
        "made_from": {"manifest_sha256": plan.loop.manifest_sha256},
        "width": plan.width,
        "height": plan.height,
        "fps_exact": f"{plan.loop.fps.numerator}/{plan.loop.fps.denominator}",
        "num_frames": plan.loop.num_frames,
        "loops": plan.loop.loops,
        "layout": "mono",
        "yaw_deg": plan.request.yaw_deg,
        "video": written.video,
        "hdr": written.hdr,
        "notes": list(notes),
        "files": [
            {
                "path": path.relative_to(made.parent).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": manifest.file_sha256(path),
            }
            for path in files
        ],
    }
