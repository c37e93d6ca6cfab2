"""A large panorama through an encoder or decoder in tiles: a device never holds all of it.

A tile is read with a margin as wide as the network can see, over the seam and over the poles, and
the margin of its picture is dropped: the tiles fit exactly, and neither seam nor pole shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..panorama.erp import wrap_cells

TILE_HW = (64, 128)
"""Cells (height, width) of the largest tile, without its margin."""


def tile_side(window: int, margin: int) -> int:
    """Cells across a tile that with its margin is no larger than a window of so many, so that
    coding a panorama takes no more than coding a window; at least as wide as its margin."""
    return max(window - 2 * margin, margin)


def tiles(
    height: int, width: int, tile_hw: tuple[int, int] | None = None
) -> Iterator[tuple[range, range]]:
    """Rows and columns of the tiles of a grid, of at most `tile_hw` cells (None: `TILE_HW`)."""
    down, across = TILE_HW if tile_hw is None else tile_hw
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield range(top, min(height, top + down)), range(left, min(width, left + across))


def with_margin(panorama: Tensor, rows: range, columns: range, margin: int) -> Tensor:
    """A tile of a panorama ``[..., H, W]`` and `margin` cells around it, over seam and poles."""
    height, width = panorama.shape[-2:]
    row, column = np.meshgrid(
        np.arange(rows.start - margin, rows.stop + margin),
        np.arange(columns.start - margin, columns.stop + margin),
        indexing="ij",
    )
    row, column = wrap_cells(row, column, height=height, width=width)
    return panorama[..., torch.from_numpy(row), torch.from_numpy(column)]


def decode_in_tiles(
    panorama: Tensor,
    decode: Callable[[Tensor], Tensor],
    *,
    ratio: int,
    margin: int,
    tile_hw: tuple[int, int] | None = None,
) -> Tensor:
    """The picture ``[3, ratio * H, ratio * W]`` of a panorama ``[C, H, W]``, on the CPU.

    Args:
        panorama: Cells of one frame.
        decode: ``[C, h, w]`` -> ``[3, ratio * h, ratio * w]``, a tile with its margin.
        ratio: Pixels per cell along a side.
        margin: Cells that the decoder sees beyond one.
        tile_hw: See `tiles`.
    """
    height, width = panorama.shape[-2:]
    margin = min(margin, height)
    picture = torch.empty(3, height * ratio, width * ratio)
    cut = margin * ratio
    for rows, columns in tiles(height, width, tile_hw):
        part = decode(with_margin(panorama, rows, columns, margin))
        picture[
            :,
            rows.start * ratio : rows.stop * ratio,
            columns.start * ratio : columns.stop * ratio,
        ] = part[:, cut : part.shape[1] - cut, cut : part.shape[2] - cut].cpu()
    return picture


def encode_in_tiles(
    picture: Tensor,
    encode: Callable[[Tensor], Tensor],
    *,
    ratio: int,
    margin: int,
    tile_hw: tuple[int, int] | None = None,
) -> Tensor:
    """The cells ``[C, H / ratio, W / ratio]`` of a panorama's picture ``[3, H, W]``, on the CPU.

    Args:
        picture: One frame.
        encode: ``[3, ratio * h, ratio * w]`` -> ``[C, h, w]``, a tile with its margin.
        ratio: Pixels per cell along a side.
        margin: Cells that the encoder sees beyond one.
        tile_hw: See `tiles`.
    """
    height, width = (side // ratio for side in picture.shape[-2:])
    margin = min(margin, height)
    bands: list[list[Tensor]] = []
    for rows, columns in tiles(height, width, tile_hw):
        if columns.start == 0:
            bands.append([])
        seen = with_margin(picture, scaled(rows, ratio), scaled(columns, ratio), margin * ratio)
        part = encode(seen)
        inner = part[:, margin : part.shape[1] - margin, margin : part.shape[2] - margin]
        bands[-1].append(inner.cpu())
    return torch.cat([torch.cat(band, dim=2) for band in bands], dim=1)


def scaled(cells: range, ratio: int) -> range:
    """The pixels of a range of cells."""
    return range(cells.start * ratio, cells.stop * ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTile:
    """A tile of a flat picture and what is around it.

    Attributes:
        rows, columns: Its cells.
        seen_rows, seen_columns: Those of the tile with its margin, in order; on a ring wrapped.
        top, left: Cells of margin above it and to its left.
    """

    rows: range
    columns: range
    seen_rows: Sequence[int]
    seen_columns: Sequence[int]
    top: int
    left: int

    def read(self, picture: Tensor, ratio: int = 1) -> Tensor:
        """The tile with its margin out of a picture ``[..., ratio * H, ratio * W]``."""
        rows, columns = (_pixels(cells, ratio) for cells in (self.seen_rows, self.seen_columns))
        return picture.index_select(-2, rows).index_select(-1, columns)

    def inside(self, part: Tensor, ratio: int = 1) -> Tensor:
        """The tile without its margin, out of what was made of `read`."""
        top, left = self.top * ratio, self.left * ratio
        height, width = len(self.rows) * ratio, len(self.columns) * ratio
        return part[..., top : top + height, left : left + width]

    def write(self, picture: Tensor, part: Tensor, ratio: int = 1) -> None:
        """Put it into a picture ``[..., ratio * H, ratio * W]``, without its margin."""
        rows, columns = scaled(self.rows, ratio), scaled(self.columns, ratio)
        place = picture[..., rows.start : rows.stop, columns.start : columns.stop]
        place.copy_(self.inside(part, ratio))


def flat_tiles(
    height: int,
    width: int,
    *,
    margin: int,
    ring: bool,
    tile_hw: tuple[int, int] | None = None,
) -> Iterator[FlatTile]:
    """Tiles of a flat picture of ``height`` x ``width`` cells, with up to `margin` around each.

    Beyond an edge there is nothing: the network sees the edge as it would of the whole picture. A
    tile with its margin is no higher than one that is the whole height.
    """
    beyond = min(margin, width)
    down, across = TILE_HW if tile_hw is None else tile_hw
    if height > down:
        down = max(1, down - 2 * margin)
    for rows, columns in tiles(height, width, (down, across)):
        seen_rows = range(max(0, rows.start - margin), min(height, rows.stop + margin))
        seen = range(columns.start - beyond, columns.stop + beyond)
        if not ring:
            seen = range(max(0, seen.start), min(width, seen.stop))
        yield FlatTile(
            rows=rows,
            columns=columns,
            seen_rows=seen_rows,
            seen_columns=[column % width for column in seen],
            top=rows.start - seen_rows.start,
            left=columns.start - seen.start,
        )


def _pixels(cells: Sequence[int], ratio: int) -> Tensor:
    return (torch.tensor(cells)[:, None] * ratio + torch.arange(ratio)).flatten()
