"""Display-referred sRGB and linear light: the one home of the transfer curve.

Pictures come out of a model display-referred (sRGB-encoded, 0..1). Blender and EXR speak linear
Rec.709, which has the primaries of sRGB, so that the curve is the whole difference.

Source: IEC 61966-2-1 (sRGB), with the thresholds of its amendment 1.
"""

from __future__ import annotations

import numpy as np

_LINEAR_END = 0.0031308
_ENCODED_END = 0.04045


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """Linear light of sRGB-encoded values, any shape, in float32; negative values become 0."""
    encoded = np.maximum(np.asarray(encoded, dtype=np.float32), 0.0)
    curved = ((encoded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= _ENCODED_END, encoded / np.float32(12.92), curved)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB-encoded values of linear light, any shape, in float32; negative values become 0.

    Values above 1 stay above 1: clipping is the caller's choice.
    """
    linear = np.maximum(np.asarray(linear, dtype=np.float32), 0.0)
    curved = np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= _LINEAR_END, linear * np.float32(12.92), curved)
