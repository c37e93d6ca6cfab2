from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from spherical_reader import Told, samples_of, spherical_of

from panoloom.engine_server.output.boxes import Box, read_index, replace_index, shifted
from panoloom.engine_server.output.spherical import (
    Spherical,
    apple_box,
    read_spherical,
    v2_boxes,
    write_spherical,
)
from panoloom.shared.errors import InvalidJob

# After the specifications; accepted by ffprobe 5.1, 7.1 and 9.0. The tool's name is "ours".
GOLDEN_V2 = {
    "mono": "0000000d737433640000000000"
    "00000055737633640000001173766864000000006f757273000000003c70726f6a0000001870726864000000"
    "000000000000000000000000000000001c657175690000000000000000000000000000000000000000",
    "top-bottom": "0000000d737433640000000001"
    "00000055737633640000001173766864000000006f757273000000003c70726f6a0000001870726864000000"
    "000000000000000000000000000000001c657175690000000000000000000000000000000000000000",
}
GOLDEN_VEXU = {
    "mono": "00000020766578750000001870726f6a0000001070726a690000000065717569",
    "top-bottom": "0000004d7665787500000015657965730000000d737472690000000003"
    "0000001870726f6a0000001070726a690000000065717569000000187061636b00000010706b696e00000000"
    "6f766572",
}
CODECS = {"avc1": "libx264", "hvc1": "libx265", "av01": "libsvtav1"}
LAYOUTS = ("mono", "top-bottom")
FFMPEG_STEREO = {"mono": 0, "top-bottom": 2}
"""AVStereo3DType, the first number of the side data."""
V1_SAYS = {
    "Spherical": "true",
    "Stitched": "true",
    "StitchingSoftware": "Panoloom",
    "ProjectionType": "equirectangular",
}
SAYS = {
    layout: Told(
        v1=V1_SAYS | stereo,
        stereo_mode=mode,
        tool="Panoloom",
        pose=(0, 0, 0),
        bounds=(0, 0, 0, 0),
        apple=apple,
    )
    for layout, stereo, mode, apple in (
        ("mono", {}, 0, ("equi", None, None)),
        ("top-bottom", {"StereoMode": "top-bottom"}, 1, ("equi", 3, "over")),
    )
}
"""What an independent reader has to find: a whole sphere, level, its middle ahead."""


