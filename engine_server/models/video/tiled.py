"""A panorama in tiles that overlap across their borders, the seam included, and are cross-faded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of a grid of cells and the margin around it that is read with it.

    Attributes:
        rows, columns: Its own cells.
        margin: Cells around them, over the seam and over the poles.
    """

    rows: range
    columns: range
    margin: int


def plan_tiles(
    height: int, width: int, *, tile_hw: tuple[int, int], margin: int
) -> tuple[Tile, ...]:
    """Tiles of about equal size that cover a grid, none larger than `tile_hw`, row by row."""
    rows, columns = _cut(height, tile_hw[0]), _cut(width, tile_hw[1])
    least = min(len(part) for part in (*rows, *columns))
    margin = max(1, min(margin, least // 2))
    return tuple(Tile(rows=r, columns=c, margin=margin) for r in rows for c in columns)


def _cut(length: int, largest: int) -> list[range]:
    count = -(-length // largest)
    return [range(k * length // count, (k + 1) * length // count) for k in range(count)]


@dataclass
class TiledPicture:
    """Pictures of tiles, put together.

    Attributes:
        tiles: Of the whole panorama.
        height, width: Cells of the panorama.
        ratio: Pixels per cell along a side.
        disagreement: Mean absolute difference between tiles and what is made of them, where they
            overlap, over all that was blended so far.
    """

    tiles: tuple[Tile, ...]
    height: int
    width: int
    ratio: int
    disagreement: float = 0.0
    _count: int = 0
    _places: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = [self._place(tile) for tile in self.tiles]

    def blend(self, pictures: Sequence[Tensor]) -> Tensor:
        """The panorama ``[3, n, H, W]`` of the tiles' pictures with their margins.

        Weights add up to one everywhere; inside a tile its own picture stays as it is.
        """
        frames = pictures[0].shape[1]
        out = torch.zeros(3, frames, self.height * self.ratio, self.width * self.ratio)
        kept = []
        for picture, tile, (rows, columns, weight) in zip(
            pictures, self.tiles, self._places, strict=True
        ):
            inside = picture[:, :, self._rows_inside(tile)]
            kept.append(inside)
            shown = out[:, :, int(rows[0]) : int(rows[-1]) + 1]
            shown.index_add_(3, columns, inside * weight)  # a tile may show a column twice
        self._compare(kept, out)
        return out

    def _compare(self, kept: Sequence[Tensor], out: Tensor) -> None:
        total, cells = 0.0, 0
        for inside, (rows, columns, weight) in zip(kept, self._places, strict=True):
            shared = (weight > 0) & (weight < 1)
            difference = (inside - out[:, :, rows[:, None], columns]).abs().mean(dim=(0, 1))
            total += float(difference[shared].sum())
            cells += int(shared.sum())
        self._count += 1
        self.disagreement += (total / max(1, cells) - self.disagreement) / self._count

    def _rows_inside(self, tile: Tile) -> slice:
        """Rows of a tile's picture that lie on the panorama, not beyond a pole."""
        edge = tile.margin * self.ratio
        top = edge if tile.rows.start == 0 else 0
        stop = (len(tile.rows) + 2 * tile.margin) * self.ratio
        return slice(top, stop - edge if tile.rows.stop == self.height else stop)

    def _place(self, tile: Tile) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns of the panorama that a tile shows, and its weight there."""
        edge = tile.margin * self.ratio
        inside = self._rows_inside(tile)
        across = torch.arange((len(tile.columns) + 2 * tile.margin) * self.ratio)
        down = torch.arange(inside.start, inside.stop)
        weight_across = _ramp(across, len(across), edge)
        weight_down = _ramp(down, (len(tile.rows) + 2 * tile.margin) * self.ratio, edge)
        if tile.rows.start == 0:
            weight_down = torch.where(down < 2 * edge, 1.0, weight_down)
        if tile.rows.stop == self.height:
            last = (len(tile.rows) + 2 * tile.margin) * self.ratio - 2 * edge
            weight_down = torch.where(down >= last, 1.0, weight_down)
        rows = down + tile.rows.start * self.ratio - edge
        columns = (across + tile.columns.start * self.ratio - edge) % (self.width * self.ratio)
        return rows, columns, weight_down[:, None] * weight_across[None]


def _ramp(positions: Tensor, length: int, edge: int) -> Tensor:
    """1 inside, falling to 0 over the `2 * edge` pixels at both ends."""
    near = torch.minimum(positions, length - 1 - positions)
    return ((near + 0.5) / (2 * edge)).clamp(max=1.0)
