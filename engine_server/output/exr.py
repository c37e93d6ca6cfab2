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


def half_light(frame: np.ndarray) -> np.ndarray:
    """Linear light [H, W, 3] float16, as it is stored, of an ERP in display-referred sRGB, 0..1."""
    return np.minimum(srgb_to_linear(frame), HALF_MAX).astype(np.float16)


def write_exr(
    path: Path, light: np.ndarray, *, fps: Fraction, surface: str = "sphere", comment: str = ""
) -> None:
    """Write one panorama or flat picture.

    Args:
        path: File to make.
        light: ERP [H, W, 3] float16, linear Rec.709 (`half_light`); stored bit by bit.
        fps: Frames a second, for the header.
        surface: What it lies on, see `JobSpec.surface`: only a sphere is marked as surroundings.
        comment: For the header, if any.

    Raises:
        OSError: The file could not be written.
    """
    path.write_bytes(exr_bytes(light, fps=fps, surface=surface, comment=comment))


def read_exr(raw: bytes) -> np.ndarray:
    """The pixels [H, W, 3] float16 of a file that `write_exr` wrote, bit by bit.

    Raises:
        ValueError: It is another kind of file, or damaged.
    """
    try:
        with OpenEXR.File(io.BytesIO(raw)) as file:
            channels = file.channels()
            light = np.asarray(channels["RGB"].pixels) if list(channels) == ["RGB"] else None
    except (OSError, RuntimeError, TypeError, KeyError) as why:
        raise ValueError(f"no readable OpenEXR picture: {why}") from why
    if light is None or light.dtype != np.float16:
        raise ValueError("no OpenEXR picture with half floats R, G and B alone")
    return light


def exr_bytes(
    light: np.ndarray, *, fps: Fraction, surface: str = "sphere", comment: str = ""
) -> bytes:
    """The same file as bytes; see `write_exr`."""
    assert light.dtype == np.float16, light.dtype
    on_sphere = {"envmap": OpenEXR.ENVMAP_LATLONG} if surface == "sphere" else {}
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.ZIP_COMPRESSION,
        **on_sphere,
        **({"comments": comment} if comment else {}),
        "chromaticities": REC709,
        "framesPerSecond": fps,
        "wrapmodes": "clamp,clamp" if surface == "plane" else "periodic,clamp",
    }
    stream = io.BytesIO()
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(light)}) as file:
        file.write(stream)
    return stream.getvalue()
