"""What is open takes the colours beside it; what is kept stays."""

from __future__ import annotations

import numpy as np

from panoloom.engine_server.conditioning.fill import fill_open

SIZE = (64, 128)


def test_kept_pixels_are_not_changed() -> None:
    erp = np.random.default_rng(0).random((*SIZE, 3), dtype=np.float32)
    mask = np.zeros(SIZE, np.float32)
    mask[32:] = 1
    filled = fill_open(erp, mask)
    assert np.allclose(filled[32:], erp[32:], atol=1e-6)
    assert not np.allclose(filled[:32], erp[:32], atol=0.1)


def test_open_pixels_take_the_colour_that_is_kept_beside_them() -> None:
    erp = np.zeros((*SIZE, 3), np.float32)
    mask = np.zeros(SIZE, np.float32)
    erp[32:, :64], erp[32:, 64:] = [1, 0, 0], [0, 0, 1]
    mask[32:] = 1
    filled = fill_open(erp, mask)
    assert np.all(np.abs(filled[28:32, 24:40] - [1, 0, 0]) < 0.2)
    assert np.all(np.abs(filled[28:32, 88:104] - [0, 0, 1]) < 0.2)


def test_filling_goes_across_the_seam() -> None:
    erp = np.zeros((*SIZE, 3), np.float32)
    mask = np.zeros(SIZE, np.float32)
    erp[:, :8] = [0, 1, 0]
    mask[:, :8] = 1
    mask[:, 60:68] = 1  # black on the other side
    filled = fill_open(erp, mask)
    assert filled[32, 127, 1] > 0.7
    half_a_turn = fill_open(np.roll(erp, 64, axis=1), np.roll(mask, 64, axis=1))
    assert np.allclose(half_a_turn, np.roll(filled, 64, axis=1), atol=1e-5)


def test_a_reference_of_which_nothing_is_kept_stays_as_it_is() -> None:
    erp = np.full((*SIZE, 3), 0.3, np.float32)
    assert np.array_equal(fill_open(erp, np.zeros(SIZE, np.float32)), erp)
