"""Where frames come from: a result's folder, a film, or a folder of EXR or PNG frames."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
from av.error import FFmpegError
from PIL import Image

from ...shared.errors import InvalidJob
from ..colour import linear_to_srgb
from ..output.manifest import NAME, load_manifest

FILMS = {".mp4", ".mov", ".m4v", ".mkv", ".webm"}
STILLS = {".exr", ".png"}
USUAL_FPS = 24.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """A video to be measured.

    Attributes:
        path: What was named.
        frames: The film, or the files in order.
        fps: Frames a second.
        loop: Whether the last frame leads to the first.
        surface: "sphere", "ring" or "plane"; None where nobody says.
        prompt: What was asked for, where that is known.
        remarks: Sentences on what had to be assumed.
    """

    path: Path
    frames: tuple[Path, ...]
    fps: float
    loop: bool
    surface: str | None = None
    prompt: str = ""
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Frames [H, W, 3] uint8, RGB, one at a time."""
        if len(self.frames) == 1 and self.frames[0].suffix.lower() in FILMS:
            yield from film_frames(self.frames[0])
        else:
            yield from (still(path) for path in self.frames)


def open_source(path: Path, *, fps: float | None = None, loop: bool | None = None) -> Source:
    """What lies at `path`; `fps` and `loop` win over what the files say.

    Raises:
        InvalidJob: Nothing there that can be measured, or a rate that is none.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InvalidJob(f"Frames a second have to be a number above 0, not {fps:g}.", field="fps")
    if path.is_dir() and (path / NAME).is_file():
        return _result(path, fps, loop)
    if path.is_dir():
        return _folder(path, fps, loop)
    if path.suffix.lower() in FILMS and path.is_file():
        return _film(path, fps, loop)
    raise InvalidJob(
        f"{path} is no result, no film ({', '.join(sorted(FILMS))}) and no folder of frames "
        "(EXR or PNG).",
        field="path",
    )


def _result(path: Path, fps: float | None, loop: bool | None) -> Source:
    manifest = load_manifest(path)
    said, job = manifest.get("loop", {}), manifest.get("job", {})
    frames = _stills_in(path / "frames")
    if not frames and (path / "loop.mp4").is_file():
        frames = (path / "loop.mp4",)
    if not frames:
        raise InvalidJob(f"{path} has neither frames nor a film.", field="path")
    return Source(
        path=path,
        frames=frames,
        fps=fps or float(said.get("fps") or USUAL_FPS),
        loop=bool(said.get("loops", True)) if loop is None else loop,
        surface=_surface(manifest.get("projection", {})),
        prompt=str(job.get("prompt", "")),
    )


def _surface(projection: dict[str, Any]) -> str:
    """What the frames lie on, as a manifest says it."""
    if projection.get("name") != "plane":
        return "sphere"
    return "ring" if projection.get("ring") else "plane"


def _folder(path: Path, fps: float | None, loop: bool | None) -> Source:
    frames = _stills_in(path)
    if not frames:
        raise InvalidJob(f"{path} holds no frames (EXR or PNG) and no result.", field="path")
    remarks = []
    rate = fps or _header_fps(frames[0])
    if rate is None:
        rate = USUAL_FPS
        remarks.append(f"The frames do not say how fast they follow; {rate:g} a second is assumed.")
    if loop is None:
        remarks.append("It is taken for a loop; a clip with two ends needs --no-loop.")
    return Source(
        path=path,
        frames=frames,
        fps=rate,
        loop=loop is not False,
        remarks=tuple(remarks),
    )


def _film(path: Path, fps: float | None, loop: bool | None) -> Source:
    try:
        with av.open(str(path)) as container:
            streams = container.streams.video
            rate = streams[0].average_rate if streams else None
    except (FFmpegError, OSError) as why:
        raise InvalidJob(f"{path} cannot be read as a film: {why}.", field="path") from why
    if not streams:
        raise InvalidJob(f"{path} has no pictures in it.", field="path")
    remarks = ["It is taken for a loop; a clip with two ends needs --no-loop."]
    return Source(
        path=path,
        frames=(path,),
        fps=fps or float(rate or USUAL_FPS),
        loop=loop is not False,
        remarks=tuple(remarks) if loop is None else (),
    )


def film_frames(path: Path) -> Iterator[np.ndarray]:
    """Frames of a film as uint8 RGB.

    Raises:
        InvalidJob: It is damaged.
    """
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except FFmpegError as why:
        raise InvalidJob(f"{path} is damaged: {why}.", field="path") from why


def still(path: Path) -> np.ndarray:
    """One EXR (linear) or PNG (sRGB) as uint8 RGB, sRGB-encoded.

    Raises:
        InvalidJob: It cannot be read, or has no RGB.
    """
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        return _exr(path)
    except (OSError, RuntimeError, ValueError) as why:
        raise InvalidJob(f"{path} cannot be read: {why}.", field="path") from why


def _exr(path: Path) -> np.ndarray:
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        for name in ("RGB", "RGBA"):
            if name in channels:
                linear = np.asarray(channels[name].pixels)[..., :3]
                break
        else:
            raise InvalidJob(f"{path} has no channels R, G and B.", field="path")
    linear = np.nan_to_num(linear.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(linear_to_srgb(linear), 0.0, 1.0) * 255.0).astype(np.uint8)


def _header_fps(path: Path) -> float | None:
    if path.suffix.lower() != ".exr":
        return None
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            rate = file.header().get("framesPerSecond")
    except (OSError, RuntimeError) as why:
        raise InvalidJob(f"{path} cannot be read: {why}.", field="path") from why
    return float(rate) if rate else None


def _stills_in(folder: Path) -> tuple[Path, ...]:
    """The frames of a folder in the order of the numbers in their names; of one kind only."""
    if not folder.is_dir():
        return ()
    for kind in sorted(STILLS):
        found = [path for path in folder.iterdir() if path.suffix.lower() == kind]
        numbered = [path for path in found if re.search(r"\d", path.stem)] or found
        if numbered:
            return tuple(sorted(numbered, key=_counting))
    return ()


def _counting(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", path.stem)
    return [(1, int(part)) if part.isdigit() else (0, part) for part in parts]
