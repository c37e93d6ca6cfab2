from __future__ import annotations

import io
import zlib

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from panoloom.engine_server.colour import linear_to_srgb
from panoloom.engine_server.conditioning import reference
from panoloom.engine_server.conditioning.reference import read_reference
from panoloom.shared.errors import InvalidJob


def encoded(pixels, kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def exr(channels):
    stream = io.BytesIO()
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    with OpenEXR.File(header, channels) as file:
        file.write(stream)
    return stream.getvalue()


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)


def test_a_png_of_the_jobs_size_comes_through_as_it_is(noise):
    read = read_reference(encoded(noise), None, 64, 32)
    assert read.erp.dtype == np.float32
    assert np.array_equal(np.rint(read.erp * 255), noise)
    assert read.mask is None


def test_a_jpeg_is_read():
    grey = np.full((32, 64, 3), 128, np.uint8)
    read = read_reference(encoded(grey, "JPEG"), None, 64, 32)
    assert np.abs(read.erp - 128 / 255).max() < 0.01


@pytest.mark.parametrize("mode", ["L", "P", "LA", "CMYK", "1"])
def test_other_kinds_of_pixels_become_colours(noise, mode):
    stream = io.BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.fromarray(noise).convert(mode).save(stream, kind)
    assert read_reference(stream.getvalue(), None, 64, 32).erp.shape == (32, 64, 3)


def test_sixteen_bits_a_pixel_keep_their_scale():
    grey = np.full((32, 64), 32768, np.uint16)
    read = read_reference(encoded(grey), None, 64, 32)
    assert read.erp == pytest.approx(32768 / 65535, abs=1e-4)


def test_exr_is_linear_and_is_clipped_at_white():
    light = np.zeros((32, 64, 3), np.float32)
    light[:16], light[16:] = 0.5, 40.0
    read = read_reference(exr({"RGB": light}), None, 64, 32)
    assert read.erp[0, 0] == pytest.approx(0.735357, abs=1e-4)
    assert np.all(read.erp[16:] == 1.0)


def test_the_alpha_of_a_render_is_the_mask_and_is_taken_out_of_the_colours():
    alpha = np.zeros((32, 64, 1), np.float32)
    alpha[:, :32], alpha[0, 0] = 1.0, 0.5
    render = np.concatenate([np.repeat(0.5 * alpha, 3, axis=-1), alpha], axis=-1)
    read = read_reference(exr({"RGBA": render}), None, 64, 32)
    assert np.array_equal(read.mask, alpha[..., 0])
    assert read.erp[0, 0] == pytest.approx(read.erp[10, 10], abs=1e-4)
    assert read.erp[10, 10] == pytest.approx(0.735357, abs=1e-4)


def test_the_alpha_of_a_png_is_the_mask(noise):
    alpha = np.full((32, 64, 1), 255, np.uint8)
    alpha[:, 32:] = 0
    read = read_reference(encoded(np.concatenate([noise, alpha], axis=-1)), None, 64, 32)
    assert np.array_equal(read.mask, alpha[..., 0] / 255)
    assert np.array_equal(np.rint(read.erp[:, :32] * 255), noise[:, :32])


def test_an_alpha_that_is_opaque_everywhere_is_no_mask(noise):
    opaque = np.concatenate([noise, np.full((32, 64, 1), 255, np.uint8)], axis=-1)
    assert read_reference(encoded(opaque), None, 64, 32).mask is None


def test_a_mask_file_counts_by_its_brightness_and_goes_before_the_alpha(noise):
    alpha = np.zeros((32, 64, 1), np.uint8)
    mask = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))
    picture = encoded(np.concatenate([noise, alpha], axis=-1))
    read = read_reference(picture, encoded(mask), 64, 32)
    assert read.mask == pytest.approx(mask / 255, abs=1e-5)


def test_an_exr_mask_is_taken_as_it_is(noise):
    mask = np.full((32, 64), 0.25, np.float32)
    assert read_reference(encoded(noise), exr({"Y": mask}), 64, 32).mask == pytest.approx(0.25)


def test_layers_of_a_blender_render_are_found():
    light = np.full((32, 64), 0.5, np.float16)
    depth = np.full((32, 64), 1e10, np.float32)
    layers = {f"ViewLayer.Combined.{name}": light for name in "RGBA"}
    raw = exr({**layers, "ViewLayer.Depth.Z": depth, "ViewLayer.Normal.X": light})
    read = read_reference(raw, None, 64, 32)
    assert read.mask == pytest.approx(0.5)
    assert read.erp == pytest.approx(1.0)


def test_parts_of_a_render_are_found():
    light = np.full((32, 64), 0.5, np.float16)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    depth = OpenEXR.Part({**header, "name": "depth"}, {"Z": light})
    picture = OpenEXR.Part({**header, "name": "rgb"}, dict.fromkeys("RGB", light))
    stream = io.BytesIO()
    with OpenEXR.File([depth, picture]) as file:
        file.write(stream)
    read = read_reference(stream.getvalue(), None, 64, 32)
    assert read.erp == pytest.approx(0.735357, abs=1e-4)


