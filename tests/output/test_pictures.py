from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from panoloom.engine_server.output.pictures import (
    FACES,
    ContactSheet,
    cube_faces,
    preview_jpeg,
    write_poster,
)
from panoloom.engine_server.panorama.erp import cell_directions

AXES = {
    "front": (1, 0, 0),
    "right": (0, 1, 0),
    "back": (-1, 0, 0),
    "left": (0, -1, 0),
    "up": (0, 0, 1),
    "down": (0, 0, -1),
}


def test_each_face_looks_along_its_own_axis():
    directions = cell_directions(64, 128)
    faces = cube_faces((directions.astype(np.float32) + 1) / 2, 32)
    for (name, _, _), face in zip(FACES, faces, strict=True):
        centre = face[15:17, 15:17].mean(axis=(0, 1)) * 2 - 1
        assert centre == pytest.approx(AXES[name], abs=0.02), name


def test_faces_join_at_their_edges():
    front, right, _, _, up, _ = cube_faces(
        (cell_directions(128, 256).astype(np.float32) + 1) / 2, 64
    )
    assert np.abs(front[:, -1] - right[:, 0]).max() < 0.03
    assert np.abs(front[0] - up[-1]).max() < 0.03


def test_the_sheet_shows_the_first_and_the_last_frame_and_four_between():
    assert ContactSheet(num_frames=48, width=512).indices == [0, 9, 19, 28, 38, 47]
    assert ContactSheet(num_frames=4, width=512).indices == [0, 1, 2, 3]


def test_the_sheet_has_a_row_a_frame_and_a_column_a_face(tmp_path):
    sheet = ContactSheet(num_frames=6, width=256)
    for index in range(6):
        sheet.add(index, np.full((128, 256, 3), index / 5, np.float32))
    sheet.save(tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    rows = np.unique(np.nonzero((pixels == 255).all(axis=-1))[0])
    assert len(rows) >= 96  # the last row is white over its whole height
    assert pixels.shape[1] > 6 * 96
    assert pixels.shape[0] > 6 * 96


def test_the_poster_is_the_frame_itself(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    write_poster(tmp_path / "poster.png", (values / 255).astype(np.float32))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "poster.png")), values)


def test_a_preview_is_a_jpeg_no_wider_than_asked():
    frame = np.full((512, 1024, 3), 0.5, np.float32)
    raw, width, height = preview_jpeg(frame)
    image = Image.open(io.BytesIO(raw))
    assert (image.format, image.size) == ("JPEG", (512, 256))
    assert (width, height) == (512, 256)
    assert abs(int(np.asarray(image)[128, 256, 0]) - 128) <= 1


def test_a_small_preview_keeps_its_size_and_wild_values_are_clipped():
    frame = np.linspace(-1, 2, 32 * 64 * 3, dtype=np.float64).reshape(32, 64, 3)
    raw, width, height = preview_jpeg(frame)
    assert (width, height) == (64, 32)
    assert np.asarray(Image.open(io.BytesIO(raw)))[0, 0, 0] < 10
