from __future__ import annotations

import errno
from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from panoloom.engine_server.output.video import GOP, VideoWriter, exact_fps, rgb_to_yuv420
from panoloom.shared.errors import InvalidJob

NUM_FRAMES = 30
FPS = Fraction(24000, 1001)


def encode(path, frames):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width=width, height=height, fps=FPS) as video:
        for frame in frames:
            video.add(frame)


@pytest.fixture
def frames(running_disc):
    return [running_disc(64, 3.0 * index) for index in range(NUM_FRAMES)]


@pytest.fixture
def movie(tmp_path, frames):
    path = tmp_path / "loop.mp4"
    encode(path, frames)
    return path


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (8, Fraction(8)),
        (24.0, Fraction(24)),
        (23.976, FPS),
        (24000 / 1001, FPS),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (1 / 3, Fraction(1, 3)),
    ],
)
def test_frame_rates_are_taken_as_meant(fps, exact):
    assert exact_fps(fps) == exact


def test_a_rate_that_no_video_can_have_is_refused():
    with pytest.raises(InvalidJob, match="too slow") as caught:
        exact_fps(1e-6)
    assert caught.value.details["field"] == "fps"


def test_the_file_has_every_frame_at_its_exact_time(movie):
    with av.open(str(movie)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == FPS
        assert stream.frames == NUM_FRAMES
        assert stream.start_time == 0
        assert stream.duration * stream.time_base == NUM_FRAMES / FPS
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [index / FPS for index in range(NUM_FRAMES)]


def test_the_colour_tags_say_bt709_limited_range(movie):
    with av.open(str(movie)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        assert context.pix_fmt == "yuv420p"
    assert tags == (1, 1, 1, 1)
    assert b"colrnclx" + bytes([0, 1, 0, 1, 0, 1, 0]) in movie.read_bytes()


def test_groups_of_pictures_are_short_and_nothing_is_reordered(movie):
    with av.open(str(movie)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    assert keys[0] == 0
    assert max(np.diff([*keys, len(packets)])) <= GOP
    assert all(packet.pts == packet.dts for packet in packets)


def test_the_index_comes_before_the_pictures(movie):
    raw = movie.read_bytes()
    assert raw.find(b"moov") < raw.find(b"mdat")


def test_decoded_pictures_are_close_to_the_written_ones(movie, frames, psnr):
    with av.open(str(movie)) as container:
        decoded = [frame.to_ndarray() / 255.0 for frame in container.decode(video=0)]
    written = [rgb_to_yuv420(frame) / 255.0 for frame in frames]
    assert min(psnr(a, b) for a, b in zip(decoded, written, strict=True)) > 42


def test_the_encoder_weighs_no_blocks_by_memory_it_never_wrote(movie):
    """x264's mbtree did so with AVX-512: now and then the same pictures gave other bytes."""
    assert b" mbtree=0 " in movie.read_bytes()


def test_the_same_pictures_give_the_same_bytes(tmp_path, movie, frames):
    encode(tmp_path / "again.mp4", frames)
    assert (tmp_path / "again.mp4").read_bytes() == movie.read_bytes()


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((1, 1, 1), (235, 128, 128)),
        ((1, 0, 0), (63, 102, 240)),
        ((0, 1, 0), (173, 42, 26)),
        ((0, 0, 1), (32, 240, 118)),
    ],
)
def test_known_colours_of_bt709(rgb, ycbcr):
    planes = rgb_to_yuv420(np.tile(np.float32(rgb), (4, 8, 1)))
    assert np.unique(planes[:4]) == ycbcr[0]
    chroma = planes[4:].reshape(-1)
    assert (np.unique(chroma[:8]), np.unique(chroma[8:])) == (ycbcr[1], ycbcr[2])


@pytest.mark.parametrize("flags", ["bilinear", "bilinear+accurate_rnd+full_chroma_int"])
def test_flat_colours_come_back_within_two_of_255_by_a_quick_and_an_exact_reader(flags, tmp_path):
    """Blender 4.2 reads the quick way, Blender 4.5 the exact one."""
    patches = np.random.default_rng(11).integers(0, 256, (8, 16, 3))
    patches[0, :8] = np.indices((2, 2, 2)).reshape(3, 8).T * 255
    frame = np.repeat(np.repeat(np.float32(patches / 255), 32, axis=0), 32, axis=1)
    encode(tmp_path / "flat.mp4", [frame])
    read = read_by(tmp_path / "flat.mp4", flags)[16::32, 16::32]
    assert np.abs(read.astype(int) - patches).max() <= 2


def read_by(path, flags):
    """The first picture of a film by FFmpeg's conversion with these flags, [H, W, 3] uint8."""
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    graph = Graph()
    size = f"video_size={picture.width}x{picture.height}"
    source = graph.add("buffer", f"{size}:pix_fmt=yuv420p:time_base=1/24:colorspace=bt709:range=tv")
    matrix = "in_color_matrix=bt709:in_range=tv:out_range=pc"
    steps = [source, graph.add("scale", f"flags={flags}:{matrix}")]
    steps += [graph.add("format", "rgb24"), graph.add("buffersink")]
    graph.link_nodes(*steps).configure()
    graph.push(picture)
    return graph.pull().to_ndarray()


def test_chroma_goes_on_over_the_seam():
    rng = np.random.default_rng(3)
    frame = rng.random((4, 16, 3), dtype=np.float32)
    chroma = rgb_to_yuv420(frame)[4:].reshape(4, 8)
    rolled = rgb_to_yuv420(np.roll(frame, 4, axis=1))[4:].reshape(4, 8)
    assert np.array_equal(np.roll(chroma, 2, axis=1), rolled)


def test_a_video_that_cannot_be_made_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"No such file") as caught:
        encode(tmp_path / "no" / "loop.mp4", [np.zeros((32, 64, 3), np.float32)])
    assert caught.value.errno == errno.ENOENT
