from __future__ import annotations

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest

from panoloom.engine_server.output.export.encodings import encoding_of
from panoloom.engine_server.output.export.presets import find_preset
from panoloom.engine_server.output.export.unroll import FRAGMENTS, repeats_for, unroll
from panoloom.engine_server.output.video import VideoWriter

FPS = Fraction(24000, 1001)
NUM_FRAMES = 5


@pytest.fixture(scope="module", params=["h264", "hevc", "av1"])
def film(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "once.mp4"
    size = {"width": 128, "height": 64, "fps": FPS}
    encoding = encoding_of(find_preset("quest3"), request.param, **size, num_frames=NUM_FRAMES)
    rng = np.random.default_rng(1)
    with VideoWriter(path, **size, encoding=encoding) as video:
        for _ in range(NUM_FRAMES):
            video.add(rng.random((64, 128, 3), dtype=np.float32))
    return path


def packets(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [packet for packet in container.demux(stream) if packet.size]
        hashes = [hashlib.sha256(bytes(packet)).hexdigest() for packet in found]
        times = [packet.pts * packet.time_base for packet in found]
        return hashes, times, [packet.is_keyframe for packet in found], stream.codec_tag


def test_an_unrolled_film_has_every_packet_again_and_no_gap(film, tmp_path):
    hashes, times, keys, tag = packets(film)
    unroll(film, tmp_path / "long.mp4", repeats=4)
    long = packets(tmp_path / "long.mp4")
    assert long[0] == hashes * 4
    assert long[1] == [index / FPS for index in range(4 * NUM_FRAMES)]
    assert long[2] == keys * 4
    assert keys[0]
    assert long[3] == tag
    with av.open(str(tmp_path / "long.mp4")) as container:
        assert len(list(container.decode(video=0))) == 4 * NUM_FRAMES
    assert times[0] == 0


def test_fragments_hold_the_same_packets_and_begin_at_zero(film, tmp_path):
    unroll(film, tmp_path / "parts.mp4", repeats=1, movflags=FRAGMENTS)
    assert packets(tmp_path / "parts.mp4")[:2] == packets(film)[:2]
    assert b"moof" in (tmp_path / "parts.mp4").read_bytes()


@pytest.mark.parametrize(
    ("seconds", "repeats"), [(0.1, 1), (1.0, 1), (1.001, 2), (60, 60), (60.5, 61)]
)
def test_a_film_lasts_at_least_as_long_as_asked(seconds, repeats):
    assert repeats_for(seconds, num_frames=30, fps=Fraction(30)) == repeats
