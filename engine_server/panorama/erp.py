"""Equirectangular (ERP) geometry: the one home of every sign, wrap and half pixel.

Conventions, used everywhere in Panoloom:

* Directions are unit vectors (x, y, z): x forward (yaw 0), y right (yaw +90), z up, so
  ``d = (cos pitch cos yaw, cos pitch sin yaw, sin pitch)``.
* Pixel ``i`` covers ``[i, i + 1)`` and has its centre at ``i + 0.5``. Row 0 touches the zenith. The
  middle of the width is yaw 0; yaw grows to the right, pitch grows upwards.
* The width is a ring. Across a pole a row continues as the reflected row half a turn away: row -1
  is row 0 rolled by half the width.

Angles are computed in float64 numpy; pictures are torch tensors ``[..., H, W]`` of any dtype.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def pixels_to_angles(
    row: Floats, column: Floats, *, height: int, width: int
) -> tuple[Floats, Floats]:
    """Yaw and pitch in radians of continuous pixel coordinates (centres at i + 0.5)."""
    yaw_rad = (np.asarray(column) / width - 0.5) * (2 * np.pi)
    pitch_rad = (0.5 - np.asarray(row) / height) * np.pi
    return yaw_rad, pitch_rad


def angles_to_pixels(
    yaw_rad: Floats, pitch_rad: Floats, *, height: int, width: int
) -> tuple[Floats, Floats]:
    """Continuous (row, column) of angles in radians; the column is not wrapped."""
    row = (0.5 - np.asarray(pitch_rad) / np.pi) * height
    column = (np.asarray(yaw_rad) / (2 * np.pi) + 0.5) * width
    return row, column


def angles_to_directions(yaw_rad: Floats, pitch_rad: Floats) -> Floats:
    """Unit vectors ``[..., 3]`` of angles in radians (broadcast against each other)."""
    yaw_rad, pitch_rad = np.broadcast_arrays(yaw_rad, pitch_rad)
    flat = np.cos(pitch_rad)
    return np.stack([flat * np.cos(yaw_rad), flat * np.sin(yaw_rad), np.sin(pitch_rad)], axis=-1)


def directions_to_angles(directions: Floats) -> tuple[Floats, Floats]:
    """Yaw in (-pi, pi] and pitch in [-pi/2, pi/2], radians, of vectors ``[..., 3]``.

    Source: DynamicScaler eq. 3 (Liu et al. 2024), which has its axes wrong: with the direction it
    defines, pitch depends on z alone and yaw on x and y (docs/method.md).
    """
    x, y, z = np.moveaxis(np.asarray(directions, dtype=np.float64), -1, 0)
    return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))


def cell_directions(height: int, width: int) -> Floats:
    """Directions ``[height, width, 3]`` of the cell centres of an ERP grid."""
    row, column = np.arange(0.5, height), np.arange(0.5, width)
    yaw_rad, pitch_rad = pixels_to_angles(row[:, None], column[None], height=height, width=width)
    return angles_to_directions(yaw_rad, pitch_rad)


def wrap_cells(row: Ints, column: Ints, *, height: int, width: int) -> tuple[Ints, Ints]:
    """Whole-number cells brought back onto the grid, over the seam and over either pole.

    Rows may lie up to ``height`` outside the grid. The width must be even: half a turn is a whole
    number of columns.
    """
    assert width % 2 == 0, f"half a turn needs an even width, got {width}"
    above, below = row < 0, row >= height
    column = np.where(above | below, column + width // 2, column) % width
    row = np.where(above, -1 - row, np.where(below, 2 * height - 1 - row, row))
    return row, column


def nearest_cells(directions: Floats, *, height: int, width: int) -> Ints:
    """Flat index ``row * width + column`` of the cell each direction ``[..., 3]`` falls in."""
    row, column = angles_to_pixels(*directions_to_angles(directions), height=height, width=width)
    rows = np.clip(np.floor(row).astype(np.int64), 0, height - 1)
    return rows * width + np.floor(column).astype(np.int64) % width


def bilinear_taps(directions: Floats, *, height: int, width: int) -> tuple[Ints, Floats]:
    """Four flat cells and their weights ``[..., 4]`` that interpolate an ERP grid.

    The weights are not negative and sum to one; taps wrap at the seam and cross the poles.
    """
    row, column = angles_to_pixels(*directions_to_angles(directions), height=height, width=width)
    top, left = np.floor(row - 0.5), np.floor(column - 0.5)
    down, right = row - 0.5 - top, column - 0.5 - left
    rows = np.stack([top, top, top + 1, top + 1], axis=-1).astype(np.int64)
    columns = np.stack([left, left + 1, left, left + 1], axis=-1).astype(np.int64)
    weights = np.stack(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], axis=-1
    )
    rows, columns = wrap_cells(rows, columns, height=height, width=width)
    return rows * width + columns, weights


def cubic_weights(share: Floats) -> Floats:
    """Weights ``[..., 4]`` of the cells -1, 0, 1, 2 at a position `share` between 0 and 1."""
    share = np.asarray(share)
    return _cubic(np.stack([share + 1, share, 1 - share, 2 - share], axis=-1))


def bicubic_taps(directions: Floats, *, height: int, width: int) -> tuple[Ints, Floats]:
    """Sixteen flat cells and their weights ``[..., 16]``: sharper than `bilinear_taps`.

    The weights sum to one, some are negative; taps wrap at the seam and cross the poles.
    """
    row, column = angles_to_pixels(*directions_to_angles(directions), height=height, width=width)
    top, left = np.floor(row - 0.5), np.floor(column - 0.5)
    down, right = cubic_weights(row - 0.5 - top), cubic_weights(column - 0.5 - left)
    around = np.arange(-1, 3)
    rows = top[..., None, None].astype(np.int64) + around[:, None]
    columns = left[..., None, None].astype(np.int64) + around
    rows, columns = wrap_cells(*np.broadcast_arrays(rows, columns), height=height, width=width)
    shape = (*row.shape, 16)
    weights = down[..., :, None] * right[..., None, :]
    return (rows * width + columns).reshape(shape), weights.reshape(shape)


def cell_areas(height: int, width: int) -> Floats:
    """Solid angle of each ERP cell in steradian, ``[height, width]``; they sum to 4 pi."""
    edges = np.sin((0.5 - np.arange(height + 1) / height) * np.pi)
    return np.repeat(-np.diff(edges)[:, None], width, axis=1) * (2 * np.pi / width)


def view_axes(yaw_deg: float, pitch_deg: float) -> Floats:
    """Rows forward, right and up of an upright (roll 0) view, ``[3, 3]``."""
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    cos_yaw, sin_yaw = math.cos(yaw), math.sin(yaw)
    cos_pitch, sin_pitch = math.cos(pitch), math.sin(pitch)
    forward = (cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch)
    right = (-sin_yaw, cos_yaw, 0.0)
    up = (-sin_pitch * cos_yaw, -sin_pitch * sin_yaw, cos_pitch)
    return np.array([forward, right, up], dtype=np.float64)


def view_directions(
    *, yaw_deg: float, pitch_deg: float, fov_deg: float, height: int, width: int
) -> Floats:
    """Directions ``[height, width, 3]`` of a view's pixel centres; `fov_deg` spans its width."""
    half = math.tan(math.radians(fov_deg) / 2)
    across = ((np.arange(width) + 0.5) / width * 2 - 1) * half
    upward = (1 - (np.arange(height) + 0.5) / height * 2) * half * height / width
    forward, right, up = view_axes(yaw_deg, pitch_deg)
    rays = forward + across[None, :, None] * right + upward[:, None, None] * up
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def view_coordinates(
    directions: Floats, *, yaw_deg: float, pitch_deg: float, fov_deg: float, aspect: float = 1.0
) -> tuple[Floats, Floats]:
    """Where directions ``[..., 3]`` fall in a view: (across, downward), each -1..1 inside it.

    `aspect` is height / width. What lies behind the view comes back as infinity.
    """
    forward, right, up = view_axes(yaw_deg, pitch_deg)
    half = math.tan(math.radians(fov_deg) / 2)
    depth = directions @ forward
    seen = depth > 1e-9
    depth = np.where(seen, depth, 1.0) * half
    across = np.where(seen, (directions @ right) / depth, np.inf)
    downward = np.where(seen, -(directions @ up) / (depth * aspect), np.inf)
    return across, downward


