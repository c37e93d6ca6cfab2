"""What a picture is like at all: light, contrast, colour, sharpness.

No figure of quality by itself: blur and stillness win every figure of smoothness, so they are told.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .canvas import Canvas, row_weights
from .figures import mean

BLANK_LEVELS = 1.5


class Look:
    """Gathers frames; means over time, rows weighed by solid angle."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._weights = row_weights(canvas.work_size[0], is_sphere=canvas.is_sphere)
        self._figures: dict[str, list[float]] = {
            name: [] for name in ("luma", "contrast", "saturation", "sharpness")
        }

    def add(self, work: np.ndarray, grey: np.ndarray) -> None:
        """The next working copy [h, w, 3] and its luma [h, w], uint8."""
        luma = grey.astype(np.float32)
        middle = self._canvas.mean(luma)
        square = self._canvas.mean(np.square(luma - middle))
        spread = work.max(axis=-1).astype(np.float32) - work.min(axis=-1)
        right = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        across, below = self._canvas.degrees_per_px
        slope = np.hypot(right / np.maximum(across, 1e-3), down / below)
        self._figures["luma"].append(middle / 255.0)
        self._figures["contrast"].append(float(np.sqrt(square)) / 255.0)
        self._figures["saturation"].append(self._canvas.mean(spread) / 255.0)
        self._figures["sharpness"].append(self._canvas.mean(slope))

    def result(self) -> dict[str, Any]:
        """luma, contrast (its standard deviation) and saturation (max - min of RGB) in 0..1;
        sharpness in 8-bit levels a degree of arc, on the working copy."""
        found: dict[str, Any] = {name: mean(values) for name, values in self._figures.items()}
        contrast = found["contrast"] or 0.0
        found["is_blank"] = contrast * 255.0 < BLANK_LEVELS
        return found