def encode(path, codec="avc1", *, moov_first=True, fragmented=False):
    """Eight frames of noise, 128x128, B-frames where the codec has them."""
    flags = "+frag_keyframe+empty_moov" if fragmented else "+faststart" if moov_first else ""
    kind = "mov" if path.suffix == ".mov" else "mp4"
    rng = np.random.default_rng(1)
    quiet = {"x264-params": "log-level=none", "x265-params": "log-level=none:pools=none"}
    with av.open(str(path), "w", format=kind, options={"movflags": flags} if flags else {}) as out:
        stream = out.add_stream(CODECS[codec], rate=24, options=quiet)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        stream.sample_aspect_ratio = Fraction(1)
        stream.codec_context.codec_tag = codec
        stream.codec_context.thread_count = 1
        for index in range(8):
            noise = rng.integers(0, 255, (128, 128, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """(codec, ending, moov first) -> bytes of a small film, each encoded once."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def film(codec, ending, moov_first):
        key = codec, ending, moov_first
        if key not in made:
            # FFmpeg writes no AV1 into MOV; the layout of the file is that of MP4.
            written = "mp4" if codec == "av01" else ending
            name = f"{codec}-{moov_first}.{written}"
            raw = encode(folder / name, codec, moov_first=moov_first).read_bytes()
            made[key] = raw if written == ending else raw.replace(b"ftypisom", b"ftypqt  ", 1)
        return made[key]

    return film


def packets(path):
    with av.open(str(path)) as container:
        return [
            (packet.pts, packet.dts, hashlib.sha256(bytes(packet)).hexdigest())
            for packet in container.demux(video=0)
            if packet.size
        ]


def side_data(path):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return {str(data.type).rpartition(".")[2]: bytes(data) for data in frame.side_data}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_have_the_golden_bytes(layout):
    said = Spherical(layout=layout, software="ours")
    assert b"".join(box.raw() for box in v2_boxes(said)).hex() == GOLDEN_V2[layout]
    assert apple_box(said).raw().hex() == GOLDEN_VEXU[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("moov_first", [True, False])
@pytest.mark.parametrize("ending", ["mp4", "mov"])
@pytest.mark.parametrize("codec", CODECS)
def test_metadata_goes_in_and_every_packet_stays(
    codec, ending, moov_first, layout, films, tmp_path
):
    path = tmp_path / f"film.{ending}"
    path.write_bytes(films(codec, ending, moov_first))
    before, samples = packets(path), samples_of(path)
    write_spherical(path, Spherical(layout=layout))
    assert packets(path) == before
    assert samples_of(path) == samples
    assert len(before) == len(samples) == 8
    assert spherical_of(path) == SAYS[layout]
    assert read_spherical(path) == Spherical(layout=layout)
    told = side_data(path)
    assert "SPHERICAL" in told
    assert int.from_bytes(told["STEREO3D"][:4], sys.byteorder) == FFMPEG_STEREO[layout]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("codec", CODECS)
def test_ffprobe_finds_the_sphere(codec, layout, films, ffprobe, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films(codec, "mp4", True))
    write_spherical(path, Spherical(layout=layout))
    words = [ffprobe, "-v", "error", "-show_streams", "-of", "json", path]
    told = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
    found = {each["side_data_type"]: each for each in told["streams"][0]["side_data_list"]}
    sphere = found["Spherical Mapping"]
    assert (sphere["projection"], sphere["yaw"], sphere["pitch"]) == ("equirectangular", 0, 0)
    # 7.1 takes Apple's box before V2 and does not know its packing; before and after, it is told.
    stereo = {"mono": ("2D",), "top-bottom": ("top and bottom", "unspecified")}
    assert found["Stereo 3D"]["type"] in stereo[layout]


def test_writing_again_changes_nothing_and_the_last_word_holds(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", True))
    write_spherical(path, Spherical())
    once = path.read_bytes()
    write_spherical(path, Spherical(layout="top-bottom"))
    assert read_spherical(path) == Spherical(layout="top-bottom")
    write_spherical(path, Spherical())
    assert path.read_bytes() == once


def test_boxes_stand_behind_the_codec_and_before_the_aspect(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", True))
    write_spherical(path, Spherical())
    raw = path.read_bytes()
    places = [raw.index(kind) for kind in (b"avcC", b"st3d", b"sv3d", b"vexu", b"pasp", b"uuid")]
    assert places == sorted(places)
    assert raw.index(b"uuid") < raw.index(b"mdat")


@pytest.mark.parametrize("moov_first", [True, False])
@pytest.mark.parametrize("codec", CODECS)
def test_wide_chunk_offsets_are_moved_as_narrow_ones_are(codec, moov_first, films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films(codec, "mp4", moov_first))
    before, samples = packets(path), samples_of(path)
    moov, extents = read_index(path)
    for box in moov.walk():
        if box.kind == b"stco":
            (count,) = struct.unpack_from(">I", box.head, 4)
            offsets = struct.unpack_from(f">{count}I", box.head, 8)
            box.kind = b"co64"
            box.head = box.head[:8] + struct.pack(f">{count}Q", *offsets)
    replace_index(path, moov, extents)
    assert b"co64" in path.read_bytes()
    write_spherical(path, Spherical())
    assert packets(path) == before
    assert samples_of(path) == samples
    assert spherical_of(path) == SAYS["mono"]


def test_offsets_that_outgrow_their_table_get_a_wide_one(films, tmp_path):
    """A film of 4 GiB whose last chunk lies just below the end of what 32 bits can say."""
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", True))
    moov, extents = read_index(path)
    (place,) = [extent for extent in extents if extent.kind == b"moov"]
    table = next(box for box in moov.walk() if box.kind == b"stco")
    table.head = table.head[:4] + struct.pack(">3I", 2, 0, 0)
    place = replace(place, size=len(moov.raw()))
    table.head = table.head[:4] + struct.pack(">3I", 2, place.end, 2**32 - 1)
    moov.children.append(Box(b"free", bytes(8)))
    moved = len(shifted(moov, place)) - place.size
    assert (table.kind, moved) == (b"co64", 16 + 2 * 4)  # the box, and twice as wide
    assert struct.unpack(">2Q", table.head[8:]) == (place.end + moved, 2**32 - 1 + moved)


def test_fragmented_files_are_refused_untouched(tmp_path):
    path = encode(tmp_path / "film.mp4", fragmented=True)
    before = path.read_bytes()
    with pytest.raises(InvalidJob, match="fragmented"):
        write_spherical(path, Spherical())
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [0, 5, 20, 200, -1])
def test_what_is_no_whole_film_is_refused_untouched(cut, films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", True)[:cut])
    before = path.read_bytes()
    with pytest.raises(InvalidJob):
        write_spherical(path, Spherical())
    assert path.read_bytes() == before


def test_other_codecs_are_named_and_refused(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", True).replace(b"avc1", b"mp4v"))
    with pytest.raises(InvalidJob, match=r"'mp4v'.*HEVC"):
        write_spherical(path, Spherical())


def test_a_film_without_metadata_says_nothing(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films("avc1", "mp4", False))
    assert read_spherical(path) is None


def test_zeros_behind_a_list_of_boxes_stay(films, tmp_path):
    path = tmp_path / "film.mov"
    path.write_bytes(films("avc1", "mov", True))
    before = packets(path)
    moov, extents = read_index(path)
    entry = moov.first(b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    assert entry is not None
    assert isinstance(entry.children[0], Box)
    entry.children[0].tail = bytes(4)
    replace_index(path, moov, extents)
    write_spherical(path, Spherical(layout="top-bottom"))
    assert packets(path) == before
    kept = read_index(path)[0].first(b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    assert kept is not None
    assert kept.tail == bytes(4)