def sample(erp: Tensor, directions: Floats) -> Tensor:
    """A picture ``[..., H, W]`` read at directions ``[*shape, 3]`` as ``[..., *shape]``."""
    height, width = erp.shape[-2:]
    index, weight = bilinear_taps(directions, height=height, width=width)
    flat = erp.flatten(-2)
    total = None
    for tap in range(4):
        cells = torch.from_numpy(index[..., tap].copy()).to(erp.device)
        part = torch.from_numpy(weight[..., tap].copy()).to(erp.device, erp.dtype)
        term = flat[..., cells] * part
        total = term if total is None else total + term
    assert total is not None
    return total


def erp_to_view(
    erp: Tensor,
    *,
    yaw_deg: float,
    pitch_deg: float,
    fov_deg: float,
    size: tuple[int, int],
    supersample: int = 1,
) -> Tensor:
    """One pinhole view ``[..., *size]`` out of a panorama ``[..., H, W]`` (H = W / 2).

    Args:
        erp: Linear or encoded picture of a floating dtype; values are not clamped.
        yaw_deg: Heading; 0 is the ERP centre, positive turns right.
        pitch_deg: Elevation; positive looks up.
        fov_deg: Horizontal field of view in (0, 180).
        size: Output (height, width) in pixels.
        supersample: Samples averaged along each side of a pixel: against aliasing in small views.

    Returns:
        The view, in the dtype and on the device of `erp`.
    """
    height, width = size[0] * supersample, size[1] * supersample
    directions = view_directions(
        yaw_deg=yaw_deg, pitch_deg=pitch_deg, fov_deg=fov_deg, height=height, width=width
    )
    view = sample(erp, directions)
    if supersample == 1:
        return view
    grid = view.unflatten(-2, (size[0], supersample)).unflatten(-1, (size[1], supersample))
    return grid.mean(dim=(-3, -1))


