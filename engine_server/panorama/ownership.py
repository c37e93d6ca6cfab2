"""Who owns what: for any directions, the views in whose interior they lie deepest.

The depth of a direction inside a view is 0 at its border and 1 at its centre; a direction belongs
to the view in which it is deepest, the earlier one where two are equal. One view is looked at after
the other, and only at the rows that it can see, so that memory does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from . import erp


class Pinhole(Protocol):
    """An upright window onto the sphere, as `tables.View` is."""

    @property
    def yaw_deg(self) -> float: ...
    @property
    def pitch_deg(self) -> float: ...
    @property
    def fov_deg(self) -> float: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    def directions(self) -> erp.Floats:
        """Unit vectors ``[height, width, 3]`` of its cell centres."""
        ...


@dataclass(frozen=True, slots=True)
class Deepest:
    """The views in which N directions lie deepest, the deepest first; all ``[ranks, N]``.

    Attributes:
        view: Index of the view, -1 where so many views do not see the direction.
        depth: 0 at the border of the view, 1 at its centre; below 0 where it does not see it.
        across, down: Where in the view, -1..1.
    """

    view: erp.Ints
    depth: erp.Floats
    across: erp.Floats
    down: erp.Floats


def half_diagonal(view: Pinhole) -> float:
    """Angle in radians between the centre of a view and its corners."""
    return math.atan(
        math.tan(math.radians(view.fov_deg) / 2) * math.hypot(1, view.height / view.width)
    )


def rows_in_sight(view: Pinhole, height: int) -> tuple[int, int]:
    """First and last + 1 row of an ERP grid of `height` rows that a view can see part of."""
    reach = half_diagonal(view)
    pitch = math.radians(view.pitch_deg)
    first = math.floor((0.5 - (pitch + reach) / math.pi) * height)
    last = math.ceil((0.5 - (pitch - reach) / math.pi) * height)
    return max(0, first), min(height, last)


def seen_in(
    view: Pinhole, directions: erp.Floats
) -> tuple[erp.Ints, erp.Floats, erp.Floats, erp.Floats]:
    """Which of directions ``[N, 3]`` a view sees, and where: (index, across, down, depth)."""
    facing = directions @ erp.view_axes(view.yaw_deg, view.pitch_deg)[0]
    near = np.flatnonzero(facing > math.cos(half_diagonal(view)) - 1e-9)
    across, down = erp.view_coordinates(
        directions[near],
        yaw_deg=view.yaw_deg,
        pitch_deg=view.pitch_deg,
        fov_deg=view.fov_deg,
        aspect=view.height / view.width,
    )
    depth = 1 - np.maximum(np.abs(across), np.abs(down))
    inside = depth > 0
    return near[inside], across[inside], down[inside], depth[inside]


def deepest(
    views: Sequence[Pinhole],
    height: int,
    width: int,
    *,
    ranks: int = 1,
    rows: tuple[int, int] | None = None,
) -> Deepest:
    """The deepest views of every cell of an ERP grid, cells counted row by row.

    Args:
        views: The earlier one wins where two are equally deep.
        height, width: Of the grid.
        ranks: How many views of each cell are asked for.
        rows: First and last + 1 row wanted; None is all of them.
    """
    top, bottom = rows or (0, height)
    row, column = np.arange(top + 0.5, bottom), np.arange(0.5, width)
    angles = erp.pixels_to_angles(row[:, None], column[None], height=height, width=width)
    directions = erp.angles_to_directions(*angles).reshape(-1, 3)
    found = _nothing(ranks, len(directions))
    for index, view in enumerate(views):
        first, last = rows_in_sight(view, height)
        first, last = max(first, top) - top, min(last, bottom) - top
        if first < last:
            block = directions[first * width : last * width]
            seen, across, down, depth = seen_in(view, block)
            _insert(found, index, seen + first * width, across, down, depth)
    return found


def own_cells(views: Sequence[Pinhole]) -> Tensor:
    """Which cells of the views belong to the view they are in, bool ``[V, height, width]``.

    Where two views see the same direction equally deep, the cell belongs to both.
    """
    size = views[0].height * views[0].width
    directions = np.stack([view.directions() for view in views]).reshape(-1, 3)
    own_depth = np.zeros(len(directions))
    deepest_of = np.zeros(len(directions))
    for index, view in enumerate(views):
        seen, _, _, depth = seen_in(view, directions)
        deepest_of[seen] = np.maximum(deepest_of[seen], depth)
        mine = (seen >= index * size) & (seen < (index + 1) * size)
        own_depth[seen[mine]] = depth[mine]
    own = own_depth >= deepest_of - 1e-9
    return torch.from_numpy(own.reshape(len(views), views[0].height, views[0].width))


def _nothing(ranks: int, count: int) -> Deepest:
    return Deepest(
        np.full((ranks, count), -1, dtype=np.int64),
        np.full((ranks, count), -1.0),
        np.zeros((ranks, count)),
        np.zeros((ranks, count)),
    )


def _insert(
    found: Deepest,
    index: int,
    cells: erp.Ints,
    across: erp.Floats,
    down: erp.Floats,
    depth: erp.Floats,
) -> None:
    """Put view `index` into the order of the cells that it sees, in place."""
    entry = (np.full(len(cells), index), depth.copy(), across.copy(), down.copy())
    for rank in range(len(found.view)):
        rows = [array[rank] for array in _columns(found)]
        better = entry[1] > rows[1][cells]
        at = cells[better]
        for row, new in zip(rows, entry, strict=True):
            old = row[at]
            row[at] = new[better]
            new[better] = old


def _columns(found: Deepest) -> Iterator[np.ndarray]:
    yield from (found.view, found.depth, found.across, found.down)
