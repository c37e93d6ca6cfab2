"""A finished result as an export reads it: checked first, then frame by frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....shared.errors import InvalidJob
from ....shared.jobs import JobSpec
from ...panorama.erp import resize_erp
from .. import manifest
from ..artifact import FRAME_NAME, slug
from ..exr import read_exr

FAULTY = "faulty"
PLAYERS_TOKENS = frozenset(
    (
        *("tb", "bt", "ou", "uo", "hou", "htb", "lr", "rl", "sbs", "hsbs", "fsbs", "3d", "3dh"),
        *("3dv", "180", "360", "180x180", "180x360", "eac", "f180", "fisheye", "mono", "stereo"),
    )
)
"""Words by which players tell how a file is packed: a name of ours has only the right one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A result that can be exported.

    Attributes:
        folder: Where it lies.
        name: For files: a-z, 0-9 and '-', without words that players would take for a layout.
        width, height, num_frames, fps: Of its frames.
        loops: Whether the last frame leads to the first.
        manifest_sha256: Hash of its manifest.
        title: What was asked for.
        warnings: Sentences on what its own report found.
    """

    folder: Path
    name: str
    title: str
    width: int
    height: int
    num_frames: int
    fps: Fraction
    loops: bool
    manifest_sha256: str
    warnings: tuple[str, ...] = ()

    def light(self, index: int) -> np.ndarray:
        """Frame `index` as stored: linear Rec.709 [H, W, 3] float32.

        Raises:
            InvalidJob: It is missing, damaged or of another size.
        """
        path = self.frame_path(index)
        try:
            light = read_exr(path.read_bytes())
        except (OSError, ValueError) as why:
            raise InvalidJob(f"{path} cannot be read: {why}.", field="folder") from why
        if light.shape != (self.height, self.width, 3):
            raise InvalidJob(
                f"{path} is {light.shape[1]}x{light.shape[0]}, the manifest says "
                f"{self.width}x{self.height}.",
                field="folder",
            )
        return light.astype(np.float32)

    def frame_path(self, index: int) -> Path:
        return self.folder / "frames" / FRAME_NAME.format(index + 1)

    def frames(self, *, width: int, height: int, yaw_deg: float) -> Iterator[np.ndarray]:
        """All frames, linear, of another size, turned so that `yaw_deg` is in the middle.

        Turned by whole columns, which loses nothing.
        """
        for index in range(self.num_frames):
            yield turned(resized(self.light(index), width, height), yaw_deg)


def open_loop(folder: Path) -> Loop:
    """The result in `folder`.

    Raises:
        InvalidJob: It is no result of Panoloom, lies on no sphere, or lacks frames.
    """
    told = manifest.load_manifest(folder)
    spec = JobSpec.from_plain(told.get("job"))
    if spec.surface != "sphere":
        raise InvalidJob(
            f"{folder} is a flat picture; exports are for panoramas around the viewer. "
            "Its loop.mp4 and frames can be used as they are.",
            field="folder",
        )
    said = told.get("loop", {})
    loop = Loop(
        folder=folder,
        name=file_name(spec.title),
        title=spec.title,
        width=spec.width,
        height=spec.height,
        num_frames=spec.num_frames,
        fps=Fraction(said.get("fps_exact") or spec.fps),
        loops=spec.loop,
        manifest_sha256=manifest.file_sha256(folder / manifest.NAME),
        warnings=tuple(_warnings(folder, told)),
    )
    missing = [i for i in range(loop.num_frames) if not loop.frame_path(i).is_file()]
    if missing:
        raise InvalidJob(
            f"{loop.frame_path(missing[0])} is missing, and {len(missing) - 1} more; an export is "
            "made from the EXR frames. Make the loop again with the job in its manifest.",
            field="folder",
        )
    return loop


def resized(light: np.ndarray, width: int, height: int) -> np.ndarray:
    """An ERP [H, W, 3] of another size, bicubic over seam and poles, not below 0."""
    if light.shape[:2] == (height, width):
        return light
    picture = torch.from_numpy(np.ascontiguousarray(light.transpose(2, 0, 1)))
    found = resize_erp(picture, size=(height, width)).numpy()
    return np.ascontiguousarray(np.maximum(found, 0.0).transpose(1, 2, 0))


def turned(light: np.ndarray, yaw_deg: float) -> np.ndarray:
    """An ERP whose middle is what lay at `yaw_deg`, to the nearest column."""
    columns = round(yaw_deg / 360.0 * light.shape[1])
    return np.roll(light, -columns, axis=1) if columns else light


def file_name(title: str) -> str:
    """`title` as a file name in which no player finds a layout."""
    words = [word for word in slug(title).split("-") if word not in PLAYERS_TOKENS]
    return "-".join(words) or "loop"


def _warnings(folder: Path, told: dict[str, Any]) -> Iterator[str]:
    """What the result's report says of its join, where a viewer would notice."""
    name = (told.get("quality") or {}).get("report")
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        return
    try:
        findings = json.loads((folder / name).read_bytes())["verdict"]["findings"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a report that was taken away warns of nothing
    for finding in findings:
        if finding.get("about") == "loop_join" and finding.get("level") == FAULTY:
            text = str(finding.get("text", ""))
            yield f"The report calls the loop's join broken: {text} It is exported all the same."