def _cubic(distance: Floats) -> Floats:
    """Catmull-Rom kernel (Keys 1981, a = -1/2)."""
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def resize_taps(size_in: int, size_out: int) -> tuple[Ints, Floats]:
    """Unwrapped input cells and weights, each ``[size_out, taps]``; wider when shrinking."""
    stretch = max(1.0, size_in / size_out)
    centre = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    reach = math.ceil(2 * stretch)
    cells = np.floor(centre)[:, None].astype(np.int64) + np.arange(-reach + 1, reach + 1)
    weights = _cubic((cells - centre[:, None]) / stretch)
    return cells, weights / weights.sum(axis=1, keepdims=True)


def resize_erp(erp: Tensor, *, size: tuple[int, int]) -> Tensor:
    """A panorama ``[..., H, W]`` resampled to `size` = (height, width), bicubic, antialiased.

    Longitude wraps and rows continue over the poles, so neither the seam nor a pole shows. Works
    for pictures, latents and masks; overshoot is not clamped. The width must be even.
    """
    height, width = erp.shape[-2:]
    if size == (height, width):
        return erp.clone()
    cells, weights = resize_taps(width, size[1])
    across = np.zeros((size[1], width))
    np.add.at(across, (np.arange(size[1])[:, None], cells % width), weights)
    cells, weights = resize_taps(height, size[0])
    rows, over = wrap_cells(cells, np.zeros_like(cells), height=height, width=width)
    down = np.zeros((2, size[0], height))
    np.add.at(down, ((over != 0).astype(np.int64), np.arange(size[0])[:, None], rows), weights)
    straight, crossed = torch.from_numpy(down).to(erp.device, erp.dtype)
    tall = straight @ erp + crossed @ erp.roll(width // 2, dims=-1)
    return tall @ torch.from_numpy(across.T.copy()).to(erp.device, erp.dtype)
