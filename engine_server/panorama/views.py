"""Views on the sphere and the tables that carry a panorama to them and back.

A view is a square pinhole window onto the ERP grid. `ViewPlan` says which views each denoising
step uses: two layouts in turn, turned by a whole number of columns and tipped by a small angle that
change every step, so that no border stays where it was. For each a `LookupTable`, built once in
float64, holds

* `gather`: for every cell of every view the nearest ERP cell (noise must not be interpolated), and
* `taps`, `weights`: for every ERP cell four bilinear taps into the view that owns it: the one in
  whose interior it lies deepest; with a feather also four into the runner-up, near the border only.

Density: with views of ``tan(fov / 2) = 4 n / W`` (n cells across a view, W columns around the
sphere) the ERP is 4/pi = 1.27 times as dense as the centre of a view: 90 degrees for 16 cells and
64 columns, 53 degrees at 128 columns. Wider views see more around them and sample the sphere more
coarsely; `plan_views` refuses what is denser than 2 or sparser than 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...shared.errors import InvalidJob
from . import erp
from .layouts import Layout, find_layouts

PITCH_OFFSETS_DEG = (0.0, 2.5, -2.5)
NOMINAL_DENSITY = 4 / math.pi
DENSITY_RANGE = (0.99, 2.0)
MARGIN_CELLS = 0.5


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

    Attributes:
        views: The V views.
        gather: Flat ERP cell of every view cell, int64 ``[V, h * w]``.
        taps: Flat view cells ``(v * h + row) * w + column`` that every ERP cell reads, int64
            ``[H * W, K]``.
        weights: Their weights, not negative, rows sum to 1, float32 ``[H * W, K]``.
        owner: The view that owns each ERP cell, int64 ``[H * W]``.
        elevation_rad: Pitch of every view cell, float32 ``[V, h, w]``.
        margin: Least depth of an owned cell inside its owner; 0 is the border, 1 the centre.
    """

    views: tuple[View, ...]
    height: int
    width: int
    gather: Tensor
    taps: Tensor
    weights: Tensor
    owner: Tensor
    elevation_rad: Tensor
    margin: float

    def turned(self, columns: int) -> LookupTable:
        """The same table with every view turned right by a whole number of ERP columns."""
        if columns % self.width == 0:
            return self
        row = self.gather // self.width
        column = (self.gather + columns) % self.width
        turn_deg = 360 * columns / self.width
        grid = (self.height, self.width)
        return LookupTable(
            views=tuple(_turned_view(view, turn_deg) for view in self.views),
            height=self.height,
            width=self.width,
            gather=row * self.width + column,
            taps=self.taps.unflatten(0, grid).roll(columns, dims=1).flatten(0, 1),
            weights=self.weights.unflatten(0, grid).roll(columns, dims=1).flatten(0, 1),
            owner=self.owner.unflatten(0, grid).roll(columns, dims=1).flatten(),
            elevation_rad=self.elevation_rad,
            margin=self.margin,
        )


def _turned_view(view: View, turn_deg: float) -> View:
    return View(
        yaw_deg=(view.yaw_deg + turn_deg + 180) % 360 - 180,
        pitch_deg=view.pitch_deg,
        fov_deg=view.fov_deg,
        height=view.height,
        width=view.width,
    )


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
    cells = erp.cell_directions(height, width).reshape(-1, 3)
    across = np.empty((len(views), len(cells)))
    down = np.empty_like(across)
    for k, view in enumerate(views):
        across[k], down[k] = erp.view_coordinates(
            cells,
            yaw_deg=view.yaw_deg,
            pitch_deg=view.pitch_deg,
            fov_deg=view.fov_deg,
            aspect=view.height / view.width,
        )
    depth = 1 - np.maximum(np.abs(across), np.abs(down))
    owner = depth.argmax(axis=0)
    margin = float(depth.max(axis=0).min())
    least = 1 / min(views[0].height, views[0].width)
    assert margin >= least - 1e-9, (
        f"a cell lies {margin:.3f} deep in its owner, inside needs {least:.3f}"
    )
    taps, weights = _read_back(views[0], owner, across, down)
    if feather > 0:
        taps, weights = _feathered(views[0], depth, across, down, taps, weights, feather)
    directions = np.stack([view.directions() for view in views])
    gather = erp.nearest_cells(directions, height=height, width=width)
    elevation = erp.directions_to_angles(directions)[1]
    return LookupTable(
        views=views,
        height=height,
        width=width,
        gather=torch.from_numpy(gather.reshape(len(views), -1)),
        taps=torch.from_numpy(taps),
        weights=torch.from_numpy(weights.astype(np.float32)),
        owner=torch.from_numpy(owner),
        elevation_rad=torch.from_numpy(elevation.astype(np.float32)),
        margin=margin,
    )


