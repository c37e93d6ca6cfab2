"""Pictures for people: the poster, the contact sheet and the previews of a running job."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...shared.jobs import JobSpec
from ..panorama.erp import erp_to_view

JPEG_QUALITY = 85
SHEET_ROWS = 6
SUPERSAMPLE = 2
FACES = (
    ("front", 0.0, 0.0),
    ("right", 90.0, 0.0),
    ("back", 180.0, 0.0),
    ("left", -90.0, 0.0),
    ("up", 0.0, 90.0),
    ("down", 0.0, -90.0),
)
"""Name, yaw and pitch in degrees of the six faces of the cube around the viewer."""

FLAT_SHEET_PX = (1200, 400)
"""Width and height within which a flat picture is shown on its sheet."""
_GAP = 2
_HEADING = 16
_MARGIN = 58
_INK = (225, 225, 225)
_PAPER = (24, 24, 24)


def eight_bit(frame: np.ndarray) -> np.ndarray:
    """`frame` (0..1, any shape) as uint8, rounded to the nearest."""
    return np.rint(np.clip(frame, 0.0, 1.0) * 255.0).astype(np.uint8)


def write_poster(path: Path, frame: np.ndarray) -> None:
    """One ERP [H, W, 3] float32, 0..1, as a PNG."""
    _write_png(path, Image.fromarray(eight_bit(frame)))


def preview_jpeg(frame: np.ndarray, max_width: int = 512) -> tuple[bytes, int, int]:
    """A small picture of an ERP for the panel.

    Args:
        frame: [H, W, 3] float, display-referred sRGB; clipped to 0..1.
        max_width: Wider frames are averaged down to it.

    Returns:
        JPEG bytes, width, height.
    """
    height, width = frame.shape[:2]
    if width > max_width:
        height, width = max(round(height * max_width / width), 1), max_width
        frame = shrunk(frame, height, width)
    stream = io.BytesIO()
    Image.fromarray(eight_bit(frame)).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue(), width, height


def shrunk(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """`frame` [H, W, 3], averaged down to float32 [height, width, 3]."""
    whole = np.ascontiguousarray(frame, np.float32)
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


class ContactSheet:
    """Six moments of the loop (rows) by the six faces of the cube (columns), on one picture.

    Args:
        num_frames: Of the loop; the first and the last are among the rows.
        width: Of the panorama in pixels; sets how large a face is shown.
    """

    def __init__(self, *, num_frames: int, width: int) -> None:
        rows = min(SHEET_ROWS, num_frames)
        self.indices = [round(k * (num_frames - 1) / max(rows - 1, 1)) for k in range(rows)]
        self._num_frames = num_frames
        self._face_px = min(max(width // 4, 96), 192)
        pitch = self._face_px + _GAP
        size = (_MARGIN + pitch * len(FACES), _HEADING + pitch * rows)
        self._sheet = Image.new("RGB", size, _PAPER)
        self._draw = ImageDraw.Draw(self._sheet)
        self._font = ImageFont.load_default(11)
        for column, (name, _, _) in enumerate(FACES):
            self._draw.text((_MARGIN + column * pitch + 2, 2), name, _INK, self._font)

    def add(self, index: int, frame: np.ndarray) -> None:
        """Take frame `index` [H, W, 3] float32, 0..1, if it is one of the rows."""
        if index not in self.indices:
            return
        pitch = self._face_px + _GAP
        top = _HEADING + self.indices.index(index) * pitch
        label = f"{index + 1} / {self._num_frames}"
        self._draw.text((2, top + self._face_px // 2 - 6), label, _INK, self._font)
        for column, face in enumerate(cube_faces(frame, self._face_px)):
            self._sheet.paste(Image.fromarray(eight_bit(face)), (_MARGIN + column * pitch, top))

    def save(self, path: Path) -> None:
        """Write the sheet as a PNG file."""
        _write_png(path, self._sheet)


class FlatSheet(ContactSheet):
    """Six moments of a flat loop, one below the other.

    Args:
        num_frames: Of the loop; the first and the last are among the rows.
        width, height: Of the picture in pixels.
    """

    def __init__(self, *, num_frames: int, width: int, height: int) -> None:
        super().__init__(num_frames=num_frames, width=width)
        shrink = min(1.0, FLAT_SHEET_PX[0] / width, FLAT_SHEET_PX[1] / height)
        self._size = max(round(width * shrink), 1), max(round(height * shrink), 1)
        size = (_MARGIN + self._size[0] + _GAP, (self._size[1] + _GAP) * len(self.indices))
        self._sheet = Image.new("RGB", size, _PAPER)
        self._draw = ImageDraw.Draw(self._sheet)

    def add(self, index: int, frame: np.ndarray) -> None:
        """Take frame `index` [H, W, 3] float32, 0..1, if it is one of the rows."""
        if index not in self.indices:
            return
        top = self.indices.index(index) * (self._size[1] + _GAP)
        label = f"{index + 1} / {self._num_frames}"
        self._draw.text((2, top + self._size[1] // 2 - 6), label, _INK, self._font)
        picture = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        self._sheet.paste(Image.fromarray(eight_bit(picture)), (_MARGIN, top))


def contact_sheet(spec: JobSpec) -> ContactSheet:
    """The sheet that shows a job's loop best."""
    if spec.surface == "sphere":
        return ContactSheet(num_frames=spec.num_frames, width=spec.width)
    return FlatSheet(num_frames=spec.num_frames, width=spec.width, height=spec.height)


def cube_faces(frame: np.ndarray, face_px: int) -> list[np.ndarray]:
    """The six views of `FACES`, each [face_px, face_px, 3], of an ERP [H, W, 3]."""
    erp = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frame, -1, 0)))
    views = (
        erp_to_view(
            erp,
            yaw_deg=yaw_deg,
            pitch_deg=pitch_deg,
            fov_deg=90.0,
            size=(face_px, face_px),
            supersample=SUPERSAMPLE,
        )
        for _, yaw_deg, pitch_deg in FACES
    )
    return [np.moveaxis(view.numpy(), 0, -1) for view in views]


def _write_png(path: Path, image: Image.Image) -> None:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    path.write_bytes(stream.getvalue())
