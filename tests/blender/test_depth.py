"""The scene's distances, from the panel's button to the engine's views and back into the World."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import OpenEXR
import oracles
import pytest
import torch

from panoloom.engine_server.conditioning.follow import read_follow
from panoloom.engine_server.conditioning.reference import FARTHEST, read_distance
from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.worker.condition import condition
from panoloom.shared.connection import blob_path
from panoloom.shared.jobs import JobSpec

RIGHT_DEG, FACE = 40.0, 5.0
"""Where the cube stands from the camera's heading, and how far its face is."""
VIEW = {"yaw_deg": RIGHT_DEG, "pitch_deg": 0.0, "fov_deg": 90.0, "size": (64, 64)}
NEAR_PX = 64 / 2 * 1 / FACE
"""Half the side of the face in such a view: tan of its half angle is 1 over the distance."""


class Wordless(oracles.OracleAdapter):
    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond()


@pytest.fixture(scope="module")
def measured(blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("depth")
    return folder, blender("depth.py", "measure", folder)


def distances(folder: Path, name: str = "depth") -> np.ndarray:
    return read_distance((folder / f"{name}.exr").read_bytes(), name)


def place_of(yaw_deg: float, pitch_deg: float, width: int) -> tuple[int, int]:
    """Row and column of a direction."""
    return int((90 - pitch_deg) / 360 * width), int((yaw_deg / 360 + 0.5) * width) % width


def test_nothing_of_the_scene_is_changed_and_the_job_waits_for_its_depth(measured):
    _, told = measured
    assert told["unchanged"]
    assert not told["waited"]
    assert told["hash"]
    assert told["reference"]
    assert told["heading_deg"] == pytest.approx(70, abs=0.01)


def test_a_cube_at_a_known_place_is_in_its_direction_at_its_distance(measured):
    depth = distances(measured[0])
    assert depth.shape == (256, 512)
    assert depth[place_of(RIGHT_DEG, 0, 512)] == pytest.approx(FACE, abs=0.01)
    assert depth[place_of(RIGHT_DEG + 8, 0, 512)] == pytest.approx(
        FACE / math.cos(math.radians(8)), abs=0.02
    )
    assert depth[0] == pytest.approx(2.0, abs=0.01), "overhead"
    for empty in (0, -RIGHT_DEG, 180):
        assert depth[place_of(empty, 0, 512)] == FARTHEST
    assert (depth[200:] == FARTHEST).all()


def test_without_a_camera_it_is_measured_from_the_3d_cursor_ahead_along_y(measured):
    depth = distances(measured[0], "cursor")
    assert depth.shape == (512, 1024)
    assert depth[place_of(RIGHT_DEG + 20, 0, 1024)] == pytest.approx(FACE, abs=0.01)


def test_a_model_that_follows_nothing_is_sent_no_depth(measured):
    assert measured[1]["model_that_cannot"] == [None, 0]


def test_the_panel_offers_it_to_models_that_take_control_and_says_so_to_the_others(measured):
    assert measured[1]["panel"] == {
        "vace": [],
        "preview": ["Depth of the scene: model 'preview' cannot"],  # and goes on in the next line
    }


def test_a_render_of_the_users_asks_the_engine_for_its_memory(measured):
    assert measured[1]["freed"] == ["asked"]


def face_in(picture: np.ndarray) -> None:
    """The cube's face is a grey square in the middle, and there is nothing else.

    White is the cube overhead, as near as 2; evenly in one over the distance this one is 2/5.
    """
    centre = 31.5
    assert picture[30:34, 30:34] == pytest.approx(2 / FACE, abs=0.01)
    rows, columns = np.nonzero(picture > 1 / FACE)
    for cells in (rows, columns):
        assert cells.mean() == pytest.approx(centre, abs=0.6)
        assert (cells.max() - cells.min() + 1) / 2 == pytest.approx(NEAR_PX, abs=1.5)
    assert len(rows) == pytest.approx(4 * NEAR_PX**2, rel=0.25)


def test_a_view_of_the_engine_sees_the_cube_where_it_stands(measured, tmp_path):
    raw = (measured[0] / "depth.exr").read_bytes()
    sha256 = hashlib.sha256(raw).hexdigest()
    blob_path(tmp_path, sha256).parent.mkdir(parents=True)
    blob_path(tmp_path, sha256).write_bytes(raw)
    spec = JobSpec(prompt="a city", width=512, height=256, follow_sha256=sha256)
    shown = condition(spec, Wordless(num_frames=8), tmp_path).pictures
    seen = shown.seen(**VIEW).follow
    assert isinstance(seen, torch.Tensor)
    assert torch.equal(seen[0], seen[1])
    face_in(((seen[0] + 1) / 2).numpy())
    away = shown.seen(**VIEW | {"yaw_deg": RIGHT_DEG - 180}).follow
    assert float(away.max()) == pytest.approx(-1, abs=1e-6)


def test_what_is_painted_over_the_depth_stands_behind_the_cube_in_the_world(measured, blender):
    folder = measured[0]
    followed = read_follow((folder / "depth.exr").read_bytes(), 512, 256)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": followed}) as file:
        file.write(str(folder / "world.exr"))
    face_in(np.array(blender("depth.py", "world", folder)["seen"]))