def _read_back(
    view: View, chosen: erp.Ints, across: erp.Floats, down: erp.Floats
) -> tuple[erp.Ints, erp.Floats]:
    """Bilinear taps and weights ``[cells, 4]`` of each cell in its chosen view."""
    cell = np.arange(len(chosen))
    column = (across[chosen, cell] + 1) / 2 * view.width - 0.5
    row = (down[chosen, cell] + 1) / 2 * view.height - 0.5
    left = np.clip(np.floor(column), 0, view.width - 2).astype(np.int64)
    top = np.clip(np.floor(row), 0, view.height - 2).astype(np.int64)
    right, lower = np.clip(column - left, 0, 1), np.clip(row - top, 0, 1)
    base = (chosen * view.height + top) * view.width + left
    taps = base[:, None] + np.array([0, 1, view.width, view.width + 1])
    weights = np.stack(
        [(1 - lower) * (1 - right), (1 - lower) * right, lower * (1 - right), lower * right],
        axis=-1,
    )
    return taps, weights


def _feathered(
    view: View,
    depth: erp.Floats,
    across: erp.Floats,
    down: erp.Floats,
    taps: erp.Ints,
    weights: erp.Floats,
    feather: float,
) -> tuple[erp.Ints, erp.Floats]:
    """Eight taps: the owner's four and, for a cell also inside the runner-up, that one's."""
    second, first = np.argsort(depth, axis=0, kind="stable")[-2:]
    cell = np.arange(depth.shape[1])
    near, far = depth[first, cell], depth[second, cell]
    share = np.clip(0.5 - (near - far) / (2 * feather), 0, 0.5)
    share = np.where(far >= 1 / min(view.height, view.width), share, 0.0)
    usable = np.where(share > 0, second, first)
    extra_taps, extra_weights = _read_back(view, usable, across, down)
    return (
        np.concatenate([taps, extra_taps], axis=1),
        np.concatenate([weights * (1 - share)[:, None], extra_weights * share[:, None]], axis=1),
    )


def fov_for(*, latent_width: int, window: int, density: float = NOMINAL_DENSITY) -> float:
    """Field of view in degrees at which the ERP is `density` times as dense as a view's centre."""
    return 2 * math.degrees(math.atan(density * math.pi * window / latent_width))


