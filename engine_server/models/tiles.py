"""A large panorama through a decoder in tiles, so that a device never holds all of it.

A tile is read with a margin as wide as the decoder can see, over the seam and over the poles, and
the margin of its picture is dropped: the tiles fit exactly, and neither seam nor pole shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ..panorama.erp import wrap_cells

TILE_HW = (64, 128)
"""Cells (height, width) of the largest tile, without its margin."""


def tiles(height: int, width: int) -> Iterator[tuple[range, range]]:
    """Rows and columns of the tiles of a grid."""
    for top in range(0, height, TILE_HW[0]):
        for left in range(0, width, TILE_HW[1]):
            yield (
                range(top, min(height, top + TILE_HW[0])),
                range(left, min(width, left + TILE_HW[1])),
            )


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
    panorama: Tensor, decode: Callable[[Tensor], Tensor], *, ratio: int, margin: int
) -> Tensor:
    """The picture ``[3, ratio * H, ratio * W]`` of a panorama ``[C, H, W]``, on the CPU.

    Args:
        panorama: Cells of one frame.
        decode: ``[C, h, w]`` -> ``[3, ratio * h, ratio * w]``, a tile with its margin.
        ratio: Pixels per cell along a side.
        margin: Cells that the decoder sees beyond one.
    """
    height, width = panorama.shape[-2:]
    margin = min(margin, height)
    picture = torch.empty(3, height * ratio, width * ratio)
    cut = margin * ratio
    for rows, columns in tiles(height, width):
        part = decode(with_margin(panorama, rows, columns, margin))
        picture[
            :,
            rows.start * ratio : rows.stop * ratio,
            columns.start * ratio : columns.stop * ratio,
        ] = part[:, cut : part.shape[1] - cut, cut : part.shape[2] - cut].cpu()
    return picture
