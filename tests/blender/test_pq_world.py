"""Blender 5 takes the PQ film for light. `PANOLOOM_TEST_BLENDER` names the Python of a bpy 5."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from panoloom.engine_server.output.export.encodings import encoding_of
from panoloom.engine_server.output.export.presets import find_preset
from panoloom.engine_server.output.hdr import pq_for_blender
from panoloom.engine_server.output.hdr10 import LightLevel, hdr10_words, write_light_boxes
from panoloom.engine_server.output.spherical import Spherical, write_spherical
from panoloom.engine_server.output.video import VideoWriter

LIGHT = (0.02, 0.18, 1.0, 6.0, 25.0, 99.0)
WIDTH, HEIGHT, FPS = 256, 128, Fraction(24)


@pytest.fixture
def film(tmp_path):
    """A frame for every light, the same all around."""
    path, level = tmp_path / "light_360.mp4", LightLevel()
    frames = [np.full((HEIGHT, WIDTH, 3), value, np.float32) for value in LIGHT]
    for frame in frames:
        level.add(frame)
    size = {"width": WIDTH, "height": HEIGHT, "fps": FPS}
    words = hdr10_words(level)
    encoding = encoding_of(
        find_preset("blender-hdr"), "hevc", **size, num_frames=len(LIGHT), light=words
    )
    with VideoWriter(path, **size, encoding=encoding) as video:
        for frame in frames:
            video.add(pq_for_blender(frame))
    write_light_boxes(path, level)
    write_spherical(path, Spherical())
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_blender_5_lights_a_scene_from_the_pq_film_within_a_hundredth(
    film, blender_alone, blender_python, tmp_path
):
    home = blender_python.parents[1]
    if not any(home.glob("[Ll]ib/**/site-packages/bpy-[5-9]*")):
        pytest.skip("needs Blender 5: PANOLOOM_TEST_BLENDER=PYTHON-THAT-HAS-BPY-5")
    found = blender_alone("pq_world.py", tmp_path / "profile", film, len(LIGHT))
    assert "2100-PQ" in found["colour_space"]
    assert found["seen"] == pytest.approx(LIGHT, rel=0.01)
    assert found["shed"] == pytest.approx(LIGHT, rel=0.01)
    assert found["sun"] == pytest.approx(1.0, rel=0.01)  # a lamp's strength is its illuminance
