"""A round part of the sphere with a soft border: how much of each cell belongs to it."""

from __future__ import annotations

import math

import numpy as np

from .erp import Floats, angles_to_directions, cell_directions


def angles_from(height: int, width: int, *, yaw_deg: float, pitch_deg: float) -> Floats:
    """Angle in degrees between each cell of an ERP grid and a direction, ``[height, width]``."""
    centre = angles_to_directions(
        np.array(math.radians(yaw_deg)), np.array(math.radians(pitch_deg))
    )
    away = cell_directions(height, width) - centre
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(away, axis=-1) / 2, 0.0, 1.0)))


def round_part(
    height: int,
    width: int,
    *,
    yaw_deg: float,
    pitch_deg: float,
    radius_deg: float,
    feather_deg: float,
) -> np.ndarray:
    """Share of the part in each cell of an ERP grid, ``[height, width]`` float32.

    Args:
        height, width: Of the grid.
        yaw_deg, pitch_deg: Middle of the part.
        radius_deg: Up to this angle the share is 1.
        feather_deg: Over so much more it falls smoothly to 0, and is exactly 0 beyond.
    """
    away = angles_from(height, width, yaw_deg=yaw_deg, pitch_deg=pitch_deg)
    if feather_deg <= 0:
        return (away <= radius_deg).astype(np.float32)
    inward = np.clip((radius_deg + feather_deg - away) / feather_deg, 0.0, 1.0)
    return (inward * inward * (3 - 2 * inward)).astype(np.float32)


def untouched_cells(
    height: int,
    width: int,
    *,
    yaw_deg: float,
    pitch_deg: float,
    radius_deg: float,
    feather_deg: float,
) -> np.ndarray:
    """Whether a cell of an ERP grid lies wholly outside of the part, ``[height, width]`` bool."""
    away = angles_from(height, width, yaw_deg=yaw_deg, pitch_deg=pitch_deg)
    half_diagonal_deg = math.hypot(180 / height, 360 / width) / 2
    return away > radius_deg + feather_deg + half_diagonal_deg
