"""Windows on a rectangle of cells: they wrap where it is a ring, and dock where it has two ends.

Everything is integers along one axis at a time (columns, rows, frames); a window is a product of
spans. Windows move by an offset; in the overlap of two neighbours the owner changes in the middle,
so every cell has exactly one owner at every offset: asserted.

Source: section 3.1 and DynamicScaler fig. 3 (Liu et al. 2024): columns form a ring, rows have
padding windows at the top and bottom; DynamicScaler fig. 4 shows the sizes it is for, wide, tall
and all round. Differs in: windows are spread evenly over a ring, so that a size which they do not
divide leaves nothing out, and a window owns only its own share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ...shared.errors import InvalidJob
from .erp import resize_taps
from .views import coprime_stride


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of the panorama, in cells.

    Attributes:
        length: Cells along it.
        window: Cells of a window along it.
        ring: Whether its end leads back to its start.
        name: What it is called in errors: "width", "height" or "num_frames".
    """

    length: int
    window: int
    ring: bool
    name: str = "width"

    def __post_init__(self) -> None:
        if not 0 < self.window <= self.length:
            what = "frames" if self.name == "num_frames" else f"cells of {self.name}"
            raise InvalidJob(
                f"The model needs at least {self.window} latent {what}, the job has {self.length}.",
                field=self.name,
                nearest=self.window,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A window along one axis.

    Attributes:
        cells: The cells it sees, in order, wrapped on a ring.
        own_start, own_stop: The part it owns, positions within `cells`.
    """

    cells: tuple[int, ...]
    own_start: int
    own_stop: int

    @property
    def owned(self) -> tuple[int, ...]:
        """The cells it owns."""
        return self.cells[self.own_start : self.own_stop]


def spans(
    axis: Axis, *, offset: int = 0, margin: int = 0, overlap: float = 0.0
) -> tuple[Span, ...]:
    """The windows along one axis, turned or moved by `offset` cells.

    Args:
        axis: What they cover.
        offset: On a ring all windows move by it; between ends the first and last dock there and
            those in between move.
        margin: Cells at a window's inner border that its neighbour owns, at least.
        overlap: Least share of a window, below 1, that it has in common with the next.

    Returns:
        Spans in order; every cell is owned by exactly one.
    """
    reach = min(axis.window - 2 * margin, max(1, math.floor(axis.window * (1 - overlap) + 1e-9)))
    assert reach >= 1, f"a margin of {margin} leaves nothing of {axis.window}"
    found = _ring(axis, offset, reach) if axis.ring else _docked(axis, offset, reach)
    owned = sorted(cell for span in found for cell in span.owned)
    assert owned == list(range(axis.length)), "a cell without an owner, or with two"
    return found


def _cut(gap: int, window: int) -> int:
    """Where, counted in the earlier of two windows `gap` apart, the later one takes over."""
    return gap + (window - gap) // 2


def _ring(axis: Axis, offset: int, reach: int) -> tuple[Span, ...]:
    count = math.ceil(axis.length / reach)
    starts = [(offset + k * axis.length // count) % axis.length for k in range(count)]
    gaps = [
        (starts[(k + 1) % count] - starts[k]) % axis.length or axis.length for k in range(count)
    ]
    stops = [min(axis.window, _cut(gap, axis.window)) for gap in gaps]
    return tuple(
        Span(
            cells=tuple((starts[k] + i) % axis.length for i in range(axis.window)),
            own_start=stops[k - 1] - gaps[k - 1],
            own_stop=stops[k],
        )
        for k in range(count)
    )


def _docked(axis: Axis, offset: int, reach: int) -> tuple[Span, ...]:
    last = axis.length - axis.window
    inner = range(offset % reach, last, reach)
    starts = sorted({0, last, *inner})
    gaps = [after - before for before, after in pairwise(starts)]
    stops = [*(_cut(gap, axis.window) for gap in gaps), axis.window]
    own_starts = [0, *(stop - gap for stop, gap in zip(stops, gaps, strict=False))]
    found = (
        Span(cells=tuple(range(start, start + axis.window)), own_start=own, own_stop=stop)
        for start, own, stop in zip(starts, own_starts, stops, strict=True)
    )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneWindow:
    """A rectangle of cells: what one forward pass sees, and the part of it that it owns."""

    rows: Span
    columns: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanePlan:
    """The windows of one stage on a rectangle of cells.

    Attributes:
        latent_width, latent_height: Cells of the panorama.
        window_hw: Cells (height, width) of a window.
        ring: Whether the width is a ring.
        ring_rows: Whether the height is one too: a torus, as in a texture that repeats.
        is_erp: Whether the rectangle is an equirectangular panorama; if not, it is a regular one:
            an upright cylinder `view_height_deg` high.
        moves: Whether windows move with the steps.
        margin, overlap: See `spans`.
        averages: Whether all windows that see a cell are averaged, instead of one owning it.
        view_height_deg: Vertical field of view of a regular panorama.
    """

    latent_width: int
    latent_height: int
    window_hw: tuple[int, int]
    ring: bool = True
    ring_rows: bool = False
    is_erp: bool = False
    moves: bool = True
    margin: int = 0
    overlap: float = 0.0
    averages: bool = False
    view_height_deg: float = 90.0

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns."""
        rows, columns = self.window_hw
        return (
            Axis(length=self.latent_height, window=rows, ring=self.ring_rows, name="height"),
            Axis(length=self.latent_width, window=columns, ring=self.ring, name="width"),
        )

    def offset(self, step: int) -> tuple[int, int]:
        """How far the windows of a step have moved, (rows, columns)."""
        if not self.moves:
            return 0, 0
        rows, columns = self.window_hw
        down = self.latent_height if self.ring_rows else rows
        across = self.latent_width if self.ring else columns
        return (
            step * coprime_stride(down, rows) % down,
            step * coprime_stride(across, columns) % across,
        )

    def windows(self, step: int) -> tuple[PlaneWindow, ...]:
        """The windows of a step, row by row."""
        down, across = self.offset(step)
        return self.windows_at(down, across, overlap=self.overlap)

    def windows_at(
        self, down: int, across: int, *, overlap: float = 0.0
    ) -> tuple[PlaneWindow, ...]:
        """The windows moved by `down` rows and `across` columns, row by row."""
        rows, columns = self.axes
        return tuple(
            PlaneWindow(rows=row, columns=column)
            for row in spans(rows, offset=down, margin=self.margin, overlap=overlap)
            for column in spans(columns, offset=across, margin=self.margin, overlap=overlap)
        )

    @property
    def cell_rad(self) -> float:
        """Angle across a cell at the horizon."""
        if self.is_erp:
            return 2 * math.pi / self.latent_width
        return 2 * math.tan(math.radians(self.view_height_deg) / 2) / self.latent_height

    @property
    def window_fov_deg(self) -> float:
        """Field of view of a view whose centre is as dense as the cells of a window."""
        return 2 * math.degrees(math.atan(self.cell_rad * self.window_hw[1] / 2))

    def elevation_rad(self) -> Tensor:
        """Pitch of every row, float32 ``[H]``."""
        from_horizon = (self.latent_height / 2 - 0.5 - np.arange(self.latent_height)).astype(float)
        angles = from_horizon * self.cell_rad
        if not self.is_erp:
            angles = np.arctan(angles)
        return torch.from_numpy(angles.astype(np.float32))

    def azimuth_rad(self) -> Tensor:
        """Yaw of every column, float32 ``[W]``; the middle of the width is yaw 0.

        A regular panorama that is a ring goes around once, however wide it is.
        """
        step = 2 * math.pi / self.latent_width if self.ring else self.cell_rad
        angles = (np.arange(self.latent_width) + 0.5 - self.latent_width / 2) * step
        return torch.from_numpy(angles.astype(np.float32))

    def resized(self, picture: Tensor) -> Tensor:
        """A picture ``[..., H, W]`` resampled to this plan, bicubic; a ring's width wraps.

        Only for regular panoramas: an equirectangular one is `erp.resize_erp`'s.
        """
        assert not self.is_erp
        wide = resize_axis(picture, self.latent_width, ring=self.ring)
        return resize_axis(wide.mT, self.latent_height, ring=self.ring_rows).mT.contiguous()


def resize_axis(picture: Tensor, size: int, *, ring: bool) -> Tensor:
    """A picture ``[..., N]`` resampled along its last axis to `size` cells; wrapped, or clamped."""
    length = picture.shape[-1]
    if size == length:
        return picture
    cells, weights = resize_taps(length, size)
    cells = cells % length if ring else np.clip(cells, 0, length - 1)
    matrix = np.zeros((size, length))
    np.add.at(matrix, (np.arange(size)[:, None], cells), weights)
    return picture @ torch.from_numpy(matrix.T.copy()).to(picture.device, picture.dtype)


def read_window(field: Tensor, frames: Sequence[int], window: PlaneWindow) -> Tensor:
    """The cells a window sees, ``[C, f, h, w]``, out of a panorama ``[C, F, H, W]``."""
    index = _index(frames, window.rows.cells, window.columns.cells)
    return field[(slice(None), *index)]


def _index(
    frames: Sequence[int], rows: Sequence[int], columns: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    frame, row, column = (torch.tensor(cells) for cells in (frames, rows, columns))
    return frame[:, None, None], row[:, None], column


def write_owned(field: Tensor, part: Tensor, frames: Span, window: PlaneWindow) -> None:
    """Put the owned part of a window ``[C, f, h, w]`` into the panorama ``[C, F, H, W]``."""
    rows, columns = window.rows, window.columns
    index = _index(frames.owned, rows.owned, columns.owned)
    field[(slice(None), *index)] = part[
        :,
        frames.own_start : frames.own_stop,
        rows.own_start : rows.own_stop,
        columns.own_start : columns.own_stop,
    ]


def add_window(field: Tensor, part: Tensor, frames: Span, window: PlaneWindow) -> None:
    """Add a whole window ``[C, f, h, w]`` to the panorama ``[C, F, H, W]``."""
    index = _index(frames.cells, window.rows.cells, window.columns.cells)
    field[(slice(None), *index)] += part
