"""The 14 views: what a viewer inside sees when looking around, 90 degrees wide each.

Yaw 0, 90, 180 and 270 at pitch 45, 0 and -45, and both poles: the protocol of SphereDiff and
LF-MultiDiffusion. On a plane there is one view, the frame.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from ..panorama.erp import angles_to_pixels, directions_to_angles, view_directions
from .canvas import Canvas, Place

FOV_DEG = 90.0
ANGLES = (
    *((float(yaw), float(pitch)) for pitch in (45, 0, -45) for yaw in (0, 90, 180, -90)),
    (0.0, 90.0),
    (0.0, -90.0),
)
"""Yaw and pitch of the views, degrees, in the order of every list a view."""
UP, DOWN = 12, 13
HORIZON = (4, 5, 6, 7)
SLANTED = (0, 1, 2, 3, 8, 9, 10, 11)


class Views:
    """Cuts the views out of working copies.

    Args:
        canvas: Of the video.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self.size_px = max(canvas.work_size[0] // 2, 2)

    @property
    def places(self) -> list[Place]:
        """The middle of each view."""
        if not self._canvas.is_sphere:
            return [Place(0.0, 0.0)]
        return [Place(*angles) for angles in ANGLES]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """All views [num_views, px, px, ...] of a working picture [h, w, ...], bilinear."""
        if not self._canvas.is_sphere:
            return image[None]
        around = self._canvas.padded(image, rows=2, columns=2)
        across, down = self._maps
        strip = cv2.remap(around, across, down, cv2.INTER_LINEAR)
        return strip.reshape(len(ANGLES), self.size_px, self.size_px, *image.shape[2:])

    def means(self, field: np.ndarray) -> np.ndarray:
        """Mean of a working field [h, w] in each view, float64."""
        return self.cut(field).mean(axis=(1, 2), dtype=np.float64)

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Maps for `cv2.remap` of all views, one above the other."""
        height, width = self._canvas.work_size
        return lookup(ANGLES, self.size_px, height=height, width=width)


def lookup(
    angles: tuple[tuple[float, float], ...], size_px: int, *, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of square views lie on an ERP that was padded by two pixels a side.

    Returns:
        Maps across and down [len(angles) * size_px, size_px] float32, as `cv2.remap` takes them.
    """
    found = []
    for yaw_deg, pitch_deg in angles:
        directions = view_directions(
            yaw_deg=yaw_deg, pitch_deg=pitch_deg, fov_deg=FOV_DEG, height=size_px, width=size_px
        )
        found.append(
            angles_to_pixels(*directions_to_angles(directions), height=height, width=width)
        )
    row = np.concatenate([each[0] for each in found]) - 0.5 + 2
    column = np.concatenate([each[1] for each in found]) - 0.5 + 2
    return column.astype(np.float32), row.astype(np.float32)
