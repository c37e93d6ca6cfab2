"""Patches: what one window of DynamicScaler reads from a panorama, and where it is written back.

A patch is two lists of cells, whatever its shape on the panorama: a rectangle of it, or a
perspective view. Values are taken from single cells, both ways: a noisy state may not be
interpolated, which would shrink its noise.

Source: DynamicScaler (Liu et al. 2024), eq. 1 (S and Con) and eq. 4 (V and its inverse). The set of
44 views and their turns are those of its published settings. Differs in: cells have their centres
at i + 0.5 and every cell inside a view is written (the published mapping leaves 13 % of the cells
of a step and one whole column without a view); views are square, as large as the model's window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import erp
from .layouts import Layout, Row
from .plane import PlanePlan, PlaneWindow

VIEWS = Layout(
    (
        Row(90.0, 1, 0.0),
        Row(-90.0, 1, 0.0),
        *(Row(sign * pitch, 6, 0.0) for pitch in (75.0, 60.0, 45.0) for sign in (1, -1)),
        Row(0.0, 6, 0.0),
    )
)
"""The 44 views of Panoramic Projecting Denoise, in the order they are denoised."""

YAW_STEP_DEG, YAW_CYCLE = 12.0, 10
PITCH_OFFSETS_DEG = (0.0, 5.0, -5.0)
"""Tilts in turn: the text shifts the pitch too and gives no angle; less than the rows' spacing."""

LEAST_FOV_DEG = 62.0
"""Narrowest views of which the 44 still cover the sphere at every offset (61.3, and some air)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One window on a panorama; cells of both are counted row by row.

    Attributes:
        reads: Panorama cell of every window cell, ``[h, w]``.
        cells: Panorama cells that the window writes, ``[M]``.
        taps: Window cell that each of them takes, ``[M]``.
        elevation_rad, azimuth_rad: Where the window's cells look, float32 ``[h, w]``.
    """

    reads: Tensor
    cells: Tensor
    taps: Tensor
    elevation_rad: Tensor
    azimuth_rad: Tensor


def offset_angles(step: int) -> tuple[float, float]:
    """The offset of the view angles a_(i,j,t) of eq. 4 at a step: (yaw, pitch) in degrees."""
    return step % YAW_CYCLE * YAW_STEP_DEG, PITCH_OFFSETS_DEG[step % len(PITCH_OFFSETS_DEG)]


def view_patches(
    step: int, *, fov_deg: float, window: int, height: int, width: int
) -> Iterator[Patch]:
    """V(X, a, f) of DynamicScaler eq. 4 and its inverse, for the views of a step, in order.

    With their turn and tip these are the views of DynamicScaler fig. 5.

    Args:
        step: Denoising step: turns and tips all views.
        fov_deg: f, the field of view.
        window: Cells across a view.
        height, width: Cells of the panorama.
    """
    turn_deg, tip_deg = offset_angles(step)
    directions = erp.cell_directions(height, width).reshape(-1, 3)
    for yaw_deg, pitch_deg in VIEWS.angles(tip_deg):
        yaw = yaw_deg + turn_deg
        seen = erp.view_directions(
            yaw_deg=yaw, pitch_deg=pitch_deg, fov_deg=fov_deg, height=window, width=window
        )
        across, down = erp.view_coordinates(
            directions, yaw_deg=yaw, pitch_deg=pitch_deg, fov_deg=fov_deg
        )
        cells = np.flatnonzero((np.abs(across) < 1) & (np.abs(down) < 1))
        row = ((down[cells] + 1) / 2 * window).astype(np.int64)
        column = ((across[cells] + 1) / 2 * window).astype(np.int64)
        azimuth, elevation = erp.directions_to_angles(seen)
        yield Patch(
            reads=torch.from_numpy(erp.nearest_cells(seen, height=height, width=width)),
            cells=torch.from_numpy(cells),
            taps=torch.from_numpy(row * window + column),
            elevation_rad=torch.from_numpy(elevation.astype(np.float32)),
            azimuth_rad=torch.from_numpy(azimuth.astype(np.float32)),
        )


def plane_patch(plan: PlanePlan, window: PlaneWindow) -> Patch:
    """S(X, i, j, t) of DynamicScaler eq. 1: a rectangle of the panorama, written back whole."""
    rows, columns = (torch.tensor(span.cells) for span in (window.rows, window.columns))
    reads = rows[:, None] * plan.latent_width + columns
    return Patch(
        reads=reads,
        cells=reads.flatten(),
        taps=torch.arange(reads.numel()),
        elevation_rad=plan.elevation_rad()[rows][:, None].expand(reads.shape),
        azimuth_rad=plan.azimuth_rad()[columns].expand(reads.shape),
    )
