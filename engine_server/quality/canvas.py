"""What a frame is measured on: its reduced copies, the weights of their rows, their regions.

Flow and differences are taken on copies of at most `WORK_WIDTH` pixels across, so that a minute of
8K costs what a minute of 1K costs; the seam and the poles are measured on the frame itself.
On a sphere rows weigh by their solid angle, the width is a ring and rows continue over the poles;
on a plane, or on a ring that is flat, all rows weigh the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ...shared.errors import InvalidJob
from ..panorama.erp import wrap_cells

WORK_WIDTH = 512
REGION_COLUMNS = 8
REGION_ROWS = 4
SURFACES = ("sphere", "ring", "plane")


@dataclass(frozen=True)
class Canvas:
    """Sizes and geometry of one video.

    Attributes:
        width, height: Of its frames, pixels.
        surface: What they lie on: a "sphere" (equirectangular panoramas of everything around the
            viewer), a "ring" (flat, its sides meet) or a "plane".
    """

    width: int
    height: int
    surface: str = "sphere"

    @property
    def is_sphere(self) -> bool:
        """Whether rows go on over the poles."""
        return self.surface == "sphere"

    @property
    def ring(self) -> bool:
        """Whether the right edge goes on at the left one."""
        return self.surface != "plane"

    @cached_property
    def work_size(self) -> tuple[int, int]:
        """(height, width) of the copies that flow and differences are taken on."""
        if self.width <= WORK_WIDTH:
            return self.height, self.width
        return max(round(self.height * WORK_WIDTH / self.width), 1), WORK_WIDTH

    @cached_property
    def row_weights(self) -> np.ndarray:
        """Weight of every row of a working copy [h] float32; they sum to 1."""
        return row_weights(self.work_size[0], is_sphere=self.is_sphere)

    @cached_property
    def degrees_per_px(self) -> tuple[np.ndarray, float]:
        """Degrees of arc a pixel of a working copy: across [h, 1], by row, and down.

        A plane is taken to show 90 degrees over its shorter side.
        """
        height, width = self.work_size
        if not self.is_sphere:
            each = 90.0 / min(height, width)
            return np.full((height, 1), each, np.float32), each
        pitch = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
        across = 360.0 / width * np.cos(pitch)
        return across[:, None].astype(np.float32), 180.0 / height

    def work_copy(self, frame: np.ndarray) -> np.ndarray:
        """A frame [H, W, 3] uint8 brought down by areas to `work_size`."""
        height, width = self.work_size
        if frame.shape[:2] == (height, width):
            return frame
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)

    def padded(self, image: np.ndarray, *, rows: int, columns: int) -> np.ndarray:
        """A picture [h, w] or [h, w, C] with what lies around its edges.

        Across a ring the other edge, across a pole its far side, else the edge pixel again.
        """
        height, width = image.shape[:2]
        if self.is_sphere:
            row, column = wrap_cells(
                np.arange(-rows, height + rows)[:, None],
                np.arange(-columns, width + columns)[None],
                height=height,
                width=width,
            )
            return np.ascontiguousarray(image[row, column])
        sides = cv2.BORDER_WRAP if self.ring else cv2.BORDER_REPLICATE
        wide = cv2.copyMakeBorder(image, 0, 0, columns, columns, sides)
        return cv2.copyMakeBorder(wide, rows, rows, 0, 0, cv2.BORDER_REPLICATE)

    def mean(self, field: np.ndarray) -> float:
        """Mean over the sphere (or the plane) of a working field [h, w]."""
        return float(field.mean(axis=1, dtype=np.float64) @ self.row_weights)

    def region_means(self, field: np.ndarray) -> np.ndarray:
        """Mean of a working field [h, w] in each of `regions`, float64."""
        height, width = field.shape
        rows = np.array_split(np.arange(height), min(REGION_ROWS, height))
        columns = [part[0] for part in np.array_split(np.arange(width), self._num_columns)]
        found = []
        for part in rows:
            weights = self.row_weights[part].astype(np.float64)
            sums = (weights / weights.sum()) @ field[part].astype(np.float64)
            counts = np.diff([*columns, width])
            found.append(np.add.reduceat(sums, columns) / counts)
        return np.concatenate(found)

    @cached_property
    def regions(self) -> list[Place]:
        """The middles of the regions of `region_means`, row by row from the top."""
        height, width = self.work_size
        rows = np.array_split(np.arange(height), min(REGION_ROWS, height))
        columns = np.array_split(np.arange(width), self._num_columns)
        return [
            self.place(
                (row[0] + row[-1] + 1) / 2 / height, (column[0] + column[-1] + 1) / 2 / width
            )
            for row in rows
            for column in columns
        ]

    def place(self, down: float, across: float) -> Place:
        """Where a point lies; `down` and `across` are shares of the height and the width."""
        return Place(yaw_deg=(across - 0.5) * 360.0, pitch_deg=(0.5 - down) * 180.0)

    @property
    def _num_columns(self) -> int:
        return min(REGION_COLUMNS, self.work_size[1])


def make_canvas(width: int, height: int, surface: str | None) -> Canvas:
    """The canvas of frames of a size; None: a sphere when twice as wide as high, else a plane.

    Raises:
        InvalidJob: An unknown surface, or a sphere that is not twice as wide as high.
    """
    if surface is None:
        surface = "sphere" if width == 2 * height else "plane"
    if surface not in SURFACES:
        known = ", ".join(SURFACES)
        raise InvalidJob(f"The surface is one of {known}, not '{surface}'.", field="surface")
    if surface == "sphere" and width != 2 * height:
        raise InvalidJob(
            f"A sphere is twice as wide as high; the frames have {width}x{height} pixels.",
            field="surface",
        )
    return Canvas(width, height, surface)


@dataclass(frozen=True, slots=True)
class Place:
    """A direction, degrees; on a plane, its shares of width and height told the same way."""

    yaw_deg: float
    pitch_deg: float


def row_weights(height: int, *, is_sphere: bool) -> np.ndarray:
    """Share of the solid angle of every row of an ERP [height] float32; equal on a plane."""
    if not is_sphere:
        return np.full(height, 1.0 / height, np.float32)
    edges = np.sin((0.5 - np.arange(height + 1) / height) * np.pi)
    return (-np.diff(edges) / 2.0).astype(np.float32)


def grey_of(frame: np.ndarray) -> np.ndarray:
    """Luma of an RGB picture, in its own type (weights 0.299, 0.587, 0.114)."""
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
