"""Pictures of views, put together as one equirectangular picture.

Every pixel takes the view in which it lies deepest; across a border the picture fades over a narrow
feather, so that neither a step nor a double image shows. All views lie side by side in one sheet,
which is read at one place for every pixel, and at two more inside the feather.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .ownership import Deepest, Pinhole, deepest

FEATHER = 0.06
"""Half-width of the fade across a border, as a share of a view's half-width."""

BORDER_PX = 2
"""Pixels repeated around each view on the sheet: what the interpolation reaches."""

RANKS = 3
MOST_SAMPLES = 4
STRIP = 4096
BLOCK_PIXELS = 2**18
Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All views' pictures side by side: `across` in a row, each `height` x `width` pixels."""

    across: int
    height: int
    width: int

    @staticmethod
    def of(num_views: int, view_px: tuple[int, int]) -> Sheet:
        """A sheet for so many pictures, about as wide as high."""
        return Sheet(math.ceil(math.sqrt(num_views)), *view_px)

    def filled(self, pictures: Sequence[Picture]) -> Picture:
        """The sheet of pictures ``[height, width, 3]``, their borders repeated outwards."""
        height, width = self.height + 2 * BORDER_PX, self.width + 2 * BORDER_PX
        down = math.ceil(len(pictures) / self.across)
        sheet = np.zeros((down * height, self.across * width, 3), dtype=np.float32)
        for index, picture in enumerate(pictures):
            top, left = index // self.across * height, index % self.across * width
            sheet[top : top + height, left : left + width] = cv2.copyMakeBorder(
                picture, BORDER_PX, BORDER_PX, BORDER_PX, BORDER_PX, cv2.BORDER_REPLICATE
            )
        return sheet

    def places(self, found: Deepest) -> Picture:
        """Where on it directions are read: (column, row), ``[2, ranks, N]``."""
        view = np.maximum(found.view, 0)
        column = (found.across + 1) / 2 * self.width - 0.5 + BORDER_PX
        column += view % self.across * (self.width + 2 * BORDER_PX)
        row = (found.down + 1) / 2 * self.height - 0.5 + BORDER_PX
        row += view // self.across * (self.height + 2 * BORDER_PX)
        return np.stack([column, row]).astype(np.float32)


class ViewBlend:
    """How pictures of `views` become one ERP picture of `height` x `width` pixels.

    Args:
        views: Where the views look; together they cover the sphere.
        view_px: Pixels (height, width) of each view's picture.
        height, width: Pixels of the panorama.
        feather: See `FEATHER`.
    """

    def __init__(
        self,
        views: Sequence[Pinhole],
        *,
        view_px: tuple[int, int],
        height: int,
        width: int,
        feather: float = FEATHER,
    ) -> None:
        self._size = (height, width)
        self._finer = finer_than_pixels(views[0], view_px=view_px, width=width)
        self._sheet = Sheet.of(len(views), view_px)
        tall, wide = height * self._finer, width * self._finer
        owners, others, faded, weights = [], [], [], []
        for rows in _row_blocks(tall, wide):
            found = deepest(views, tall, wide, ranks=RANKS, rows=rows)
            assert int(found.view[0].min()) >= 0, "the views do not cover the sphere"
            places, share = self._sheet.places(found), _weights(found, feather)
            mixed = np.flatnonzero(share[1] > 0)
            owners.append(places[:, 0])
            others.append(places[:, 1:, mixed])
            faded.append(mixed + rows[0] * wide)
            weights.append(share[:, mixed].astype(np.float32))
        self._owners = np.concatenate(owners, axis=-1)
        self._others = np.concatenate(others, axis=-1)
        self._faded = np.concatenate(faded)
        self._weights = np.concatenate(weights, axis=-1)

    def __call__(self, pictures: Sequence[Picture]) -> Picture:
        """The panorama ``[height, width, 3]`` of the views' pictures ``[h, w, 3]``, float32."""
        sheet = self._sheet.filled(pictures)
        out = _read(sheet, self._owners)
        mixed = out[self._faded] * self._weights[0][:, None]
        for rank in range(1, RANKS):
            mixed += _read(sheet, self._others[:, rank - 1]) * self._weights[rank][:, None]
        out[self._faded] = mixed
        height, width = self._size
        out = out.reshape(height * self._finer, width * self._finer, 3)
        if self._finer > 1:
            out = cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA)
        return out.astype(np.float32, copy=False)


def finer_than_pixels(view: Pinhole, *, view_px: tuple[int, int], width: int) -> int:
    """How many samples a side a pixel of the panorama needs where a view is densest: its border.

    At most `MOST_SAMPLES`, for pictures far smaller than the views would allow.
    """
    half = math.tan(math.radians(view.fov_deg) / 2)
    pixels_per_rad = view_px[1] / (2 * half) * (1 + half**2)
    needed = math.ceil(pixels_per_rad / (width / (2 * math.pi)) - 0.1)
    return min(MOST_SAMPLES, max(1, needed))


def _row_blocks(height: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, BLOCK_PIXELS // width)
    for first in range(0, height, step):
        yield first, min(height, first + step)


def _read(sheet: Picture, places: Picture) -> Picture:
    """The sheet at N places ``[2, N]``, bicubic, ``[N, 3]``; in strips that OpenCV takes."""
    count = places.shape[1]
    strips = np.pad(places, ((0, 0), (0, -count % STRIP))).reshape(2, -1, STRIP)
    if not strips.size:
        return np.zeros((0, 3), dtype=np.float32)
    read = cv2.remap(sheet, strips[0], strips[1], cv2.INTER_CUBIC)
    return read.reshape(-1, 3)[:count].astype(np.float32, copy=False)


def _weights(found: Deepest, feather: float) -> NDArray[np.float64]:
    """Share of each of the deepest views in a pixel, ``[ranks, N]``; columns sum to 1.

    It falls with how much deeper the pixel lies in the deepest view, and towards a view's border.
    """
    behind = found.depth[0] - found.depth
    share = np.clip(1 - behind / max(feather, 1e-9), 0, 1)
    share[1:] *= np.clip(found.depth[1:] / max(feather, 1e-9), 0, 1)
    return share / share.sum(axis=0)