def density_of(*, latent_width: int, window: int, fov_deg: float) -> float:
    """How many times denser the ERP grid is at the horizon than a view at its centre."""
    return math.tan(math.radians(fov_deg) / 2) * latent_width / (math.pi * window)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPlan:
    """The moving view sets of one stage. `table(step)` is what a step needs; tables are cached."""

    latent_width: int
    latent_height: int
    window_hw: tuple[int, int]
    fov_deg: float
    layouts: tuple[Layout, ...]
    stride: int
    feather: float
    pitch_offsets_deg: tuple[float, ...]

    @property
    def view_counts(self) -> tuple[int, ...]:
        """Views a step, one number for each layout."""
        return tuple(layout.count for layout in self.layouts)

    def offset(self, step: int) -> tuple[int, float, int]:
        """(layout index, pitch offset in degrees, yaw offset in columns) of a step."""
        layout = step % len(self.layouts)
        pitch = self.pitch_offsets_deg[(step // len(self.layouts)) % len(self.pitch_offsets_deg)]
        return layout, pitch, step * self.stride % self.latent_width

    def table(self, step: int) -> LookupTable:
        """The lookup table of a step, on the CPU."""
        layout, pitch_deg, columns = self.offset(step)
        return _base_table(self, layout, pitch_deg).turned(columns)


@lru_cache(maxsize=32)
def _base_table(plan: ViewPlan, layout: int, pitch_offset_deg: float) -> LookupTable:
    height, width = plan.window_hw
    views = tuple(
        View(yaw_deg=yaw, pitch_deg=pitch, fov_deg=plan.fov_deg, height=height, width=width)
        for yaw, pitch in plan.layouts[layout].angles(pitch_offset_deg)
    )
    return build_table(
        views, height=plan.latent_height, width=plan.latent_width, feather=plan.feather
    )


def coprime_stride(length: int, spacing: float) -> int:
    """A stride near the golden share of `spacing`, coprime with `length`: visits every offset."""
    wanted = max(1.0, 0.381966 * spacing)
    candidates = [n for n in range(1, length + 1) if math.gcd(n, length) == 1]
    return min(candidates, key=lambda n: (abs(n - wanted), n))


@lru_cache(maxsize=32)
def plan_views(
    *,
    latent_width: int,
    latent_height: int,
    window_hw: tuple[int, int] = (16, 16),
    fov_deg: float | None = None,
    margin_cells: float = MARGIN_CELLS,
    feather: float = 0.0,
    pitch_offsets_deg: tuple[float, ...] = PITCH_OFFSETS_DEG,
) -> ViewPlan:
    """Choose the views of a stage.

    Args:
        latent_width: ERP columns, even, twice the rows.
        latent_height: ERP rows.
        window_hw: Cells of a view (height, width); square.
        fov_deg: Field of view; None chooses it by the density rule.
        margin_cells: Cells from its border that a view may not own; at least half a cell.
        feather: See `build_table`.
        pitch_offsets_deg: The tilts that steps take in turn.

    Raises:
        InvalidJob: The grid is not 2:1, the window not square, or the views would sample the sphere
            askew; `details["nearest"]` is the field of view that fits.
    """
    height, width = window_hw
    if latent_width != 2 * latent_height or latent_width % 2 or latent_height < 1:
        raise InvalidJob(
            f"A panorama is twice as wide as high; got {latent_width}x{latent_height} cells.",
            field="width",
        )
    if height != width:
        raise InvalidJob(f"Views must be square; got {height}x{width} cells.", field="model")
    fitting = fov_for(latent_width=latent_width, window=width)
    fov_deg = fitting if fov_deg is None else fov_deg
    density = density_of(latent_width=latent_width, window=width, fov_deg=fov_deg)
    if not DENSITY_RANGE[0] <= density <= DENSITY_RANGE[1]:
        raise InvalidJob(
            f"Views of {fov_deg:.1f} degrees do not fit a panorama of {latent_width} columns: "
            f"its grid would be {density:.2f} times as dense as theirs. "
            f"Use {fitting:.1f} degrees.",
            field="stages",
            nearest=fitting,
        )
    margin = max(margin_cells, 0.5) * 2 / width
    reach = math.tan(math.radians(fov_deg) / 2) * (1 - margin)
    layouts = find_layouts(reach, tuple(pitch_offsets_deg))
    if not layouts:
        raise InvalidJob(
            f"No set of {fov_deg:.1f}-degree views covers the sphere with a margin of "
            f"{margin_cells:.2f} cells.",
            field="stages",
            nearest=fitting,
        )
    spacing = latent_width / max(row.count for row in layouts[0].rows)
    return ViewPlan(
        latent_width=latent_width,
        latent_height=latent_height,
        window_hw=window_hw,
        fov_deg=fov_deg,
        layouts=layouts,
        stride=coprime_stride(latent_width, spacing),
        feather=feather,
        pitch_offsets_deg=tuple(pitch_offsets_deg),
    )
