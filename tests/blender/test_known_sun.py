"""A World with a sun of known place and strength lights a card by as much as the sidecar says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.export.plan import ExportRequest, plan_export
from panoloom.engine_server.output.export.run import export
from panoloom.engine_server.panorama.erp import cell_directions
from panoloom.shared.jobs import JobSpec

YAW_DEG, PITCH_DEG, RADIUS_DEG, HEIGHT = 60.0, 40.0, 4.0, 128


@pytest.fixture
def loop(tmp_path):
    """Grey all around with a white sun."""
    yaw, pitch = math.radians(YAW_DEG), math.radians(PITCH_DEG)
    at = [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)]
    frame = np.full((HEIGHT, 2 * HEIGHT, 3), 0.4, np.float32)
    frame[cell_directions(HEIGHT, 2 * HEIGHT) @ at > math.cos(math.radians(RADIUS_DEG))] = 1.0
    spec = JobSpec(prompt="sun", width=2 * HEIGHT, height=HEIGHT, num_frames=2, model_revision="r1")
    with ArtifactWriter(tmp_path / "library", spec, "a" * 32, made_with={}) as writer:
        writer.write([frame, frame])
        return tmp_path / "library" / writer.finish().folder


@pytest.mark.timeout(300)
def test_the_suns_light_is_the_same_from_the_picture_and_from_the_lamp_and_as_told(
    loop, blender, tmp_path
):
    made = {}
    for where in ("picture", "lamp"):
        request = ExportRequest(folder=loop, preset="hdri", out=tmp_path / where, sun_in=where)
        made[where] = export(plan_export(request), lambda *told: None)
    firsts = [made[where].path / "frames" / "sun_0001.exr" for where in made]
    sun = made["lamp"].told["hdr"]["sun"]
    assert (sun["yaw_deg"], sun["pitch_deg"]) == pytest.approx((YAW_DEG, PITCH_DEG), abs=0.3)
    side = made["lamp"].sidecar
    shed = blender("known_sun.py", tmp_path, *firsts, side, YAW_DEG, PITCH_DEG)
    for where in made:
        facing, tilted = np.subtract(shed[where], shed["none"])
        assert facing == pytest.approx(sun["illuminance"], rel=0.03), where
        assert tilted == pytest.approx(0.5 * sun["illuminance"], rel=0.06), where  # by 60 degrees
