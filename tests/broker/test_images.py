from __future__ import annotations

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panoloom.engine_server.broker.images import read_head
from panoloom.engine_server.conditioning.reference import read_reference
from panoloom.shared.errors import InvalidJob


def png(width, height):
    begin = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return begin + b"rest" + b"\0\0\0\0IEND\xaeB`\x82"


def jpeg(width, height):
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + app0 + b"\xff" + frame + b"\xff\xd9"


def exr(width, height):
    window = struct.pack("<iiii", -2, 3, width - 3, height + 2)
    return b"\x76\x2f\x31\x01\x02\0\0\0dataWindow\0box2i\0\x10\0\0\0" + window


KINDS = {"png": png, "jpeg": jpeg, "exr": exr}
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 512 +X 1024\n"


def head(tmp_path, raw, field="reference.sha256"):
    path = tmp_path / "image"
    path.write_bytes(raw)
    return read_head(path, field=field)


def picture(kind, width=64, height=32):
    """A real file, of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_read_from_the_first_bytes(tmp_path, kind):
    found = head(tmp_path, KINDS[kind](1024, 512))
    assert (found.kind, found.width, found.height) == (kind, 1024, 512)


@pytest.mark.parametrize("raw", [b"", b"x", b"GIF89a....", b"%PDF-1.7", bytes(100), HDR])
def test_what_is_no_picture_is_refused(tmp_path, raw):
    with pytest.raises(InvalidJob, match="no picture"):
        head(tmp_path, raw)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_short_is_refused(tmp_path, kind):
    raw = KINDS[kind](1024, 512)
    with pytest.raises(InvalidJob, match="damaged"):
        head(tmp_path, raw[:20])


@pytest.mark.parametrize("kind", ["png", "exr"])
@pytest.mark.parametrize("size", [(40000, 20000), (11328, 5664), (16384, 8192)])
def test_a_huge_picture_is_refused_and_the_largest_is_named(tmp_path, kind, size):
    with pytest.raises(InvalidJob) as caught:
        head(tmp_path, KINDS[kind](*size))
    assert caught.value.details["largest"] == [11312, 5656]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_the_largest_size_is_taken(tmp_path, kind):
    assert head(tmp_path, KINDS[kind](11312, 5656)).width == 11312


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(300, 300), (512, 255), (256, 512)])
def test_a_picture_that_is_not_twice_as_wide_as_high_is_refused(tmp_path, kind, size):
    with pytest.raises(InvalidJob, match="twice as wide") as caught:
        head(tmp_path, KINDS[kind](*size))
    assert caught.value.details["nearest"] == [2 * size[1], size[1]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_real_picture_cut_short_behind_its_head_is_refused(tmp_path, kind, share):
    raw = picture(kind, 256, 128)
    assert head(tmp_path, raw).width == 256
    with pytest.raises(InvalidJob, match="cut short"):
        head(tmp_path, raw[: int(len(raw) * share)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_behind_the_end_of_a_picture_do_not_matter(tmp_path, kind):
    assert head(tmp_path, picture(kind) + bytes(300)).width == 64


@pytest.mark.parametrize(
    "field", ["reference", "reference.sha256", "mask", "reference.mask_sha256"]
)
@pytest.mark.parametrize(
    "raw", [b"text", png(0, 0), png(300, 300), png(40000, 20000), png(64, 32)[:20]]
)
def test_an_error_speaks_of_the_picture_that_is_meant(tmp_path, field, raw):
    with pytest.raises(InvalidJob, match="The mask" if "mask" in field else "The reference"):
        head(tmp_path, raw, field)


@pytest.mark.parametrize(
    "raw",
    [HDR, b"GIF89a....", picture("PNG", 30, 30), picture("PNG")[:3000], picture("JPEG")[:900],
     picture("PNG"), picture("JPEG"), picture("JPEG", 64, 31)],
)  # fmt: skip
def test_the_door_and_the_worker_agree(tmp_path, raw):
    def refuses(read):
        with contextlib.suppress(InvalidJob):
            read()
            return False
        return True

    assert refuses(lambda: head(tmp_path, raw)) == refuses(
        lambda: read_reference(raw, None, 64, 32)
    )


def test_a_picture_of_no_size_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match="damaged"):
        head(tmp_path, png(0, 512))


@given(kind=st.sampled_from([*KINDS]), noise=st.binary(max_size=60), cut=st.integers(2, 60))
@settings(max_examples=200, deadline=None)
def test_noise_behind_a_magic_number_is_refused_or_read(tmp_path_factory, kind, noise, cut):
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(KINDS[kind](64, 32)[:cut] + noise)
    with contextlib.suppress(InvalidJob):
        assert read_head(path, field="reference.sha256").width > 0
