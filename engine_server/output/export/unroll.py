"""A short loop played several times in one file: its packets copied, nothing encoded anew.

Most players of headsets pause or drop a frame where a file begins again; within a file they do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

PLAIN = "+faststart+negative_cts_offsets"
"""Index in front; the first picture at time 0 also where pictures are reordered."""
FRAGMENTS = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"
"""What a page can append to itself (Media Source)."""
MAX_SECONDS = 3600.0


def repeats_for(seconds: float, *, num_frames: int, fps: Fraction) -> int:
    """How many times a loop is played so that the file lasts at least `seconds`."""
    return max(1, math.ceil(Fraction(seconds) * fps / num_frames))


def unroll(
    source: Path,
    target: Path,
    *,
    repeats: int,
    movflags: str = PLAIN,
    labels: dict[str, str] | None = None,
    on_repeat: Callable[[int, int], None] | None = None,
) -> None:
    """Write the video of `source` `repeats` times in a row into `target`, an MP4.

    Each round starts where the one before ends, to the tick. Metadata of the sphere is not
    carried over; write it last.

    Args:
        movflags: `PLAIN` or `FRAGMENTS`.
        labels: Title and comment for the file.
        on_repeat: Called with (rounds written, rounds in all).

    Raises:
        OSError: `target` could not be written (FFmpegError is one, or has its number).
    """
    with av.open(str(source)) as old:
        stream = old.streams.video[0]
        packets = [packet for packet in old.demux(stream) if packet.size]
        data = [(bytes(p), p.pts or 0, p.dts or 0, p.duration or 0, p.is_keyframe) for p in packets]
        span = sum(duration for _, _, _, duration, _ in data)
        options = {"movflags": movflags, "fflags": "+bitexact"}
        with av.open(str(target), "w", format="mp4", options=options) as new:
            new.metadata.update(labels or {})
            copied = cast(VideoStream, new.add_stream_from_template(stream, opaque=True))
            copied.codec_context.codec_tag = stream.codec_context.codec_tag
            copied.time_base = base = cast(Fraction, stream.time_base)
            for turn in range(repeats):
                for raw, pts, dts, duration, is_key in data:
                    packet = Packet(raw)
                    packet.stream, packet.time_base = copied, base
                    packet.pts, packet.dts = pts + turn * span, dts + turn * span
                    packet.duration, packet.is_keyframe = duration, is_key
                    new.mux(packet)
                if on_repeat is not None:
                    on_repeat(turn + 1, repeats)
