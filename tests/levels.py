"""What each level of three codecs holds, after the standards: frames, and samples a second."""

from __future__ import annotations

from fractions import Fraction

_H264 = {
    "1": (99, 1_485),
    "1.1": (396, 3_000),
    "1.2": (396, 6_000),
    "1.3": (396, 11_880),
    "2": (396, 11_880),
    "2.1": (792, 19_800),
    "2.2": (1_620, 20_250),
    "3": (1_620, 40_500),
    "3.1": (3_600, 108_000),
    "3.2": (5_120, 216_000),
    "4": (8_192, 245_760),
    "4.1": (8_192, 245_760),
    "4.2": (8_704, 522_240),
    "5": (22_080, 589_824),
    "5.1": (36_864, 983_040),
    "5.2": (36_864, 2_073_600),
    "6": (139_264, 4_177_920),
    "6.1": (139_264, 8_355_840),
    "6.2": (139_264, 16_711_680),
}
"""In macroblocks of 256 samples: ITU-T H.264 (08/2021), table A-1."""
_LARGE = {
    "5": (8_912_896, 267_386_880),
    "5.1": (8_912_896, 534_773_760),
    "5.2": (8_912_896, 1_069_547_520),
    "6": (35_651_584, 1_069_547_520),
    "6.1": (35_651_584, 2_139_095_040),
    "6.2": (35_651_584, 4_278_190_080),
}
LEVELS: dict[str, dict[str, tuple[int, int]]] = {
    "h264": {name: (area * 256, rate * 256) for name, (area, rate) in _H264.items()},
    "hevc": {
        "1": (36_864, 552_960),
        "2": (122_880, 3_686_400),
        "2.1": (245_760, 7_372_800),
        "3": (552_960, 16_588_800),
        "3.1": (983_040, 33_177_600),
        "4": (2_228_224, 66_846_720),
        "4.1": (2_228_224, 133_693_440),
        **_LARGE,
    },
    "av1": {
        "2": (147_456, 4_423_680),
        "2.1": (278_784, 8_363_520),
        "3": (665_856, 19_975_680),
        "3.1": (1_065_024, 31_950_720),
        "4": (2_359_296, 70_778_880),
        "4.1": (2_359_296, 141_557_760),
        **_LARGE,
    },
}
"""Codec to level to luma samples a frame and a second, lowest first. HEVC: ITU-T H.265 (09/2023),
tables A.8 and A.9; AV1: Bitstream Specification, annex A.3."""


def holds(codec: str, level: str, *, width: int, height: int, fps: Fraction) -> bool:
    """Whether a decoder of that level decodes such a video."""
    area, rate = LEVELS[codec][level]
    taken = width * height
    return taken <= area and taken * fps <= rate and max(width, height) ** 2 <= 8 * area
