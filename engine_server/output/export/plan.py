"""What an export is asked for, checked before any work."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....shared.errors import ArtifactWriteFailed, InvalidJob
from ...room import readable_size
from .encodings import choose_codec
from .light import Where
from .presets import Codec, Preset, check_size, find_preset, fits, largest
from .source import Loop, open_loop
from .unroll import MAX_SECONDS, repeats_for

EXR_BYTES_PER_PIXEL = 6.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is wanted.

    Attributes:
        folder: Of a finished result.
        preset: Name of one of `PRESETS`.
        out: Folder for what is made.
        size: Width and height; None: the loop's own.
        fit: Make it the largest the preset takes, where it is larger.
        codec: None: the preset's first.
        yaw_deg: What is turned into the middle.
        seconds: Play the loop until it lasts so long; None: once.
        sun_in: Whether the sun goes into the picture or is left to a lamp; None: as suits.
        force: Replace what is there.
    """

    folder: Path
    preset: str
    out: Path
    size: tuple[int, int] | None = None
    fit: bool = False
    codec: Codec | None = None
    yaw_deg: float = 0.0
    seconds: float | None = None
    sun_in: Where | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked request."""

    request: ExportRequest
    loop: Loop
    preset: Preset
    codec: Codec | None
    width: int
    height: int
    repeats: int
    target: Path

    @property
    def sidecar(self) -> Path:
        return self.target.with_suffix(".json")


def plan_export(request: ExportRequest) -> Plan:
    """Check everything that can be checked before any work.

    Raises:
        InvalidJob: Not a result, too large, too long, or a word that means nothing.
        UserError: A codec that is not there.
        ArtifactWriteFailed: The target is there already, or the disk is too full.
    """
    preset = find_preset(request.preset)
    loop = open_loop(request.folder)
    width, height = _size(request, loop, preset)
    codec = None if preset.kind == "stills" else choose_codec(preset, request.codec)
    if not np.isfinite(request.yaw_deg):
        raise InvalidJob("The yaw is a number of degrees.", field="yaw")
    repeats = 1 if request.seconds is None else _repeats(request.seconds, loop, preset)
    plan = Plan(
        request=request,
        loop=loop,
        preset=preset,
        codec=codec,
        width=width,
        height=height,
        repeats=repeats,
        target=request.out.absolute() / _name(loop, preset, request, repeats),
    )
    for path in (plan.target, plan.sidecar):
        if os.path.lexists(path) and not request.force:
            raise ArtifactWriteFailed(
                f"{path} is there already. Nothing is overwritten without --force; or name another "
                "folder with --out.",
                path=str(path),
            )
    _check_room(plan)
    return plan


def _size(request: ExportRequest, loop: Loop, preset: Preset) -> tuple[int, int]:
    width, height = request.size or (loop.width, loop.height)
    if width != 2 * height or height % 2 or height < 32:
        raise InvalidJob(
            f"{width}x{height} is no size for a panorama: twice as wide as high, the height even "
            "and at least 32.",
            field="size",
        )
    if request.fit and not fits(preset, width=width, height=height, fps=loop.fps):
        return largest(preset, fps=loop.fps)
    check_size(preset, width=width, height=height, fps=loop.fps)
    return width, height


def _repeats(seconds: float, loop: Loop, preset: Preset) -> int:
    if preset.kind != "video":
        raise InvalidJob(f"--seconds is for films; {preset.name} makes a folder.", field="seconds")
    if not loop.loops:
        raise InvalidJob(
            f"{loop.folder} does not loop: played again it would jump. Leave --seconds out.",
            field="seconds",
        )
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidJob(
            f"{seconds:g} seconds: a film lasts more than 0 and at most {MAX_SECONDS:g}.",
            field="seconds",
        )
    return repeats_for(seconds, num_frames=loop.num_frames, fps=loop.fps)


def _name(loop: Loop, preset: Preset, request: ExportRequest, repeats: int) -> str:
    """A name that players recognise: they look for `_360`."""
    parts = [loop.name, preset.name]
    if preset.kind != "video":
        return "_".join(parts)
    if request.seconds is not None:
        parts.append(f"loop{round(float(repeats * loop.num_frames / loop.fps))}s")
    return "_".join([*parts, *(["hdr-pq"] if preset.hdr else []), "360"]) + ".mp4"


def _check_room(plan: Plan) -> None:
    """Of films too little is known; EXR frames are large and their size is known."""
    if plan.preset.kind != "stills":
        return
    needed = int(plan.width * plan.height * EXR_BYTES_PER_PIXEL * (plan.loop.num_frames + 2))
    folder = plan.target.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ArtifactWriteFailed(
            f"The disk of {plan.target.parent} is too full: up to {readable_size(needed)} are "
            f"needed and {readable_size(free)} are free. Name another folder with --out, or a "
            "smaller --size.",
            path=str(plan.target.parent),
            needed_bytes=needed,
            free_bytes=free,
        )
