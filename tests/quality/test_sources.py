from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from panoloom.engine_server.output.exr import half_light, write_exr
from panoloom.engine_server.output.video import VideoWriter
from panoloom.engine_server.quality.sources import open_source
from panoloom.shared.errors import InvalidJob


def pictures(count, height=32):
    rng = np.random.default_rng(2)
    coarse = rng.random((count, 4, 8, 3))
    return [
        np.asarray(
            Image.fromarray(np.rint(each * 255).astype(np.uint8)).resize((2 * height, height))
        )
        for each in coarse
    ]


def test_png_frames_come_in_the_order_of_their_numbers(tmp_path):
    frames = pictures(11)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"shot_{index + 1}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    source = open_source(tmp_path)
    assert len(source.frames) == 11
    for seen, made in zip(source, frames, strict=True):
        np.testing.assert_array_equal(seen, made)
    assert source.loop
    assert source.fps == 24.0
    assert any("24" in remark for remark in source.remarks)


def test_exr_frames_are_read_as_they_look_and_say_how_fast_they_follow(tmp_path):
    frames = pictures(2)
    for index, frame in enumerate(frames):
        path = tmp_path / f"loop_{index + 1:04d}.exr"
        write_exr(path, half_light((frame / 255).astype(np.float32)), fps=Fraction(25, 2))
    source = open_source(tmp_path, loop=False)
    assert source.fps == 12.5
    assert not source.loop
    assert source.remarks == ()
    for seen, made in zip(source, frames, strict=True):
        assert np.abs(seen.astype(int) - made).max() <= 1


def test_a_film_is_read_with_its_rate(tmp_path):
    frames = pictures(4, 64)
    with VideoWriter(tmp_path / "a.mp4", width=128, height=64, fps=Fraction(12)) as video:
        for frame in frames:
            video.add((frame / 255).astype(np.float32))
    source = open_source(tmp_path / "a.mp4")
    assert source.fps == 12.0
    seen = list(source)
    assert len(seen) == 4
    for one, made in zip(seen, frames, strict=True):
        assert np.abs(one.astype(float) - made).mean() < 8  # chroma has half the pixels
        assert np.abs(one.mean(axis=(0, 1)) - made.mean(axis=(0, 1))).max() < 2
    assert "--no-loop" in source.remarks[0]


def test_what_is_asked_for_wins_over_what_the_files_say(tmp_path):
    write_exr(tmp_path / "f_1.exr", np.zeros((8, 16, 3), np.float16), fps=Fraction(8))
    source = open_source(tmp_path, fps=30.0, loop=True)
    assert (source.fps, source.loop) == (30.0, True)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "damaged"])
def test_what_cannot_be_measured_is_refused_in_words(tmp_path, kind):
    path = tmp_path / {"missing": "x.mp4", "text": "x.txt", "damaged": "x.mov"}.get(kind, "dir")
    if kind == "empty":
        path.mkdir()
    elif kind in ("text", "damaged"):
        path.write_bytes(b"no film at all")
    with pytest.raises(InvalidJob) as caught:
        open_source(path)
    assert caught.value.details["field"] == "path"
    assert path.name in str(caught.value)


def test_a_damaged_png_is_refused_with_its_name(tmp_path):
    (tmp_path / "f_1.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(InvalidJob, match=r"f_1\.png"):
        list(open_source(tmp_path))
