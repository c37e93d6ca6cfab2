"""Frames into an MP4: the loop every player and Blender read, and what the exports ask for.

No B-frames, so that presentation times start at 0 and a player can append the file to itself
without a gap; short closed groups of pictures, so that scrubbing is quick; the index in front;
nothing in the file that differs between two makings of the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from ...shared.errors import InvalidJob

GOP = 12
CRF = 16
THREADS = 2
LIMITED_RANGE = 1
SLOWEST_FPS = 0.1
LOOP_LUMA_OFFSET = 0.7
"""Between two ways to read a film. FFmpeg's quick conversion, which Blender 4.2 takes, cuts each
product off and ends up to 3/255 too dark; the exact one, Blender 4.5's, rounds. Raised by this
much, flat colours come back within 2/255 by both: 7 of 1 048 576 are 3/255 off by the quick one."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """How the numbers of a picture are meant; code points of ITU-T H.273.

    Attributes:
        primaries, transfer, matrix: Code points.
        red, blue: Shares of red and blue in luma; the rest is green.
    """

    primaries: int
    transfer: int
    matrix: int
    red: float
    blue: float


BT709 = Colour(primaries=1, transfer=1, matrix=1, red=0.2126, blue=0.0722)
"""ITU-R BT.709-6. Values are sRGB-encoded, as is the custom for computer-made video."""
BT2020_PQ = Colour(primaries=9, transfer=16, matrix=9, red=0.2627, blue=0.0593)
"""ITU-R BT.2100-2, PQ, non-constant luminance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How frames become a video.

    Attributes:
        encoder: FFmpeg's name of it.
        tag: Four-character code of the samples.
        bits: A component, 8 or 10.
        colour: What the values mean.
        options: For the encoder.
        luma_offset: Levels of 8 bits that luma is raised by before it is rounded.
    """

    encoder: str
    tag: str
    options: dict[str, str]
    bits: int = 8
    colour: Colour = BT709
    luma_offset: float = 0.0

    @property
    def pixel_format(self) -> str:
        return "yuv420p" if self.bits == 8 else f"yuv420p{self.bits}le"


def exact_fps(fps: float) -> Fraction:
    """The frame rate a person means: 23.976 is 24000/1001, 29.97 is 30000/1001, 12.5 is 25/2.

    Raises:
        InvalidJob: Slower than a video file can say.
    """
    if fps < SLOWEST_FPS:
        raise InvalidJob(
            f"{fps:g} frames a second are too slow for a video; the slowest is {SLOWEST_FPS:g}.",
            field="fps",
            nearest=SLOWEST_FPS,
        )
    for whole in (24, 30, 48, 60, 120, 240):
        if abs(fps - whole * 1000 / 1001) < 0.004:
            return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(1001)


class VideoWriter:
    """Encodes frames one by one; a context manager that closes the file.

    Args:
        on_coded: Called with how many frames are coded; encoders hold many of them back.

    Raises:
        OSError: From any method: the file could not be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        encoding: Encoding | None = None,
        on_coded: Callable[[int], None] | None = None,
    ) -> None:
        self._encoding = encoding = encoding or _loop_encoding()
        self._num_written = self._num_coded = 0
        self._on_coded = on_coded
        self._time_base = 1 / fps
        self._container = _as_os_error(lambda: _open(path))
        made = self._container.add_stream(encoding.encoder, rate=fps, options=encoding.options)
        stream = cast(VideoStream, made)
        stream.width, stream.height, stream.pix_fmt = width, height, encoding.pixel_format
        stream.time_base = self._time_base
        context = stream.codec_context
        context.codec_tag = encoding.tag
        context.color_primaries = encoding.colour.primaries
        context.color_trc = encoding.colour.transfer
        context.colorspace = encoding.colour.matrix
        context.color_range = LIMITED_RANGE
        self._stream = stream

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abandon()

    def add(self, frame: np.ndarray) -> None:
        """Encode one frame [H, W, 3] float32, display-referred in the encoding's colour, 0..1."""
        encoding, colour = self._encoding, self._encoding.colour
        planes = rgb_to_yuv420(
            frame, bits=encoding.bits, colour=colour, luma_offset=encoding.luma_offset
        )
        picture = av.VideoFrame.from_ndarray(planes, format=encoding.pixel_format)
        picture.color_primaries, picture.color_trc = colour.primaries, colour.transfer
        picture.colorspace = colour.matrix
        picture.color_range = LIMITED_RANGE
        picture.pts = self._num_written
        picture.time_base = self._time_base
        self._mux(picture)
        self._num_written += 1

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        self._mux(None)
        _as_os_error(self._container.close)

    def abandon(self) -> None:
        """Let go of the file, which is of no use any more; nothing to do when it is closed."""
        try:
            self._container.close()
        except (OSError, FFmpegError):
            return  # it is to be deleted: that it could not be finished changes nothing

    def _mux(self, picture: av.VideoFrame | None) -> None:
        packets = self._stream.codec_context.encode_lazy(picture)
        while (packet := _as_os_error(lambda: next(packets, None))) is not None:
            packet.stream = self._stream
            _as_os_error(partial(self._container.mux, packet))
            self._num_coded += 1
            if self._on_coded is not None:
                self._on_coded(self._num_coded)