def test_shrinking_averages_light_over_areas():
    stripes = np.zeros((64, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    read = read_reference(encoded(stripes), None, 64, 32)
    assert read.erp == pytest.approx(0.735357, abs=1e-4)


def test_colours_beside_transparent_pixels_do_not_darken_when_shrinking():
    light = np.zeros((64, 128, 4), np.float32)
    light[:, :31] = (0.5, 0.5, 0.5, 1.0)
    read = read_reference(exr({"RGBA": light}), None, 64, 32)
    assert read.mask[0, 14:17] == pytest.approx([1.0, 0.5, 0.0])
    assert read.erp[0, 15] == pytest.approx(0.735357, abs=1e-4)


@pytest.mark.parametrize("size", [(32, 16), (48, 24), (100, 50), (256, 128)])
def test_rolling_the_picture_rolls_the_result_over_the_seam(size):
    width, height = size
    column = (np.arange(64) + 0.5) / 64 * 2 * np.pi
    ring = np.tile(0.5 + 0.3 * np.sin(column)[None, :, None], (32, 1, 3)).astype(np.float32)
    straight = read_reference(exr({"RGB": ring}), None, width, height).erp
    turned = read_reference(exr({"RGB": np.roll(ring, 32, axis=1)}), None, width, height).erp
    np.testing.assert_allclose(np.roll(straight, width // 2, axis=1), turned, atol=2e-3)


def test_growing_follows_a_smooth_picture_at_its_seam():
    def ring(width):
        column = (np.arange(width) + 0.5) / width * 2 * np.pi
        return np.tile(0.5 + 0.3 * np.sin(column)[None, :, None], (width // 2, 1, 3))

    grown = read_reference(exr({"RGB": ring(64).astype(np.float32)}), None, 256, 128).erp
    away_from_poles = slice(16, -16)  # where such a picture has a crease
    true = linear_to_srgb(ring(256))
    np.testing.assert_allclose(grown[away_from_poles], true[away_from_poles], atol=2e-3)


@pytest.mark.parametrize(
    "raw",
    [b"", b"not a picture", b"GIF89a" + bytes(100), b"\x80\x04\x95pickle", b"<svg/>"],
    ids=["empty", "text", "gif", "pickle", "svg"],
)
def test_what_is_no_picture_is_refused(raw):
    with pytest.raises(InvalidJob, match="not a PNG, JPEG or OpenEXR") as caught:
        read_reference(raw, None, 64, 32)
    assert caught.value.details["field"] == "reference"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "EXR"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_picture_that_was_cut_short_is_refused(noise, kind, share):
    raw = exr({"RGB": noise.astype(np.float32)}) if kind == "EXR" else encoded(noise, kind)
    with pytest.raises(InvalidJob, match="damaged"):
        read_reference(raw[: max(int(len(raw) * share), 8)], None, 64, 32)


def test_a_picture_full_of_rubbish_is_refused():
    rng = np.random.default_rng(0)
    for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\x76\x2f\x31\x01\x02\x00\x00\x00"):
        with pytest.raises(InvalidJob, match="damaged"):
            read_reference(magic + rng.bytes(500), None, 64, 32)


@pytest.mark.parametrize("size", [(64, 64), (64, 31), (65, 32)])
def test_a_picture_that_is_not_twice_as_wide_as_high_is_refused(size):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    with pytest.raises(InvalidJob, match=f"{size[0]}x{size[1]}; a 360° picture is twice"):
        read_reference(encoded(pixels), None, 64, 32)


@pytest.mark.parametrize("kind", ["PNG", "EXR"])
def test_a_huge_picture_is_refused_by_its_header(noise, kind, monkeypatch):
    monkeypatch.setattr(reference, "MAX_REFERENCE_PIXELS", 2000)
    raw = exr({"RGB": noise.astype(np.float32)}) if kind == "EXR" else encoded(noise)
    with pytest.raises(InvalidJob, match=r"too large \(64x32\)"):
        read_reference(raw, None, 64, 32)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    small = bytearray(encoded(np.zeros((1, 1), np.uint8)))
    small[16:24] = (60_000).to_bytes(4, "big") + (30_000).to_bytes(4, "big")
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4, "big")
    with pytest.raises(InvalidJob, match="too large"):
        read_reference(bytes(small), None, 64, 32)


def test_a_mask_of_another_size_is_refused(noise):
    mask = np.zeros((16, 32), np.uint8)
    with pytest.raises(InvalidJob, match="mask is 32x16 and its reference 64x32") as caught:
        read_reference(encoded(noise), encoded(mask), 64, 32)
    assert caught.value.details["field"] == "mask"


def test_a_mask_that_is_no_picture_is_refused(noise):
    with pytest.raises(InvalidJob, match="mask is not a PNG"):
        read_reference(encoded(noise), b"mask", 64, 32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused_with_their_place(value):
    light = np.zeros((32, 64, 3), np.float32)
    light[3, 5, 1] = light[20, 7, 0] = value
    with pytest.raises(InvalidJob, match=r"2 pixels .* column 5, row 3"):
        read_reference(exr({"RGB": light}), None, 64, 32)


def test_an_exr_without_colours_is_refused_with_what_it_has():
    raw = exr({"Z": np.zeros((32, 64), np.float32)})
    with pytest.raises(InvalidJob, match="no channels R, G and B; it has Z"):
        read_reference(raw, None, 64, 32)


def test_light_below_zero_counts_as_black():
    read = read_reference(exr({"RGB": np.full((32, 64, 3), -1.0, np.float32)}), None, 64, 32)
    assert np.all(read.erp == 0)
