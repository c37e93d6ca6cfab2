"""What an HDR10 video says of its own light, in the stream and in the file around it.

Source: SMPTE ST 2086 (mastering screen), CTA-861.3 (light level), ISO/IEC 14496-12:2022, 12.1.5 and
12.1.6 (`mdcv`, `clli`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .boxes import Box, read_index, replace_index, sample_entry, video_track
from .hdr import PQ_PEAK, WHITE_NITS

PRIMARIES = ((8500, 39850), (6550, 2300), (35400, 14600))
"""Green, blue, red of Rec.2020 in steps of 0.00002."""
WHITE = (15635, 16450)
MAX_NITS, MIN_NITS = 100_000_000, 1
"""10,000 and 0.0001 nits, in steps of 0.0001."""


@dataclass(slots=True)
class LightLevel:
    """MaxCLL and MaxFALL of a video (CTA-861.3), gathered frame by frame."""

    peak: float = 0.0
    average: float = 0.0

    def add(self, light: np.ndarray) -> None:
        """The next frame [H, W, 3], linear, 1 is 100 nits."""
        brightest = np.minimum(light.max(axis=-1), PQ_PEAK)
        self.peak = max(self.peak, float(brightest.max()))
        self.average = max(self.average, float(brightest.mean(dtype=np.float64)))

    @property
    def nits(self) -> tuple[int, int]:
        """Whole nits, at least 1: 0 would mean that nobody knows."""
        return max(round(self.peak * WHITE_NITS), 1), max(round(self.average * WHITE_NITS), 1)


def hdr10_words(level: LightLevel) -> dict[str, str]:
    """The same for x265."""
    names = zip("GBR", PRIMARIES, strict=True)
    points = "".join(f"{name}({x},{y})" for name, (x, y) in names)
    peak, average = level.nits
    return {
        "hdr10": "1",
        "master-display": f"{points}WP({WHITE[0]},{WHITE[1]})L({MAX_NITS},{MIN_NITS})",
        "max-cll": f"{peak},{average}",
    }


def write_light_boxes(path: Path, level: LightLevel) -> None:
    """Put `mdcv` and `clli` into an MP4; the encoder writes them into the stream only.

    Raises:
        InvalidJob: It is no plain MP4.
        OSError: It could not be written.
    """
    moov, extents = read_index(path)
    entry = sample_entry(video_track(moov, path), path)
    kinds = (b"mdcv", b"clli")
    entry.children = [box for box in entry.children if box.kind not in kinds]
    screen = [value for point in (*PRIMARIES, WHITE) for value in point]
    entry.children += [
        Box(b"mdcv", struct.pack(">8H2I", *screen, MAX_NITS, MIN_NITS)),
        Box(b"clli", struct.pack(">2H", *level.nits)),
    ]
    replace_index(path, moov, extents)
