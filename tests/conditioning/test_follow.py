"""Depth and lines that the pictures follow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from panoloom.engine_server.conditioning.follow import nearness, read_follow
from panoloom.engine_server.conditioning.reference import read_distance
from panoloom.shared.errors import InvalidJob


def test_near_is_white_far_is_black_evenly_in_one_over_the_distance() -> None:
    inverse = np.linspace(0.01, 1.0, 1000, dtype=np.float32)
    near = nearness(1 / inverse)
    assert near[0] == 0
    assert near[-1] == 1
    assert near[500] == pytest.approx(0.5, abs=0.01)
    assert (np.diff(near) >= -1e-6).all()
    assert (nearness(np.full((4, 8), 7.0, np.float32)) == 0).all()


def test_distances_of_an_exr_become_nearness_and_the_sky_is_far(tmp_path: Path) -> None:
    distance = np.full((16, 32, 3), 1e10, np.float32)
    distance[8:] = np.linspace(2, 20, 32, dtype=np.float32)[None, :, None]
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    path = tmp_path / "depth.exr"
    with OpenEXR.File(header, {"RGB": distance}) as file:
        file.write(str(path))
    made = read_follow(path.read_bytes(), 32, 16)
    assert made.shape == (16, 32, 3)
    assert made[:8].max() == 0
    assert made[12, 0].min() > 0.95
    assert made[12, 0, 0] > made[12, 16, 0] > made[12, 31, 0] > 0


def exr(**channels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    planes = {name.replace("_", "."): plane for name, plane in channels.items()}
    with OpenEXR.File(header, planes) as file:
        file.write(stream)
    return stream.getvalue()


def plane(value: float) -> np.ndarray:
    return np.full((16, 32), value, np.float32)


def test_of_a_file_with_several_layers_the_nearest_depth_counts_and_no_colour() -> None:
    near, far, colour = plane(4), plane(9), plane(0.5)
    far[:, :8], far[:, 16:], near[:, 8:] = 2, np.inf, np.inf
    raw = exr(A_Depth_Z=near, B_Depth_Z=far, A_Combined_R=colour)
    expected = np.select([np.arange(32) < 8, np.arange(32) < 16], [2.0, 9.0], 1e10)
    assert np.array_equal(read_distance(raw, "follow"), np.tile(expected.astype("f4"), (16, 1)))
    assert np.array_equal(read_follow(raw, 32, 16)[..., 0], nearness(np.tile(expected, (16, 1))))


def test_a_distance_that_is_no_number_is_refused_with_its_place() -> None:
    broken = plane(3)
    broken[5, 7] = np.nan
    with pytest.raises(InvalidJob, match="column 7, row 5"):
        read_follow(exr(V_Depth_Z=broken), 32, 16)


def test_damaged_depth_is_refused() -> None:
    with pytest.raises(InvalidJob, match="damaged"):
        read_follow(exr(Z=plane(3))[:-40], 32, 16)


def test_lines_in_a_png_count_as_they_are() -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 5] = 128
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    made = read_follow(buffer.getvalue(), 32, 16)
    assert made[3, 5] == pytest.approx(128 / 255, abs=1e-3)
    assert made[3, 6].max() == 0


def test_a_picture_that_is_no_panorama_is_refused_with_the_nearest() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((16, 20, 3), np.uint8)).save(buffer, format="PNG")
    with pytest.raises(InvalidJob, match="20x16") as caught:
        read_follow(buffer.getvalue(), 32, 16)
    assert caught.value.details["nearest"] == [32, 16]
