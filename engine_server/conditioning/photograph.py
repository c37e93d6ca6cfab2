"""A perspective photograph on the sphere: where it hangs, what it covers, how its border fades."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..panorama import erp

FEATHER = 0.12
"""Width of the fading border as a share of the photograph's half-width."""
SUPERSAMPLE = 2
_BAND_ROWS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """Where a photograph hangs: its middle, and its horizontal field of view, in degrees."""

    yaw_deg: float
    pitch_deg: float
    fov_deg: float


def on_sphere(
    planes: np.ndarray, hanging: Hanging, *, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """A photograph as part of an ERP.

    What is finer than the ERP is averaged before it is sampled, and each pixel is the mean of
    `SUPERSAMPLE` by `SUPERSAMPLE` samples.

    Args:
        planes: [h, w, C] float32, pinhole, upright; colours multiplied by alpha.
        hanging: Where its middle lies.
        width, height: Of the ERP, in pixels.

    Returns:
        The planes on the sphere, [H, W, C] float32, 0 outside of the photograph; and how much each
        pixel belongs to it, [H, W] float32: 1 inside, falling smoothly to 0 at its border.
    """
    high, wide = planes.shape[:2]
    planes = _no_finer(planes, hanging.fov_deg, SUPERSAMPLE * width)
    planes = planes.astype(np.float32, copy=False)
    out = np.zeros((height, width, planes.shape[2]), np.float32)
    covers = np.zeros((height, width), np.float32)
    for start, directions in _bands(width, height):
        across, downward = erp.view_coordinates(
            directions,
            yaw_deg=hanging.yaw_deg,
            pitch_deg=hanging.pitch_deg,
            fov_deg=hanging.fov_deg,
            aspect=high / wide,
        )
        depth = 1 - np.maximum(np.abs(across), np.abs(downward))
        if not (depth > 0).any():
            continue
        inside = (depth > 0).astype(np.float32)
        weight = _smooth(depth / FEATHER)
        sampled = _sampled(planes, across, downward) * inside[..., None]
        rows = slice(start, start + len(directions) // SUPERSAMPLE)
        share = _mean(inside)
        out[rows] = _mean(sampled) / np.maximum(share, 1e-6)[..., None]
        covers[rows] = _mean(weight)
    return out, covers


def _bands(width: int, height: int) -> Iterator[tuple[int, np.ndarray]]:
    """First row of the ERP and supersampled directions, a band of rows after the other."""
    columns = (np.arange(width * SUPERSAMPLE) + 0.5) / SUPERSAMPLE
    for start in range(0, height, _BAND_ROWS):
        count = min(_BAND_ROWS, height - start)
        rows = start + (np.arange(count * SUPERSAMPLE) + 0.5) / SUPERSAMPLE
        yaw, pitch = erp.pixels_to_angles(rows[:, None], columns[None], height=height, width=width)
        yield start, erp.angles_to_directions(yaw, pitch)


def _no_finer(planes: np.ndarray, fov_deg: float, samples_around: int) -> np.ndarray:
    """The photograph averaged down to as many pixels a degree as are sampled."""
    high, wide = planes.shape[:2]
    pixels_per_rad = wide / 2 / math.tan(math.radians(fov_deg) / 2)
    shrink = min(1.0, samples_around / (2 * math.pi) / pixels_per_rad)
    size = max(2, round(wide * shrink)), max(2, round(high * shrink))
    if size[0] >= wide or size[1] >= high:
        return planes
    return by_fours(planes, lambda four: cv2.resize(four, size, interpolation=cv2.INTER_AREA))


def _sampled(planes: np.ndarray, across: np.ndarray, downward: np.ndarray) -> np.ndarray:
    """[*shape, C] at positions -1..1; what lies outside reads the border."""
    high, wide = planes.shape[:2]
    x = ((np.clip(across, -2, 2) + 1) / 2 * wide - 0.5).astype(np.float32)
    y = ((np.clip(downward, -2, 2) + 1) / 2 * high - 0.5).astype(np.float32)
    cubic, border = cv2.INTER_CUBIC, cv2.BORDER_REPLICATE
    return by_fours(planes, lambda four: cv2.remap(four, x, y, cubic, borderMode=border))


def by_fours(planes: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`change` of [h, w, C], four channels at a time, as OpenCV takes them."""
    pieces = []
    for first in range(0, planes.shape[2], 4):
        changed = change(np.ascontiguousarray(planes[..., first : first + 4]))
        pieces.append(changed.reshape(*changed.shape[:2], -1))
    return np.concatenate(pieces, axis=-1)


def _mean(samples: np.ndarray) -> np.ndarray:
    """Means of blocks of samples, [rows, columns, ...]."""
    rows, columns = (n // SUPERSAMPLE for n in samples.shape[:2])
    blocks = samples.reshape(rows, SUPERSAMPLE, columns, SUPERSAMPLE, *samples.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _smooth(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
