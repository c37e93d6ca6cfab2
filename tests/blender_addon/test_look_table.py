"""A table that undoes a view, on views whose inverse is known."""

from __future__ import annotations

import numpy as np
import pytest

from panoloom.blender_addon import look_table
from panoloom.blender_addon.look_table import AXIS_GAMMA, SIDE, STORED_GAMMA, linear_to_srgb

GREY_MIX = 0.2  # how much of its neighbours each channel of the mixing view gets


def standard(light: np.ndarray) -> np.ndarray:
    return linear_to_srgb(np.clip(light, 0.0, 1.0))


def filmic(light: np.ndarray) -> np.ndarray:
    """A curve that shows 1.0 at 0.8 and 16 at 1.0, after mixing the channels."""
    mixed = (1 - GREY_MIX) * light + GREY_MIX * light.mean(axis=-1, keepdims=True)
    return np.clip(np.log2(1.0 + 15.0 * mixed) / np.log2(241.0), 0.0, 1.0)


def lights(table: look_table.LookTable) -> np.ndarray:
    """The light of each grid point, [blue, green, red, 3]."""
    cube = table.pixels.reshape(SIDE, SIDE, SIDE, 3).transpose(1, 0, 2, 3)
    return cube**STORED_GAMMA


@pytest.fixture(scope="module")
def mixing() -> look_table.LookTable:
    return look_table.measure(filmic)


def test_standard_view_is_undone_by_leaving_light_as_it_is():
    found = lights(look_table.measure(standard))
    axis = np.linspace(0.0, 1.0, SIDE) ** AXIS_GAMMA
    np.testing.assert_allclose(found[3, 7, :, 0], axis, rtol=2e-3, atol=5e-5)
    np.testing.assert_allclose(found[:, 7, 3, 2], axis, rtol=2e-3, atol=5e-5)
    np.testing.assert_allclose(found[3, :, 7, 1], axis, rtol=2e-3, atol=5e-5)


def test_shown_through_the_view_the_table_has_the_colours_of_the_grid(mixing):
    shown = filmic(mixing.pixels**STORED_GAMMA)
    reached = mixing.errors < look_table.NEAR
    difference = np.abs(shown - look_table.grid_colours()).max(axis=-1)
    assert difference[reached].max() < look_table.NEAR
    greys = np.arange(SIDE)
    assert reached[greys, greys * SIDE + greys].all()
    assert 0.2 < reached.mean() < 1.0  # what is purer than the mixing allows is out of reach


def test_share_of_a_picture_that_is_missed_is_that_of_its_pure_colours(mixing):
    picture = np.full((4, 8, 3), 0.5, np.float32)
    assert mixing.share_missed(picture) == 0.0
    picture[:, :2] = (1.0, 0.0, 0.0)
    assert mixing.share_missed(picture) == 0.25