def rgb_to_yuv420(
    frame: np.ndarray, *, bits: int = 8, colour: Colour = BT709, luma_offset: float = 0.0
) -> np.ndarray:
    """Planar Y'CbCr 4:2:0, limited range, of an ERP.

    Chroma is sited at the left luma sample of a pair (the default of H.264) and filtered 1-2-1
    along the ring, so that the seam gets no colour fringe.

    Args:
        frame: [H, W, 3] float32, display-referred, 0..1; H and W even.
        bits: A component.
        colour: Whose luma it is.
        luma_offset: Levels of 8 bits, added to luma before it is rounded.

    Returns:
        uint8, or uint16 from 9 bits on, [3 H / 2, W]: Y, then Cb, then Cr, as FFmpeg lays out
        yuv420p.

    Source: ITU-R BT.709-6, items 3.2 to 3.4; BT.2100-2, table 6 and 9.
    """
    height, width = frame.shape[:2]
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    luma = colour.red * red + (1.0 - colour.red - colour.blue) * green + colour.blue * blue
    planes = [_levels(16.0 + luma_offset + 219.0 * luma, bits)]
    for component, share in ((blue, colour.blue), (red, colour.red)):
        difference = (component - luma) * np.float32(0.5 / (1.0 - share))
        rows = 0.5 * (difference[0::2] + difference[1::2])
        sited = 0.5 * rows[:, 0::2] + 0.25 * (rows[:, 1::2] + np.roll(rows[:, 1::2], 1, axis=1))
        planes.append(_levels(128.0 + 224.0 * sited, bits))
    flat = np.concatenate([plane.reshape(-1) for plane in planes])
    return flat.reshape(height * 3 // 2, width)


def _levels(values: np.ndarray, bits: int) -> np.ndarray:
    """Values on the scale of 8 bits, rounded to whole levels of `bits`."""
    kind = np.uint8 if bits == 8 else np.uint16
    return np.clip(np.rint(values * 2.0 ** (bits - 8)), 0, 2**bits - 1).astype(kind)


def _open(path: Path) -> OutputContainer:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    return av.open(str(path), "w", format="mp4", options=options)


def _loop_encoding() -> Encoding:
    """Of `loop.mp4`, in every result."""
    x264 = {
        "bframes": 0,
        "keyint": GOP,
        "min-keyint": 1,
        "scenecut": 0,
        "open-gop": 0,
        "threads": THREADS,  # the bytes depend on it, so the machine may not choose
        "mbtree": 0,  # reads memory it never wrote: other bytes once in a while
        "lookahead-threads": 1,
        "sliced-threads": 0,
        "log-level": "none",
    }
    settings = ":".join(f"{name}={value}" for name, value in x264.items())
    options = {"preset": "medium", "crf": str(CRF), "x264-params": settings}
    return Encoding(encoder="libx264", tag="avc1", options=options, luma_offset=LOOP_LUMA_OFFSET)


def _as_os_error(action: Callable[[], T]) -> T:
    """Run `action`; what FFmpeg could not write is an OSError with its number."""
    try:
        return action()
    except FFmpegError as why:
        raise OSError(why.errno, why.strerror) from why
