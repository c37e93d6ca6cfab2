"""What each player takes: size, codec, depth, rates; and the guard against frames it shows black.

`docs/delivery.md` has the table, its sources, and what was never seen on a real device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ....shared.errors import InvalidJob

MAX_AREA = 35_651_584
"""Luma samples a frame: the most of HEVC levels 6 to 6.2 (ITU-T H.265, 09/2023, table A.8), of
H.264 (08/2021, table A-1: 139,264 macroblocks), of AV1 (annex A.3). Beyond it a headset loads the
file and shows nothing."""
BLOCK = 64
"""A width that is chosen is so many columns, or a whole number of times."""

Codec = Literal["h264", "hevc", "av1"]
LABELS: dict[Codec, str] = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What one kind of player takes.

    Attributes:
        name: As on the command line.
        about: One line for people.
        kind: "video", "stills" (Radiance and EXR) or "web" (a folder with a page).
        codecs: What it plays, best first.
        bits: A component; H.264 has 8 whatever stands here.
        max_width: Columns of a frame; the height is half.
        max_rate: Luma samples a second.
        crf: Quality, lower is better, by codec.
        max_mbps: Peak of the bit rate.
        gop_s: Longest distance of key frames, in seconds.
        hdr: PQ, with expanded highlights.
    """

    name: str
    about: str
    kind: Literal["video", "stills", "web"] = "video"
    codecs: tuple[Codec, ...] = ("hevc", "av1", "h264")
    bits: int = 10
    max_width: int = 8192
    max_rate: int = 4_278_190_080
    crf: tuple[tuple[Codec, int], ...] = (("hevc", 17), ("av1", 24), ("h264", 17))
    max_mbps: int = 150
    gop_s: float = 1.0
    hdr: bool = False

    def quality(self, codec: Codec) -> int:
        return dict(self.crf)[codec]


PRESETS: tuple[Preset, ...] = (
    Preset(
        name="web-safe",
        about="H.264 that every browser and phone plays",
        codecs=("h264",),
        bits=8,
        max_width=4096,
        max_rate=4096 * 2048 * 30,
        crf=(("h264", 18),),
        max_mbps=60,
    ),
    Preset(
        name="quest2",
        about="Meta Quest 2 and Pro",
        codecs=("hevc", "h264"),
        max_width=5760,
        max_rate=4096 * 2048 * 60,
        crf=(("hevc", 18), ("h264", 18)),
        max_mbps=80,
    ),
    Preset(
        name="quest3",
        about="Meta Quest 3 and 3S",
        codecs=("hevc", "av1", "h264"),
        max_width=8192,
        max_rate=1_069_547_520,
    ),
    Preset(
        name="vision-pro",
        about="Apple Vision Pro, visionOS 26",
        codecs=("hevc",),
        max_width=7680,
        max_rate=7680 * 3840 * 30,
    ),
    Preset(
        name="youtube",
        about="upload; YouTube encodes anew",
        codecs=("hevc", "h264"),
        max_width=8192,
        crf=(("hevc", 13), ("h264", 13)),
        max_mbps=240,
        gop_s=0.5,
    ),
    Preset(
        name="pico",
        about="PICO 4 and Neo 3",
        codecs=("hevc", "h264"),
        max_width=5760,
        max_rate=4096 * 2048 * 60,
        crf=(("hevc", 18), ("h264", 18)),
        max_mbps=80,
    ),
    Preset(
        name="steamvr",
        about="players on a PC: DeoVR, SKYBOX, Whirligig",
        max_width=8192,
        max_rate=2_139_095_040,
    ),
    Preset(
        name="blender-hdr",
        about="PQ (HDR10), a World for Blender 5.0 and newer",
        codecs=("hevc", "av1"),
        max_width=8192,
        crf=(("hevc", 6), ("av1", 10)),
        max_mbps=240,
        gop_s=0.5,
        hdr=True,
    ),
    Preset(
        name="hdri",
        about="EXR loop and stills in EXR and Radiance, with a sun to place",
        kind="stills",
        codecs=(),
        max_width=16384,
        hdr=True,
    ),
    Preset(
        name="web",
        about="a folder with a page, for any static host",
        kind="web",
        codecs=("h264",),
        bits=8,
        max_width=4096,
        max_rate=4096 * 2048 * 30,
        crf=(("h264", 18),),
        max_mbps=60,
    ),
)


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InvalidJob: There is none.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    known = ", ".join(preset.name for preset in PRESETS)
    raise InvalidJob(f"There is no preset {name!r}. Known: {known}.", field="preset")


def fits(preset: Preset, *, width: int, height: int, fps: Fraction) -> bool:
    """Whether a player of `preset` shows such a video, and not a black frame."""
    return width <= preset.max_width and width * height <= _max_area(preset, fps)


def largest(preset: Preset, *, fps: Fraction) -> tuple[int, int]:
    """The largest (width, height) of a sphere that `preset` takes at that rate.

    Raises:
        InvalidJob: None is: the rate is beyond everything.
    """
    width = min(preset.max_width, math.isqrt(2 * _max_area(preset, fps)))
    width -= width % BLOCK
    if not width:
        raise InvalidJob(
            f"{float(fps):g} frames a second are too many for {preset.name}.", field="fps"
        )
    return width, width // 2


def _max_area(preset: Preset, fps: Fraction) -> int:
    """Pixels a frame at that rate."""
    if preset.kind == "stills":
        return preset.max_width**2 // 2
    return min(MAX_AREA, int(preset.max_rate / fps))


def check_size(preset: Preset, *, width: int, height: int, fps: Fraction) -> None:
    """Refuse what a player of `preset` would not show.

    Raises:
        InvalidJob: It is too large; `details["largest"]` is what is not.
    """
    if fits(preset, width=width, height=height, fps=fps):
        return
    wide, high = largest(preset, fps=fps)
    raise InvalidJob(
        f"{width}x{height} at {float(fps):g} frames a second is too large for {preset.name}: its "
        f"players would show nothing, or stutter. The largest is {wide}x{high}. "
        f"--fit makes it that size.",
        field="size",
        largest=[wide, high],
    )
