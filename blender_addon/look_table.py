"""A table that undoes a view: which scene-linear light is shown as a given sRGB colour. No Blender.

Views such as AgX are no curves of single channels, so they are undone in three dimensions: for each
point of a grid of sRGB colours the light is searched that the view shows as that colour. The table
is laid out as a picture, so that shader nodes can read it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SIDE = 32  # grid points along each channel
AXIS_GAMMA = 2.2  # grid points lie evenly in linear light ** (1 / 2.2)
STORED_GAMMA = 4.0  # stored is light ** (1 / 4): even steps from the darkest to the brightest
DARKEST_STOP, BRIGHTEST_STOP = -16.0, 12.0  # log2 of the light that is searched
STEPS = 24
NEAR = 2.0 / 255.0

View = Callable[[np.ndarray], np.ndarray]
"""Scene-linear [H, W, 3] to what is shown of it, sRGB values 0..1 of the same shape."""


@dataclass(frozen=True, slots=True)
class LookTable:
    """What `measure` found.

    Attributes:
        pixels: [SIDE, SIDE * SIDE, 3] float32: row green, column SIDE * blue + red; the light
            to the power of 1 / STORED_GAMMA.
        errors: [SIDE, SIDE * SIDE] float32: how far from the colour it is shown, 0..1.
    """

    pixels: np.ndarray
    errors: np.ndarray

    def share_missed(self, picture: np.ndarray) -> float:
        """How much of a picture [H, W, 3], sRGB 0..1, this view cannot show within 2/255."""
        axis = srgb_to_linear(picture) ** (1.0 / AXIS_GAMMA)
        red, green, blue = np.moveaxis(np.rint(axis * (SIDE - 1)).astype(int), -1, 0)
        return float((self.errors[green, SIDE * blue + red] > NEAR).mean())


def measure(view: View) -> LookTable:
    """Search the light for each point of the grid.

    By turns: show a light, look by how much it fails, and move each channel by as many stops as lie
    between what is shown and what is wanted for a grey. Where no light is shown as the colour, the
    nearest that was met stays.
    """
    wanted = grid_colours()
    stops_of = _grey_curve(view)
    goal = stops_of(wanted)
    stops, best = goal.copy(), goal.copy()
    errors = np.full(wanted.shape[:2], np.inf, np.float32)
    for _ in range(STEPS):
        shown = view(np.exp2(stops).astype(np.float32))
        error = np.abs(shown - wanted).max(axis=-1)
        is_nearer = error < errors
        errors[is_nearer], best[is_nearer] = error[is_nearer], stops[is_nearer]
        stops = np.clip(stops + goal - stops_of(shown), DARKEST_STOP, BRIGHTEST_STOP)
    pixels = np.exp2(best / STORED_GAMMA).astype(np.float32)
    return LookTable(pixels, errors)


def grid_colours() -> np.ndarray:
    """The sRGB colours of the grid, laid out as `LookTable.pixels`."""
    axis = linear_to_srgb(np.linspace(0.0, 1.0, SIDE) ** AXIS_GAMMA)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    cube = np.stack([red, green, blue], axis=-1).transpose(1, 0, 2, 3)
    return cube.reshape(SIDE, SIDE * SIDE, 3)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, for values of 0 to 1."""
    return np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    )


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """The inverse of `linear_to_srgb`."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _grey_curve(view: View) -> Callable[[np.ndarray], np.ndarray]:
    """The stops at which a grey is shown with given values."""
    stops = np.linspace(DARKEST_STOP, BRIGHTEST_STOP, 8192)
    greys = np.repeat(np.exp2(stops).astype(np.float32)[:, None], 3, axis=1)
    shown = view(greys.reshape(64, 128, 3)).reshape(-1, 3)[:, 1]
    rising = np.maximum.accumulate(shown).astype(np.float64)
    rising += np.arange(rising.size) * 1e-9  # where it clips, its first light is the one to take

    def _stops_of(values: np.ndarray) -> np.ndarray:
        return np.interp(values, rising, stops)

    return _stops_of
