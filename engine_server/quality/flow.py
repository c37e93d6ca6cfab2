"""Classical optical flow between frames that continue around their edges.

Dense inverse search (DIS) on greys, at OpenCV's preset "medium", with one thread, so that the same
frames give the same figures. Every name of a figure that rests on it says so: it is not the learned
flow (RAFT, AMT) of the benchmarks it is modelled on, and the numbers cannot be mixed.

Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", as in OpenCV.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..flow_search import FlowSearch
from .canvas import Canvas

MIN_SIDE_PX = 16
"""Smaller pictures have no flow: the search needs a few patches of 8 pixels."""
PAD_SHARE = 16
"""A sixteenth of the width is added on every side, so that motion may cross an edge."""


class FlowField:
    """Finds flow between working copies of a video.

    Args:
        canvas: Of the video.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._search = FlowSearch()
        height, width = canvas.work_size
        self._pad = max(width // PAD_SHARE, 4) if height > 4 else 0
        self._pad_rows = min(self._pad, height // 2)
        self._grid = grid(height, width)
        self._latest: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def between(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Flow [h, w, 2] (right, down) in pixels from grey `before` to grey `after`, uint8.

        Several figures ask for the same pair in turn: the latest answer is kept.
        """
        latest = self._latest
        if latest is None or latest[0] is not before or latest[1] is not after:
            latest = self._latest = (before, after, self._searched(before, after))
        return latest[2]

    def _searched(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        height, width = before.shape
        if min(height, width) < MIN_SIDE_PX or np.array_equal(before, after):
            return np.zeros((height, width, 2), np.float32)
        old = self._canvas.padded(before, rows=self._pad_rows, columns=self._pad)
        new = self._canvas.padded(after, rows=self._pad_rows, columns=self._pad)
        flow = self._search.between(old, new)
        top, left = self._pad_rows, self._pad
        return np.ascontiguousarray(flow[top : top + height, left : left + width])

    def of_view(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Flow of a square view that ends at its edges, greys uint8."""
        if min(before.shape) < MIN_SIDE_PX or np.array_equal(before, after):
            return np.zeros((*before.shape, 2), np.float32)
        return self._search.between(before, after)

    def degrees(self, flow: np.ndarray) -> np.ndarray:
        """Flow in pixels as degrees of arc [h, w, 2]: to the right and downwards."""
        across, down = self._canvas.degrees_per_px
        return np.stack([flow[..., 0] * across, flow[..., 1] * np.float32(down)], axis=-1)

    def sampled(self, image: np.ndarray, flow: np.ndarray, share: float) -> np.ndarray:
        """`image` read at x + share * flow(x), bilinear, over the edges: uint8 as float32."""
        pad, rows = self._pad, self._pad_rows
        around = self._canvas.padded(image, rows=rows, columns=pad).astype(np.float32)
        places = self._grid + np.float32(share) * flow
        # Two maps: OpenCV 5.0 reads a map of two channels wrongly with this kind of sampling.
        across, down = places[..., 0] + np.float32(pad), places[..., 1] + np.float32(rows)
        return cv2.remap(around, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def splatted(self, image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`image` pushed along `flow` to the nearest pixels, and where anything arrived [h, w]."""
        height, width = flow.shape[:2]
        column = np.rint(self._grid[..., 0] + flow[..., 0]).astype(np.int64)
        row = np.rint(self._grid[..., 1] + flow[..., 1]).astype(np.int64)
        inside = (row >= 0) & (row < height)
        if self._canvas.ring:
            column %= width
        else:
            inside &= (column >= 0) & (column < width)
        target = (row * width + column)[inside]
        pushed = np.zeros_like(image)
        pushed.reshape(height * width, -1)[target] = image[inside]
        arrived = np.zeros(height * width, bool)
        arrived[target] = True
        return pushed, arrived.reshape(height, width)


def grid(height: int, width: int) -> np.ndarray:
    """Pixel coordinates [h, w, 2] (x, y) float32."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def speeds(degrees: np.ndarray) -> np.ndarray:
    """Length of vectors [..., 2]."""
    return np.sqrt(np.square(degrees[..., 0]) + np.square(degrees[..., 1]))
