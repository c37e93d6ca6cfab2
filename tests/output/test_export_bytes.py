"""Films of an export as bytes: the same twice, closed groups, nothing before time 0, and what
stream and file say of colour, depth, level and peak."""

from __future__ import annotations

import ctypes
import hashlib
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec import CodecContext
from levels import holds

from panoloom.engine_server.output.boxes import read_index, sample_entry, video_track
from panoloom.engine_server.output.codec import coded_level
from panoloom.engine_server.output.export.encodings import MIN_MBPS, REPEATABLE_AREA, encoding_of
from panoloom.engine_server.output.export.presets import PRESETS, find_preset
from panoloom.engine_server.output.export.unroll import unroll
from panoloom.engine_server.output.video import VideoWriter

FPS = Fraction(8)
NUM_FRAMES = 10
M_PERTURB = -6
"""Of glibc's mallopt: what fresh memory is filled with."""
FILMS = [(p.name, codec) for p in PRESETS if p.kind == "video" for codec in p.codecs]


def frames(width, height, grain=0.2, num_frames=NUM_FRAMES):
    """Waves and grain that move."""
    rng = np.random.default_rng(3)
    row, column = np.mgrid[0:height, 0:width]
    grain = rng.random((height, width, 3), dtype=np.float32) * grain
    for index in range(num_frames):
        wave = 0.5 + 0.3 * np.sin((column + 5 * index) / 17 + row / 11)
        moved = wave[..., None].astype(np.float32) + np.roll(grain, 3 * index, axis=1)
        yield np.clip(moved, 0.0, 1.0)


def encode(path, preset, codec, *, width=320, height=160, fps=FPS, **content):
    size = {"width": width, "height": height, "fps": fps}
    encoding = encoding_of(find_preset(preset), codec, **size, num_frames=int(fps))
    with VideoWriter(path, **size, encoding=encoding) as video:
        for frame in frames(width, height, **content):
            video.add(frame)
    return path


def fill_fresh_memory_with(value):
    try:
        ctypes.CDLL(None).mallopt(M_PERTURB, value)
    except (AttributeError, TypeError, OSError):
        return  # another C library: memory is as it comes


@pytest.mark.parametrize(
    ("preset", "codec"), [("web-safe", "h264"), ("blender-hdr", "hevc"), ("quest3", "av1")]
)
def test_the_same_frames_give_the_same_bytes_whatever_fresh_memory_holds(preset, codec, tmp_path):
    hashes = set()
    try:
        for value in (33, 200):
            fill_fresh_memory_with(value)
            path = encode(tmp_path / f"{value}.mp4", preset, codec)
            hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
    finally:
        fill_fresh_memory_with(0)
    assert len(hashes) == 1


@pytest.mark.parametrize(("codec", "word"), [("h264", "threads=1"), ("hevc", "pools=none")])
def test_only_large_frames_are_coded_by_as_many_threads_as_there_are_cores(codec, word):
    def words(width):
        size = {"width": width, "height": width // 2, "fps": FPS, "num_frames": 8}
        return " ".join(encoding_of(find_preset("quest3"), codec, **size).options.values())

    assert word in words(2048).replace(":", " ")
    assert REPEATABLE_AREA == 2048 * 1024
    assert word not in words(4096)


def pictures(context, packets):
    """Decoded luma, frame by frame."""
    found = [frame for packet in packets for frame in context.decode(packet)]
    found += context.decode(None)
    return [frame.to_ndarray()[: frame.height].copy() for frame in found]


def decoder(stream):
    made = CodecContext.create(stream.codec_context.name, "r")
    made.extradata = stream.codec_context.extradata
    return made


@pytest.mark.parametrize(("preset", "codec"), FILMS)
def test_groups_are_closed_and_as_short_as_the_preset_says(preset, codec, tmp_path):
    path = encode(tmp_path / "film.mp4", preset, codec, width=128, height=64)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        whole = pictures(decoder(stream), packets)
        keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
        for start in keys:  # a player may begin at any: nothing before is asked for
            alone = pictures(decoder(stream), packets[start:])
            assert all(np.array_equal(a, b) for a, b in zip(alone, whole[start:], strict=True))
    longest = max(b - a for a, b in zip(keys, [*keys[1:], NUM_FRAMES], strict=True))
    assert keys[0] == 0
    assert longest <= find_preset(preset).gop_s * FPS
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_an_edit_list_skips_nothing(codec, tmp_path):
    once = encode(tmp_path / "once.mp4", "quest3", codec, width=128, height=64)
    unroll(once, tmp_path / "film.mp4", repeats=3)
    moov, _ = read_index(tmp_path / "film.mp4")
    track = next(box for box in moov.children if box.kind == b"trak")
    edits = next((box for box in track.children if box.kind == b"edts"), None)
    if edits is None:
        return  # no list: it begins at its first picture
    _, _, count, _, media_time = struct.unpack_from(">I4sxxxxIIi", edits.head)[:5]
    assert (count, media_time) == (1, 0)


@pytest.mark.parametrize(("preset", "codec"), FILMS)
def test_stream_file_and_frames_say_one_colour_and_the_depth_is_the_presets(
    preset, codec, tmp_path
):
    path = encode(tmp_path / "film.mp4", preset, codec, width=128, height=64)
    asked = find_preset(preset)
    depth = 8 if codec == "h264" else asked.bits
    tags = (9, 16, 9) if asked.hdr else (1, 1, 1)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context, frame = stream.codec_context, next(container.decode(stream))
    assert context.pix_fmt == ("yuv420p" if depth == 8 else f"yuv420p{depth}le")
    for each in (context, frame):
        assert (each.color_primaries, each.color_trc, each.colorspace) == tags
        assert each.color_range == 1  # limited
    moov, _ = read_index(path)
    colr = sample_entry(video_track(moov, path), path).first(b"colr")
    assert struct.unpack(">4s3HB", colr.head) == (b"nclx", *tags, 0)


@pytest.mark.parametrize(("preset", "codec"), FILMS)
def test_the_level_a_film_names_holds_its_frames(preset, codec, tmp_path):
    size = {"width": 256, "height": 128, "fps": Fraction(60)}
    path = encode(tmp_path / "film.mp4", preset, codec, **size)
    assert holds(codec, coded_level(path), **size)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_peak_is_held_where_the_quality_asked_for_would_take_far_more(codec, tmp_path):
    words = {"width": 640, "height": 320, "grain": 3.0, "num_frames": 24}
    path = encode(tmp_path / "film.mp4", "quest3", codec, **words)
    with av.open(str(path)) as container:
        taken = sum(packet.size for packet in container.demux(video=0)) * 8 / 1e6
    assert taken <= MIN_MBPS * (24 / float(FPS) + 1)  # the decoder's buffer holds a second
