from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.colour import linear_to_srgb, srgb_to_linear


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [
        (0.0, 0.0),
        (0.02, 0.02 / 12.92),
        (0.04045, 0.0031308),
        (0.5, 0.21404114),
        (0.735357, 0.5),
        (1.0, 1.0),
    ],
)
def test_known_values_of_the_srgb_curve(encoded, linear):
    assert srgb_to_linear(np.float32(encoded)) == pytest.approx(linear, abs=2e-6)
    assert linear_to_srgb(np.float32(linear)) == pytest.approx(encoded, abs=2e-5)


def test_every_8_bit_value_survives_the_round_trip():
    encoded = np.arange(256, dtype=np.float32) / 255
    back = linear_to_srgb(srgb_to_linear(encoded))
    assert np.array_equal(np.rint(back * 255), np.arange(256))


def test_values_below_zero_become_zero_and_values_above_one_stay_ordered():
    linear = srgb_to_linear(np.array([-0.5, 1.0, 2.0], np.float32))
    assert linear[0] == 0
    assert linear[2] > linear[1] == 1
