"""From a preset to an encoder's words: closed groups, key frames, bit rate, and which is there.

The same frames give the same bytes, on any number of processor cores: AV1 always, H.264 and HEVC up
to `REPEATABLE_AREA`. Beyond it x264 and x265 use all cores, and hold a bit rate by what their
threads have finished by then.
"""

from __future__ import annotations

from fractions import Fraction

from av.codec import Codec as FFmpegCodec
from av.codec.codec import UnknownCodecError

from ....shared.errors import UserError
from ..video import BT709, BT2020_PQ, Encoding
from .presets import LABELS, Codec, Preset

ENCODERS: dict[Codec, str] = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
TAGS: dict[Codec, str] = {"h264": "avc1", "hevc": "hvc1", "av1": "av01"}
"""Apple's players want `hvc1`, never `hev1`."""
BITS_PER_SAMPLE = 1
"""A peak of a bit a luma sample: so that a small loop is not labelled with a giant's level."""
MIN_MBPS = 2.0
REPEATABLE_AREA = 2048 * 1024
"""Luma samples a frame. Larger ones would take too long on one thread."""
X264: dict[str, object] = {"mvrange": 511, "mbtree": 0}
"""Vectors that level 5.2 and Quest hold; and without a tree that reads memory it never wrote."""
ONE_THREAD: dict[Codec, dict[str, object]] = {
    "h264": {"threads": 1, "lookahead-threads": 1, "sliced-threads": 0},
    "hevc": {"pools": "none", "frame-threads": 1, "wpp": 0},
}


def is_there(codec: Codec) -> bool:
    """Whether this FFmpeg can write it."""
    try:
        FFmpegCodec(ENCODERS[codec], "w")
    except UnknownCodecError:
        return False
    return True


def choose_codec(preset: Preset, wish: Codec | None) -> Codec:
    """The codec of an export.

    Raises:
        UserError: The preset does not take it, or this FFmpeg cannot write it; a codec that is
            there is named.
    """
    wanted = preset.codecs[0] if wish is None else wish
    there: list[Codec] = [codec for codec in preset.codecs if is_there(codec)]
    if wanted in there:
        return wanted
    instead = f" {LABELS[there[0]]} is there: --codec {there[0]}." if there else ""
    if wanted not in preset.codecs:
        takes = " and ".join(LABELS[codec] for codec in preset.codecs)
        raise UserError(
            f"{preset.name} takes {takes}, not {LABELS[wanted]}.{instead}", field="codec"
        )
    if not instead:
        other: list[Codec] = [codec for codec in LABELS if is_there(codec)]
        named = f"{LABELS[other[0]]} is there, which web-safe takes" if other else "none is there"
        instead = f" Of the others, {named}."
    raise UserError(
        f"This FFmpeg cannot write {LABELS[wanted]}: {ENCODERS[wanted]} is not in it.{instead}",
        field="codec",
    )


def encoding_of(
    preset: Preset,
    codec: Codec,
    *,
    width: int,
    height: int,
    fps: Fraction,
    num_frames: int,
    light: dict[str, str] | None = None,
) -> Encoding:
    """How a video of `preset` is encoded.

    Args:
        light: More parameters of x265: what an HDR10 stream says of its light.
    """
    gop = max(1, min(num_frames, round(fps * Fraction(preset.gop_s))))
    cap = max(MIN_MBPS, min(preset.max_mbps, float(width * height * fps) * BITS_PER_SAMPLE / 1e6))
    kbps = round(cap * 1000)
    crf = str(preset.quality(codec))
    threads = ONE_THREAD.get(codec, {}) if width * height <= REPEATABLE_AREA else {}
    match codec:
        case "h264":
            words = _joined(_common(gop, kbps) | X264 | threads)
            options = {"preset": "medium", "crf": crf, "x264-params": words}
        case "hevc":
            words = _joined(_common(gop, kbps) | threads | (light or {}))
            options = {"preset": "medium", "crf": crf, "x265-params": words}
        case "av1":
            words = f"keyint={gop}:irefresh-type=2:scd=0:mbr={kbps}"
            options = {"preset": "6", "crf": crf, "svtav1-params": words}
    return Encoding(
        encoder=ENCODERS[codec],
        tag=TAGS[codec],
        bits=8 if codec == "h264" else preset.bits,
        colour=BT2020_PQ if preset.hdr else BT709,
        options=options,
    )


def _common(gop: int, kbps: int) -> dict[str, object]:
    """What x264 and x265 are told alike."""
    return {
        "bframes": 0,
        "keyint": gop,
        "min-keyint": gop,
        "scenecut": 0,
        "open-gop": 0,
        "vbv-maxrate": kbps,
        "vbv-bufsize": kbps,
        "log-level": "none",
    }


def _joined(words: dict[str, object]) -> str:
    return ":".join(f"{name}={value}" for name, value in words.items())
