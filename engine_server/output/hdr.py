"""Display-referred frames as light that could have stood in front of the camera: an estimate.

A model paints pictures for a screen: white is as bright as it gets. Two steps undo that, both the
same for every frame of a loop, so that its exposure holds still:

1. The inverse sRGB curve (`colour.srgb_to_linear`), which is what the stored EXR frames hold.
2. `expand`: luminance above a knee is stretched by the inverse of a film-like shoulder,
   y = k + (1 - k) t (1 + t / T^2) / (1 + t),  t = (x - k) / (1 - k),  T = (P - k) / (1 - k),
   which leaves everything below the knee k as it is, is smooth there, and takes white to P.

What was clipped (a sun) is put back by `lights`. The result is an expansion, no measurement, and
every file and sidecar says so.

Sources: Reinhard et al. 2002, "Photographic Tone Reproduction", equation 4 (the shoulder; here it
begins at the knee and is inverted); ITU-R BT.2100-2, table 4 (PQ); BT.2087-0 (the matrix).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..panorama.erp import cell_areas

LABEL = "HDR (expanded): highlights are estimated, not measured"
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
WHITE_NITS = 100.0
"""What linear 1.0 is in PQ: Blender's Rec.2100-PQ reads it so."""
PQ_PEAK = 10_000.0 / WHITE_NITS
FFMPEG_WHITE = 65283 / 65535
"""What FFmpeg's own conversion to RGB, which Blender uses, makes of white in limited range; at the
upper end of PQ this is 4 % of light."""
REC709_TO_REC2020 = np.array(
    [
        [0.6274039, 0.3292830, 0.0433131],
        [0.0690973, 0.9195404, 0.0113623],
        [0.0163914, 0.0880133, 0.8955953],
    ],
    np.float32,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The shoulder that is undone, in linear light where 1 is white on the screen.

    Attributes:
        knee: Luminance up to which nothing changes.
        peak: What white becomes.
    """

    knee: float = 0.5
    peak: float = 8.0


def expand(light: np.ndarray, curve: Curve) -> np.ndarray:
    """Linear Rec.709 [..., 3] with its highlights stretched; hue and saturation stay."""
    light = np.asarray(light, np.float32)
    luminance = light @ LUMA
    gain = expanded_luminance(luminance, curve) / np.maximum(luminance, np.float32(1e-6))
    return light * np.where(luminance > curve.knee, gain, np.float32(1.0))[..., None]


def expanded_luminance(luminance: np.ndarray, curve: Curve) -> np.ndarray:
    """The curve itself, for luminance 0..1; above 1 it goes on as at 1."""
    rest = 1.0 - curve.knee
    top = (curve.peak - curve.knee) / rest
    y = np.clip((np.asarray(luminance, np.float64) - curve.knee) / rest, 0.0, 1.0)
    t = 0.5 * top**2 * (np.sqrt((1.0 - y) ** 2 + 4.0 * y / top**2) - (1.0 - y))
    high = (curve.knee + rest * t) * np.maximum(luminance, 1.0)
    return np.where(luminance > curve.knee, high, luminance).astype(np.float32)


def pq_encode(light: np.ndarray) -> np.ndarray:
    """PQ signal 0..1, Rec.2020, of linear Rec.709 light [..., 3] where 1 is 100 nits.

    Light of more than 10,000 nits, and colours outside, are clipped.
    """
    share = np.clip(np.asarray(light, np.float32) @ REC709_TO_REC2020.T / PQ_PEAK, 0.0, 1.0)
    m1, m2 = np.float32(2610 / 16384), np.float32(2523 / 32)
    c1, c2, c3 = np.float32(3424 / 4096), np.float32(2413 / 128), np.float32(2392 / 128)
    powered = share**m1
    return ((c1 + c2 * powered) / (1.0 + c3 * powered)) ** m2


def pq_for_blender(light: np.ndarray) -> np.ndarray:
    """`pq_encode` for a reader that converts with FFmpeg: white comes back as 1, not as 0.996."""
    return pq_encode(light) / np.float32(FFMPEG_WHITE)


def sky_illuminance(light: np.ndarray) -> float:
    """What the upper half of an ERP [H, W, 3] sheds on level ground; grey 1 all around gives pi."""
    height, width = light.shape[:2]
    pitch_rad = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    share = cell_areas(height, width).reshape(height, -1)[:, 0] * np.maximum(np.sin(pitch_rad), 0)
    return float(((light @ LUMA) * share[:, None]).sum(dtype=np.float64))


def write_radiance(path: Path, light: np.ndarray, *, comment: str = LABEL) -> None:
    """A Radiance picture (.hdr, RGBE) of linear Rec.709 light [H, W, 3].

    Raises:
        OSError: It could not be written.
    """
    whole, pixels = cv2.imencode(".hdr", np.ascontiguousarray(light[..., ::-1], np.float32))
    assert whole
    magic = b"#?RADIANCE\n"
    raw = pixels.tobytes()
    assert raw.startswith(magic)
    path.write_bytes(magic + b"# " + comment.encode("ascii", "replace") + raw[len(magic) - 1 :])
