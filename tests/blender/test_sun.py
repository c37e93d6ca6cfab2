"""The Sun lamp of a loop or an export shines from where the World shows the sun."""

from __future__ import annotations

import pytest


@pytest.mark.timeout(300)
def test_the_lamp_shines_from_where_the_world_has_its_sun(blender, tmp_path):
    found = blender("sun.py", tmp_path)
    assert found["seen"] > 0.9
    assert found["behind"] < 0.1
    assert found["num_lamps"] == 1
    assert found["energy"] == pytest.approx(2.0)
    assert found["own"] == [["FINISHED"], 1.5]  # without a file: the World's own loop's
    assert found["colour"] == pytest.approx([1.0, 0.5, 0.25])
