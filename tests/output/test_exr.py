from __future__ import annotations

from fractions import Fraction

import numpy as np
import OpenEXR
import pytest

from panoloom.engine_server.colour import srgb_to_linear
from panoloom.engine_server.output.exr import exr_bytes, half_light, read_exr, write_exr

FPS = Fraction(24000, 1001)


def read(path):
    with OpenEXR.File(str(path)) as file:
        return dict(file.header()), file.channels()["RGB"].pixels, len(file.parts)


def test_what_is_read_back_is_the_linear_picture_in_half_precision(tmp_path):
    frame = np.random.default_rng(0).random((16, 32, 3), dtype=np.float32)
    write_exr(tmp_path / "a.exr", half_light(frame), fps=FPS)
    _, pixels, _ = read(tmp_path / "a.exr")
    assert pixels.dtype == np.float16
    np.testing.assert_allclose(pixels, srgb_to_linear(frame), rtol=2**-11, atol=2**-25)


def test_values_that_a_half_can_hold_are_exact(tmp_path):
    frame = np.zeros((2, 4, 3), np.float32)
    frame[0] = 1.0
    write_exr(tmp_path / "a.exr", half_light(frame), fps=FPS)
    _, pixels, _ = read(tmp_path / "a.exr")
    assert np.array_equal(pixels[0], np.ones((4, 3)))
    assert np.array_equal(pixels[1], np.zeros((4, 3)))


def test_rows_columns_and_channels_keep_their_places(tmp_path):
    frame = np.zeros((4, 8, 3), np.float32)
    frame[0, 0, 0] = frame[0, 7, 1] = frame[3, 0, 2] = 1.0
    write_exr(tmp_path / "a.exr", half_light(frame), fps=FPS)
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        planes = {name: channel.pixels for name, channel in file.channels().items()}
    assert sorted(planes) == ["B", "G", "R"]
    assert planes["R"][0, 0] == planes["G"][0, 7] == planes["B"][3, 0] == 1
    assert sum(plane.astype(float).sum() for plane in planes.values()) == 3


def test_the_header_says_what_blender_and_others_need(tmp_path):
    write_exr(tmp_path / "a.exr", np.full((8, 16, 3), 0.5, np.float16), fps=FPS)
    header, _, num_parts = read(tmp_path / "a.exr")
    assert num_parts == 1
    assert header["type"] == OpenEXR.scanlineimage
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["envmap"] == OpenEXR.ENVMAP_LATLONG
    assert header["framesPerSecond"] == FPS
    assert header["chromaticities"] == pytest.approx(
        (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    )
    assert list(header["dataWindow"][1]) == [15, 7]


def test_the_same_picture_gives_the_same_bytes():
    frame = np.random.default_rng(0).random((64, 128, 3), dtype=np.float32)
    assert exr_bytes(half_light(frame), fps=FPS) == exr_bytes(half_light(frame.copy()), fps=FPS)


def test_half_floats_come_back_bit_by_bit():
    light = np.random.default_rng(1).integers(0, 0x7BFF, (8, 16, 3), dtype=np.uint16)
    back = read_exr(exr_bytes(light.view(np.float16), fps=FPS))
    assert np.array_equal(back.view(np.uint16), light)


@pytest.mark.parametrize("raw", [b"", b"no picture at all", b"\x76\x2f\x31\x01 and then nothing"])
def test_what_is_no_frame_of_ours_is_refused(raw):
    with pytest.raises(ValueError, match="OpenEXR"):
        read_exr(raw)
