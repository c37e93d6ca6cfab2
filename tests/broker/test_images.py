from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoloom.engine_server.broker.images import read_head
from panoloom.shared.errors import InvalidJob


def png(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"rest"


def jpeg(width, height):
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + app0 + b"\xff" + frame + b"\xff\xd9"


def exr(width, height):
    window = struct.pack("<iiii", -2, 3, width - 3, height + 2)
    return b"\x76\x2f\x31\x01\x02\0\0\0dataWindow\0box2i\0\x10\0\0\0" + window


def hdr(width, height):
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width)


KINDS = {"png": png, "jpeg": jpeg, "exr": exr, "hdr": hdr}


def head(tmp_path, raw):
    path = tmp_path / "image"
    path.write_bytes(raw)
    return read_head(path, field="reference.sha256")


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_read_from_the_first_bytes(tmp_path, kind):
    found = head(tmp_path, KINDS[kind](1024, 512))
    assert (found.kind, found.width, found.height) == (kind, 1024, 512)


@pytest.mark.parametrize("raw", [b"", b"x", b"GIF89a....", b"%PDF-1.7", bytes(100)])
def test_what_is_no_picture_is_refused(tmp_path, raw):
    with pytest.raises(InvalidJob, match="no picture"):
        head(tmp_path, raw)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_short_is_refused(tmp_path, kind):
    raw = KINDS[kind](1024, 512)
    with pytest.raises(InvalidJob, match="damaged"):
        head(tmp_path, raw[:20])


@pytest.mark.parametrize("kind", ["png", "exr"])
@pytest.mark.parametrize("size", [(40000, 20000), (16385, 2), (2, 30000)])
def test_a_huge_picture_is_refused_and_the_largest_is_named(tmp_path, kind, size):
    with pytest.raises(InvalidJob) as caught:
        head(tmp_path, KINDS[kind](*size))
    assert caught.value.details["largest"] == [16384, 8192]


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
