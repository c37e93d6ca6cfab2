from __future__ import annotations

import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image

from panoloom.engine_server.quality.report import evaluate_frames
from panoloom.shared.errors import InvalidJob

FPS = 8.0


def noise(count, height, width):
    rng = np.random.default_rng(7)
    return [rng.integers(0, 255, (height, width, 3)).astype(np.uint8) for _ in range(count)]


def numbers(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize(
    ("count", "height", "width"),
    [(1, 32, 64), (2, 32, 64), (3, 4, 8), (4, 16, 32), (5, 30, 110), (3, 64, 20), (4, 2, 4)],
)
@pytest.mark.parametrize("loop", [True, False])
def test_every_video_has_a_report_without_nan(count, height, width, loop):
    report = evaluate_frames(noise(count, height, width), fps=FPS, loop=loop)
    plain = json.loads(report.to_json())
    assert all(math.isfinite(number) for number in numbers(plain))
    assert plain["video"]["num_frames"] == count
    assert report.to_html().startswith(b"<!doctype html>")


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_clip_has_a_report_without_nan(level):
    report = evaluate_frames([np.full((32, 64, 3), level, np.uint8)] * 4, fps=FPS)
    assert all(math.isfinite(number) for number in numbers(json.loads(report.to_json())))
    assert report.metrics["look"]["is_blank"]
    assert report.verdict.level == "faulty"


def test_the_same_frames_give_the_same_bytes_however_they_come(turning):
    frames = turning(4, 3.0)
    one = evaluate_frames(frames, fps=FPS)
    assert evaluate_frames(iter(frames), fps=FPS).files() == one.files()
    assert evaluate_frames(lambda: frames, fps=FPS).files() == one.files()
    floats = [(frame / 255).astype(np.float32) for frame in frames]
    assert evaluate_frames(floats, fps=FPS).files() == one.files()


def test_the_flat_table_holds_one_number_a_figure(perfect_report):
    figures = perfect_report.figures()
    assert {name for name, value in figures.items() if value is None} == {"pole_spin_deg_s"}
    assert {type(value) for value in figures.values()} == {float, type(None)}
    for name in ("join_worst_view", "end_continuity_ratio", "pole_closing", "mawe_dis", "cuts"):
        assert name in figures


def test_the_document_says_what_it_is_and_what_it_was_judged_by(perfect_report):
    plain = perfect_report.to_plain()
    assert (plain["format"], plain["format_version"]) == ("panoloom.quality", 1)
    assert plain["video"]["source"] == "<b>&"
    assert plain["limits"]["join_ratio"] == 1.2
    assert set(plain["tools"]) == {"numpy", "opencv-python-headless", "scenedetect-headless"}
    assert len(plain["series"]["difference_levels"]) == 24


def test_the_page_needs_nothing_from_elsewhere(perfect_report):
    page = perfect_report.to_html().decode()
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "&lt;b&gt;&amp;" in page
    assert page.count("<img") == 5  # slice, map of the join, seam, both poles
    assert page.count("<svg") == 4


def test_pictures_are_those_of_the_video(jumping_loop):
    pictures = evaluate_frames(jumping_loop, fps=FPS).pictures
    assert set(pictures) == {"slice", "seam", "zenith", "nadir", "join_map"}
    flat = [np.full((20, 60, 3), 9, np.uint8)] * 2
    assert set(evaluate_frames(flat, fps=FPS, surface="plane", loop=False).pictures) == {"slice"}


def picture(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_slice_breaks_off_in_the_middle_where_the_loop_jumps(jumping_loop):
    rows = picture(evaluate_frames(jumping_loop, fps=FPS).pictures["slice"])[:, 20:-20]
    breaks = np.abs(np.diff(rows, axis=0)).mean(axis=(1, 2))
    assert np.argmax(breaks) == len(rows) // 2 - 1


def test_seam_is_shown_in_the_middle_and_each_pole_from_above_and_below():
    frame = np.full((64, 128, 3), 60, np.uint8)
    frame[:, 64:] = 180  # behind the viewer the bright half meets the dark one
    frame[:8], frame[-8:] = (255, 0, 0), (0, 0, 255)
    shown = evaluate_frames([frame] * 2, fps=FPS).pictures
    seam = picture(shown["seam"])
    half = seam.shape[1] // 2
    assert seam[20:-20, : half - 8].mean() == pytest.approx(180, abs=3)
    assert seam[20:-20, half + 8 :].mean() == pytest.approx(60, abs=3)
    for name, colour in (("zenith", (255, 0, 0)), ("nadir", (0, 0, 255))):
        pole = picture(shown[name])
        middle = pole[len(pole) // 2 - 20 : len(pole) // 2 + 20, 120:160].mean(axis=(0, 1))
        assert middle == pytest.approx(colour, abs=6)


@pytest.mark.parametrize("frames", [[], [np.zeros((4, 8))], [np.zeros((4, 8, 4))]])
def test_what_is_no_video_is_refused(frames):
    with pytest.raises(InvalidJob):
        evaluate_frames(frames, fps=FPS)


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(InvalidJob, match="Frame 1"):
        evaluate_frames([*noise(1, 8, 16), *noise(1, 4, 8)], fps=FPS)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(fps):
    with pytest.raises(InvalidJob):
        evaluate_frames(noise(2, 8, 16), fps=fps)
