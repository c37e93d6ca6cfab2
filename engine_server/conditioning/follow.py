"""A panorama whose shapes the pictures follow: the depth of the scene, or lines."""

from __future__ import annotations

import numpy as np

from ...shared.errors import InvalidJob
from ..colour import linear_to_srgb
from .reference import is_exr, read_distance, read_light, resized_panorama

FAR_PERCENT, NEAR_PERCENT = 2.0, 98.0
"""Of the inverse distances: what is taken for the farthest and the nearest."""


def read_follow(raw: bytes, width: int, height: int) -> np.ndarray:
    """A picture to follow, [H, W, 3] float32, 0..1.

    PNG and JPEG count as they are. OpenEXR is taken for distance from the camera, as Blender's
    depth pass has it (`read_distance`: a file of several passes will do), and becomes what depth
    models paint: near is white, far is black, evenly in one over the distance.

    Raises:
        InvalidJob: The bytes are no picture, damaged, or not twice as wide as high.
    """
    if is_exr(raw):
        values = nearness(read_distance(raw, "follow")[..., None])
    else:
        values = linear_to_srgb(read_light(raw, "follow")[0])
    high, wide = values.shape[:2]
    if wide != 2 * high:
        raise InvalidJob(
            f"The picture to follow is {wide}x{high}; a 360° picture is twice as wide as it is "
            f"high: {2 * high}x{high}, for example.",
            field="follow_sha256",
            nearest=[2 * high, high],
        )
    grey = np.broadcast_to(values, (high, wide, 3))
    grown = resized_panorama(np.ascontiguousarray(grey, dtype=np.float32), width, height)
    return np.clip(grown, 0.0, 1.0)


def nearness(distance: np.ndarray) -> np.ndarray:
    """0 (far) to 1 (near), evenly in one over the distance; where all is equally far, 0."""
    inverse = 1.0 / np.maximum(distance, 1e-6)
    low, high = np.percentile(inverse, (FAR_PERCENT, NEAR_PERCENT))
    return np.clip((inverse - low) / max(float(high - low), 1e-12), 0.0, 1.0).astype(np.float32)
