"""The folder of the preset `hdri` in Blender: the loop wraps, marked directions stand where they do
everywhere else (`tests/viewer/test_orientation.py`), light comes back as it was written.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from marks import DIMMED, MARKS, NUM_FRAMES, linear, marked_loop

from panoloom.engine_server.output.export.plan import ExportRequest, plan_export
from panoloom.engine_server.output.export.run import export


@pytest.mark.timeout(300)
def test_an_exported_hdri_shows_every_mark_and_begins_again_after_its_last_frame(blender, tmp_path):
    request = ExportRequest(
        folder=marked_loop(tmp_path / "library"), preset="hdri", out=tmp_path / "out", yaw_deg=90.0
    )
    made = export(plan_export(request), lambda *told: None).path
    asked = [[yaw, pitch] for yaw, pitch, _ in MARKS.values()]
    frames = [1, 2, NUM_FRAMES, NUM_FRAMES + 1, NUM_FRAMES + 2, 0, -1]
    first = sorted((made / "frames").iterdir())[0]
    found = blender("hdri.py", tmp_path, first, asked, frames)
    for (yaw, pitch), seen in zip(asked, found["seen"], strict=True):
        assert seen == pytest.approx(expected(yaw, pitch), rel=0.01), (yaw, pitch)
    bright = np.array(expected(0, 0))
    for number, seen in zip(frames, found["over_time"], strict=True):
        scale = 1.0 if number % 2 else DIMMED
        assert seen == pytest.approx(bright * scale, rel=0.01), number


def expected(yaw_deg, pitch_deg):
    """Light of the mark there, after what lay to the right was turned into the middle."""
    for mark_yaw, mark_pitch, colour in MARKS.values():
        turned = math.remainder(mark_yaw - 90 - yaw_deg, 360)
        if mark_pitch == pitch_deg and (abs(pitch_deg) == 90 or turned == 0):
            return linear(colour)
    raise AssertionError("no mark there")
