"""Tables that carry a panorama to views on the sphere and back.

A view is a square pinhole window onto the ERP grid. A `LookupTable`, built once in float64, holds
three maps:

* picture to views, bicubic: what is smooth on the sphere may be interpolated;
* noise to views, by area: white noise on the sphere is summed over the footprint of each view cell
  and scaled back to unit variance. Footprints do not overlap, so a view's noise is white; and views
  that overlap see the same noise wherever they look from. Nearest cells do not give that (they pick
  some and skip the rest, so that all but the finest grain changes from step to step), nor does
  interpolation (it shrinks the variance to 0.4);
* views to picture, bicubic: each ERP cell reads the view that owns it: the one in whose interior it
  lies deepest; with a feather also the runner-up, near the border only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from . import erp
from .ownership import Deepest, deepest, own_cells, rows_in_sight, seen_in

NOISE_FINENESS = 2
"""Noise cells across an ERP cell: fine enough that every cell of a view has noise of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An upright pinhole window: angles in degrees, size in cells; `fov_deg` spans the width."""

    yaw_deg: float
    pitch_deg: float
    fov_deg: float
    height: int
    width: int

    def directions(self) -> erp.Floats:
        """Unit vectors ``[height, width, 3]`` of the cell centres."""
        return erp.view_directions(
            yaw_deg=self.yaw_deg,
            pitch_deg=self.pitch_deg,
            fov_deg=self.fov_deg,
            height=self.height,
            width=self.width,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupTable:
    """Both ways between an ERP grid of H x W cells and V views of h x w cells.

    Weights are float32, indices int64. View cells are counted ``(v * h + row) * w + column``.

    Attributes:
        views: The V views.
        reads, read_weights: ERP cells that each view cell interpolates, ``[V * h * w, 16]``.
        noise_cells, noise_weights: Cells of the noise grid (`NOISE_FINENESS` times as fine as the
            ERP) in the footprint of each view cell, one after the other, ``[M]``; the squares of
            one footprint's weights sum to 1.
        noise_starts: Where in them each view cell's footprint begins, ``[V * h * w]``.
        taps, weights: View cells that each ERP cell interpolates, ``[H * W, K]``; rows sum to 1.
        owner: The view that owns each ERP cell, ``[H * W]``.
        own: The cells of each view that are its own, bool ``[V, h, w]``.
        elevation_rad: Pitch of every view cell, ``[V, h, w]``.
        azimuth_rad: Yaw of every view cell in the panorama, -pi..pi, ``[V, h, w]``.
        margin: Least depth of an owned cell inside its owner; 0 is the border, 1 the centre.
    """

    views: tuple[View, ...]
    height: int
    width: int
    reads: Tensor
    read_weights: Tensor
    noise_cells: Tensor
    noise_weights: Tensor
    noise_starts: Tensor
    taps: Tensor
    weights: Tensor
    owner: Tensor
    own: Tensor
    elevation_rad: Tensor
    azimuth_rad: Tensor
    margin: float

    def turned(self, columns: int) -> LookupTable:
        """The same table with every view turned right by a whole number of ERP columns."""
        if columns % self.width == 0:
            return self
        turn_deg = 360 * columns / self.width
        fine = self.width * NOISE_FINENESS
        return replace(
            self,
            views=tuple(_turned_view(view, turn_deg) for view in self.views),
            reads=_turned_cells(self.reads, columns, self.width),
            noise_cells=_turned_cells(self.noise_cells, columns * NOISE_FINENESS, fine),
            taps=self._turned_rows(self.taps, columns),
            weights=self._turned_rows(self.weights, columns),
            owner=self._turned_rows(self.owner, columns),
            azimuth_rad=_wrapped(self.azimuth_rad + np.radians(turn_deg)),
        )

    def _turned_rows(self, rows: Tensor, columns: int) -> Tensor:
        return rows.unflatten(0, (self.height, self.width)).roll(columns, dims=1).flatten(0, 1)


def _turned_cells(cells: Tensor, columns: int, width: int) -> Tensor:
    return cells - cells % width + (cells + columns) % width


def _wrapped(angle_rad: Tensor) -> Tensor:
    return torch.remainder(angle_rad + np.pi, 2 * np.pi) - np.pi


def _turned_view(view: View, turn_deg: float) -> View:
    return replace(view, yaw_deg=(view.yaw_deg + turn_deg + 180) % 360 - 180)


def build_table(
    views: tuple[View, ...], *, height: int, width: int, feather: float = 0.0
) -> LookupTable:
    """The lookup table of a set of views of one size over an ERP grid.

    Args:
        views: Views that together cover the sphere.
        height: Rows of the ERP grid.
        width: Columns of the ERP grid, even.
        feather: Width of the blend across a border as a fraction of a view's half-width; 0 is none.
    """
    found = deepest(views, height, width, ranks=2 if feather > 0 else 1)
    margin = float(found.depth[0].min())
    least = 1 / min(views[0].height, views[0].width)
    assert margin >= least - 1e-9, (
        f"a cell lies {margin:.3f} deep in its owner, inside needs {least:.3f}"
    )
    taps, weights = _read_back(views[0], found.view[0], found.across[0], found.down[0])
    if feather > 0:
        taps, weights = _feathered(views[0], found, taps, weights, feather)
    directions = np.stack([view.directions() for view in views])
    azimuth, elevation = erp.directions_to_angles(directions)
    reads, read_weights = erp.bicubic_taps(directions.reshape(-1, 3), height=height, width=width)
    fine = (height * NOISE_FINENESS, width * NOISE_FINENESS)
    noise_cells, noise_weights, noise_starts = _footprints(views, *fine)
    return LookupTable(
        views=views,
        height=height,
        width=width,
        reads=torch.from_numpy(reads),
        read_weights=torch.from_numpy(read_weights.astype(np.float32)),
        noise_cells=torch.from_numpy(noise_cells),
        noise_weights=torch.from_numpy(noise_weights.astype(np.float32)),
        noise_starts=torch.from_numpy(noise_starts),
        taps=torch.from_numpy(taps),
        weights=torch.from_numpy(weights.astype(np.float32)),
        owner=torch.from_numpy(found.view[0]),
        own=own_cells(views),
        elevation_rad=torch.from_numpy(elevation.astype(np.float32)),
        azimuth_rad=torch.from_numpy(azimuth.astype(np.float32)),
        margin=margin,
    )


def _footprints(
    views: tuple[View, ...], height: int, width: int
) -> tuple[erp.Ints, erp.Floats, erp.Ints]:
    """Cells of a noise grid inside each view cell, weighted by the root of their area.

    A view cell that holds the centre of no noise cell takes the nearest.
    """
    directions = erp.cell_directions(height, width).reshape(-1, 3)
    areas = erp.cell_areas(height, width).reshape(-1)
    found_cells, found_owners = [], []
    for k, view in enumerate(views):
        first, last = rows_in_sight(view, height)
        seen, across, down, _ = seen_in(view, directions[first * width : last * width])
        row = ((down + 1) / 2 * view.height).astype(np.int64)
        column = ((across + 1) / 2 * view.width).astype(np.int64)
        own = row * view.width + column
        empty = np.setdiff1d(np.arange(view.height * view.width), own)
        nearest = erp.nearest_cells(view.directions(), height=height, width=width).reshape(-1)
        found_cells += [seen + first * width, nearest[empty]]
        found_owners += [own + k * view.height * view.width, empty + k * view.height * view.width]
    cells, owners = np.concatenate(found_cells), np.concatenate(found_owners)
    order = np.argsort(owners, kind="stable")
    cells, owners = cells[order], owners[order]
    total = np.bincount(owners, weights=areas[cells])
    starts = np.searchsorted(owners, np.arange(len(total)))
    return cells, np.sqrt(areas[cells] / total[owners]), starts


def _axis_taps(position: erp.Floats, size: int) -> tuple[erp.Ints, erp.Floats]:
    """Four cells and weights ``[cells, 4]`` along one side of a view, within it.

    A tap beyond the border is replaced by the straight line through the two cells inside it.
    """
    first = np.clip(np.floor(position), 0, size - 2).astype(np.int64)
    weights = erp.cubic_weights(np.clip(position - first, 0, 1))
    beyond = np.where(first == 0, weights[:, 0], 0.0)
    weights[:, :3] += beyond[:, None] * np.array([-1, 2, -1])
    beyond = np.where(first == size - 2, weights[:, 3], 0.0)
    weights[:, 1:] += beyond[:, None] * np.array([-1, 2, -1])
    return np.clip(first[:, None] + np.arange(-1, 3), 0, size - 1), weights


def _read_back(
    view: View, chosen: erp.Ints, across: erp.Floats, down: erp.Floats
) -> tuple[erp.Ints, erp.Floats]:
    """Bicubic taps and weights ``[cells, 16]`` of each cell in its chosen view."""
    columns, right = _axis_taps((across + 1) / 2 * view.width - 0.5, view.width)
    rows, lower = _axis_taps((down + 1) / 2 * view.height - 0.5, view.height)
    rows = chosen[:, None] * view.height + rows
    taps = rows[:, :, None] * view.width + columns[:, None, :]
    weights = lower[:, :, None] * right[:, None, :]
    return taps.reshape(-1, 16), weights.reshape(-1, 16)


def _feathered(
    view: View, found: Deepest, taps: erp.Ints, weights: erp.Floats, feather: float
) -> tuple[erp.Ints, erp.Floats]:
    """The owner's taps and, for a cell also inside the runner-up, that one's."""
    near, far = found.depth
    share = np.clip(0.5 - (near - far) / (2 * feather), 0, 0.5)
    share = np.where(far >= 1 / min(view.height, view.width), share, 0.0)
    rank, cell = (share > 0).astype(np.int64), np.arange(len(share))
    extra_taps, extra_weights = _read_back(
        view, found.view[rank, cell], found.across[rank, cell], found.down[rank, cell]
    )
    return (
        np.concatenate([taps, extra_taps], axis=1),
        np.concatenate([weights * (1 - share)[:, None], extra_weights * share[:, None]], axis=1),
    )
