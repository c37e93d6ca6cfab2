"""A panorama with what lies around its edges, for filters that know nothing of the sphere."""

from __future__ import annotations

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
