"""A panorama with what lies around its edges, for filters that know nothing of the sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..panorama.erp import wrap_cells


def with_surroundings(frame: np.ndarray, *, rows: int, columns: int) -> np.ndarray:
    """An ERP [H, W, C] as [H + 2 rows, W + 2 columns, C] float32.

    Sideways the ring goes on; above and below, the far side of the pole.
    """
    height, width = frame.shape[:2]
    row, column = wrap_cells(
        np.arange(-rows, height + rows)[:, None],
        np.arange(-columns, width + columns)[None],
        height=height,
        width=width,
    )
    return np.ascontiguousarray(frame[row, column], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is put around pictures of one size, and cut away again.

    Attributes:
        height, width: Of the pictures.
        rows, columns: How much is added at each edge.
        surface: "sphere", "ring" (the width goes around) or "plane" (edges are repeated).
    """

    height: int
    width: int
    rows: int
    columns: int
    surface: str

    @staticmethod
    def of(height: int, width: int, surface: str) -> Surroundings:
        """An eighth of the width and a sixteenth of the height, and never next to nothing."""
        return Surroundings(height, width, max(height // 16, 4), max(width // 8, 8), surface)

    def added(self, frame: np.ndarray) -> np.ndarray:
        """A picture [H, W, C] with its surroundings, float32."""
        if self.surface == "sphere":
            return with_surroundings(frame, rows=self.rows, columns=self.columns)
        sides = "wrap" if self.surface == "ring" else "edge"
        rows, columns = (self.rows, self.rows), (self.columns, self.columns)
        wider = np.pad(frame, ((0, 0), columns, (0, 0)), mode=sides)
        return np.pad(wider, (rows, (0, 0), (0, 0)), mode="edge")

    def removed(self, padded: np.ndarray) -> np.ndarray:
        """The picture without them, a copy."""
        rows = slice(self.rows, self.rows + self.height)
        return padded[rows, self.columns : self.columns + self.width].copy()
