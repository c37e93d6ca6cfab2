"""One frame of the loop as an OpenEXR file that Blender can light a scene with.

Linear Rec.709, half float, one part, scan lines, ZIP (lossless), marked as a latitude-longitude
environment. The header holds nothing that differs between two makings of the same picture.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR

from ..colour import srgb_to_linear

HALF_MAX = 65504.0
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Chromaticities x, y of red, green, blue and white (ITU-R BT.709, D65)."""


def write_exr(path: Path, frame: np.ndarray, *, fps: Fraction) -> None:
    """Write one panorama.

    Args:
        path: File to make.
        frame: ERP [H, W, 3] float32, display-referred sRGB, 0..1.
        fps: Frames a second, for the header.

    Raises:
        OSError: The file could not be written.
    """
    path.write_bytes(exr_bytes(frame, fps=fps))


def exr_bytes(frame: np.ndarray, *, fps: Fraction) -> bytes:
    """The same file as bytes; see `write_exr`."""
    linear = np.minimum(srgb_to_linear(frame), HALF_MAX).astype(np.float16)
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.ZIP_COMPRESSION,
        "envmap": OpenEXR.ENVMAP_LATLONG,
        "chromaticities": REC709,
        "framesPerSecond": fps,
        "wrapmodes": "periodic,clamp",
    }
    stream = io.BytesIO()
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(linear)}) as file:
        file.write(stream)
    return stream.getvalue()
