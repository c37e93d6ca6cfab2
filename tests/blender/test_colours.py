"""EXR and movie of one frame look alike; a studio's configuration that lacks a name is told."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from panoloom.engine_server.output.exr import half_light, write_exr
from panoloom.engine_server.output.video import VideoWriter

pytestmark = pytest.mark.timeout(600)  # of a busy machine

STUDIO = """ocio_profile_version: 1
strictparsing: true
roles:
  default: plain
  data: plain
  scene_linear: studio_light
  default_float: studio_light
  default_byte: studio_screen
  default_sequencer: studio_screen
  color_picking: studio_screen
  texture_paint: studio_screen
  matte_paint: studio_screen
displays:
  sRGB:
    - !<View> {name: Standard, colorspace: studio_screen}
active_displays: [sRGB]
active_views: [Standard]
colorspaces:
  - !<ColorSpace>
    name: plain
    isdata: true
  - !<ColorSpace>
    name: studio_light
    isdata: false
  - !<ColorSpace>
    name: studio_screen
    isdata: false
    to_reference: !<ExponentTransform> {value: [2.2, 2.2, 2.2, 1]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("colours")
    # Broad patches: a movie halves the colour's resolution, which is another matter.
    rng = np.random.default_rng(5)
    patches = rng.integers(0, 256, (4, 8, 3)).astype(np.float32) / 255
    frame = np.repeat(np.repeat(patches, 32, axis=0), 32, axis=1)
    (place / "frames").mkdir()
    write_exr(place / "frames" / "loop_0001.exr", half_light(frame), fps=Fraction(24))
    with VideoWriter(place / "loop.mp4", width=256, height=128, fps=Fraction(24)) as video:
        for _ in range(2):
            video.add(frame)
    return place


def test_exr_and_movie_of_a_frame_agree_within_two_of_255(blender, folder):
    found = blender("colours.py", folder, timeout=600)
    assert found["difference"] <= 2, found
    assert min(found["range"]) > 200
    assert found["told"] == []


def test_colour_space_that_a_studio_lacks_is_named_and_the_picture_is_there(
    blender, folder, tmp_path
):
    config = tmp_path / "studio.ocio"
    config.write_text(STUDIO)
    found = blender("colours.py", folder, timeout=600, variables={"OCIO": str(config)})
    told = " ".join(found["told"])
    assert "'Linear Rec.709'" in told
    assert "'sRGB'" in told
    assert "Choose the right one at the image" in told
    assert min(found["range"]) > 150  # no grey picture
