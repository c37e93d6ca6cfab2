"""The loop as an H.264 MP4 that every player and Blender read.

No B-frames, so that presentation times start at 0 and a player can append the file to itself
without a gap; short closed groups of pictures, so that scrubbing is quick; the index in front;
nothing in the file that differs between two makings of the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError

from ...shared.errors import InvalidJob

GOP = 12
CRF = 16
THREADS = 2
BT709 = 1
"""Code point of BT.709 for primaries, transfer and matrix (ITU-T H.273)."""
LIMITED_RANGE = 1
SLOWEST_FPS = 0.1

T = TypeVar("T")


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

    Raises:
        OSError: From any method: the file could not be written.
    """

    def __init__(self, path: Path, *, width: int, height: int, fps: Fraction) -> None:
        self._num_written = 0
        self._time_base = 1 / fps
        self._container = _as_os_error(lambda: _open(path))
        stream = self._container.add_stream("libx264", rate=fps, options=_codec_options())
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = self._time_base
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
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
        if kind is None:
            self.close()
        else:
            self.abandon()

    def add(self, frame: np.ndarray) -> None:
        """Encode one frame [H, W, 3] float32, display-referred sRGB, 0..1."""
        picture = av.VideoFrame.from_ndarray(rgb_to_yuv420(frame), format="yuv420p")
        picture.color_primaries = picture.color_trc = picture.colorspace = BT709
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
        """Let go of the file, which is of no use any more."""
        try:
            self._container.close()
        except (OSError, FFmpegError):
            return  # it is to be deleted: that it could not be finished changes nothing

    def _mux(self, picture: av.VideoFrame | None) -> None:
        _as_os_error(lambda: self._container.mux(self._stream.encode(picture)))


def rgb_to_yuv420(frame: np.ndarray) -> np.ndarray:
    """Planar 8-bit Y'CbCr 4:2:0, limited range, of an ERP.

    Chroma is sited at the left luma sample of a pair (the default of H.264) and filtered 1-2-1
    along the ring, so that the seam gets no colour fringe.

    Args:
        frame: [H, W, 3] float32, display-referred, 0..1; H and W even.

    Returns:
        uint8 [3 H / 2, W]: Y, then Cb, then Cr, as FFmpeg lays out yuv420p.

    Source: ITU-R BT.709-6, items 3.2 to 3.4. Differs in: values are sRGB-encoded, as is the custom
    for computer-made video.
    """
    height, width = frame.shape[:2]
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    planes = [_bytes(16.0 + 219.0 * luma)]
    for colour, span in ((blue, 1.8556), (red, 1.5748)):
        difference = (colour - luma) * np.float32(1.0 / span)
        rows = 0.5 * (difference[0::2] + difference[1::2])
        sited = 0.5 * rows[:, 0::2] + 0.25 * (rows[:, 1::2] + np.roll(rows[:, 1::2], 1, axis=1))
        planes.append(_bytes(128.0 + 224.0 * sited))
    flat = np.concatenate([plane.reshape(-1) for plane in planes])
    return flat.reshape(height * 3 // 2, width)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _open(path: Path) -> OutputContainer:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    return av.open(str(path), "w", format="mp4", options=options)


def _codec_options() -> dict[str, str]:
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
    return {"preset": "medium", "crf": str(CRF), "x264-params": settings}


def _as_os_error(action: Callable[[], T]) -> T:
    """Run `action`; what FFmpeg could not write is an OSError with its number."""
    try:
        return action()
    except FFmpegError as why:
        raise OSError(why.errno, why.strerror) from why
