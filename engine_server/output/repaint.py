"""A result repainted in a part: the new frames inside, the old ones bit by bit outside.

The two are joined in linear light, where light adds up as it does in the world, over the feather of
the part. What is outside of the part is copied from the old files, half float by half float.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...shared.errors import InvalidJob
from ...shared.jobs import Part
from ..colour import linear_to_srgb
from ..panorama.erp import erp_to_view
from ..panorama.round_part import round_part
from . import manifest
from .exr import read_exr
from .pictures import eight_bit

SHEET_NAME = "before-after.png"
ROWS = 4
FACE_PX = 256
AROUND_DEG = 30.0
"""How much around the part its pictures show."""
GAIN = 4.0
"""How much brighter than it is the difference is shown."""
_GAP, _HEADING = 2, 16
_INK, _PAPER = (225, 225, 225), (24, 24, 24)


class OldFrames:
    """The frames of a finished result, and the part of them that becomes new.

    Args:
        folder: Of the result.
        part: What is made anew.
        width, height: Of its frames.

    Raises:
        InvalidJob: It is no result, or not of this size.
    """

    def __init__(self, folder: Path, part: Part, *, width: int, height: int) -> None:
        told = manifest.load_manifest(folder)
        self._folder = folder
        self._shape = (height, width, 3)
        self._frames = frame_entries(told)
        share = round_part(
            height,
            width,
            yaw_deg=part.yaw_deg,
            pitch_deg=part.pitch_deg,
            radius_deg=part.radius_deg,
            feather_deg=part.feather_deg,
        )
        self._share = share[..., None]

    def __len__(self) -> int:
        return len(self._frames)

    def light(self, index: int) -> np.ndarray:
        """Old frame `index`, linear light [H, W, 3] float16, as it is stored.

        Raises:
            InvalidJob: Its file is missing, or not the one the manifest lists.
        """
        entry = self._frames[index]
        path = self._folder / entry["path"]
        try:
            raw = path.read_bytes()
            if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
                raise ValueError("it is not the file the manifest lists")
            light = read_exr(raw)
            if light.shape != self._shape:
                raise ValueError(f"its shape is {light.shape}, not {self._shape}")
        except (OSError, ValueError) as why:
            raise InvalidJob(
                f"The frame {path} cannot be kept: {why}. Make the result again before it is "
                "repainted.",
                field="base",
            ) from why
        return light

    def join(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The new frame inside the part and the old one outside; all linear light, float16."""
        mixed = old + self._share * (new.astype(np.float32) - old)
        return np.where(self._share > 0, mixed.astype(np.float16), old)


def find_result(library: Path, manifest_sha256: str) -> Path:
    """The folder of the library whose manifest has this hash.

    Raises:
        InvalidJob: There is none.
    """
    for path in sorted(library.glob(f"*/{manifest.NAME}")):
        if manifest.file_sha256(path) == manifest_sha256:
            return path.parent
    raise InvalidJob(
        f"The result to be repainted is not in the library {library}, or its manifest was "
        "changed. Move it there, or name its library.",
        field="base",
    )


def frame_entries(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of the frames in a manifest, in order."""
    entries = [entry for entry in told.get("files", []) if entry.get("kind") == "frame"]
    return sorted(entries, key=lambda entry: str(entry["path"]))


class BeforeAfterSheet:
    """Moments of the loop (rows): the part before, after, and how they differ.

    Args:
        part: What is made anew; the pictures look at it.
        num_frames: Of the loop.
    """

    def __init__(self, part: Part, *, num_frames: int) -> None:
        rows = min(ROWS, num_frames)
        self._rows = {k * num_frames // rows: k for k in range(rows)}
        self._part = part
        self._num_frames = num_frames
        self._fov_deg = min(2 * (part.radius_deg + part.feather_deg) + AROUND_DEG, 130.0)
        pitch = FACE_PX + _GAP
        self._sheet = Image.new("RGB", (3 * pitch, rows * (pitch + _HEADING)), _PAPER)
        self._draw = ImageDraw.Draw(self._sheet)
        self._font = ImageFont.load_default(11)

    def add(self, index: int, before: np.ndarray, after: np.ndarray) -> None:
        """Take frame `index`, if it is one of the rows; both [H, W, 3] float16, linear light."""
        if index not in self._rows:
            return
        old, new = (self._view(linear_to_srgb(light)) for light in (before, after))
        top = self._rows[index] * (FACE_PX + _GAP + _HEADING)
        names = (f"{index + 1} / {self._num_frames}: before", "after", f"difference x {GAIN:g}")
        for column, (name, picture) in enumerate(
            zip(names, (old, new, np.abs(new - old) * GAIN), strict=True)
        ):
            left = column * (FACE_PX + _GAP)
            self._draw.text((left + 2, top + 2), name, _INK, self._font)
            self._sheet.paste(Image.fromarray(eight_bit(picture)), (left, top + _HEADING))

    def save(self, path: Path) -> None:
        """Write the sheet as a PNG file."""
        with path.open("wb") as file:
            self._sheet.save(file, "PNG")

    def _view(self, frame: np.ndarray) -> np.ndarray:
        erp = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frame, -1, 0)))
        view = erp_to_view(
            erp,
            yaw_deg=self._part.yaw_deg,
            pitch_deg=self._part.pitch_deg,
            fov_deg=self._fov_deg,
            size=(FACE_PX, FACE_PX),
            supersample=2,
        )
        return np.moveaxis(view.numpy(), 0, -1)
