"""The World's look, its time, and files that travel with it, in rendered pixels."""

from __future__ import annotations

import shutil
from fractions import Fraction

import numpy as np
import pytest

from panoloom.engine_server.colour import srgb_to_linear
from panoloom.engine_server.output.exr import write_exr
from panoloom.engine_server.output.video import VideoWriter

pytestmark = pytest.mark.timeout(900)  # of a busy machine

SWATCHES = [  # sRGB, such as skies and seas have; AgX cannot show pure colours at all
    (255, 255, 255),
    (128, 128, 128),
    (24, 24, 26),
    (140, 165, 190),
    (200, 150, 120),
    (60, 80, 95),
    (235, 215, 190),
    (90, 110, 80),
]
NEAR = 2  # of 255
FRAMES = 8
TIMES = (-1, 1, 2, 5, 6, 9)  # as in look_and_time.py


def grey(index: int) -> float:
    """The sRGB value of a frame of the movie, and the light of a frame of the sequence."""
    return 0.1 + 0.1 * index


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("look")
    colours = np.array(SWATCHES, np.float32) / 255
    erp = np.repeat(np.repeat(colours[None], 4, axis=1), 16, axis=0)  # [16, 32, 3]
    write_exr(place / "swatches.exr", srgb_to_linear(erp).astype(np.float16), fps=Fraction(24))
    (place / "run").mkdir()
    with VideoWriter(place / "clip.mp4", width=64, height=32, fps=Fraction(30)) as video:
        for index in range(FRAMES):
            video.add(np.full((32, 64, 3), grey(index), np.float32))
            light = np.full((8, 16, 3), grey(index), np.float16)
            write_exr(place / "run" / f"sky_{index + 5:03d}.exr", light, fps=Fraction(30))
    return place


@pytest.fixture(scope="module")
def facts(blender, folder):
    return blender("look_and_time.py", folder, folder / "clip.mp4", timeout=900)


def difference(shown: list[list[int]]) -> int:
    """The largest, of any swatch, from the values that the poster has."""
    return int(np.abs(np.array(shown) - np.array(SWATCHES)).max())


@pytest.mark.parametrize("state", ["Standard", "Filmic", "AgX", "after the exposure changed"])
def test_matching_world_is_rendered_with_the_values_of_the_poster(facts, state):
    assert difference(facts["look"][state]) <= NEAR


def test_agx_shows_white_of_a_linear_world_at_three_quarters(facts):
    white = facts["look"]["linear"][0]
    assert white == pytest.approx([197] * 3, abs=2)  # 77 %
    assert facts["look"]["left over"] == [0, False]


def test_what_lights_the_scene_is_the_picture_itself_and_one_view_is_undone_at_a_time(facts):
    assert facts["look"]["light"] == "Panoloom Environment"
    assert len(facts["look"]["groups"]) == 1


def expected(rate: Fraction, *, light: bool) -> list[float]:
    found = [grey(int((frame - 1) * rate // 1) % FRAMES) for frame in TIMES]
    return found if light else [float(srgb_to_linear(np.float32(value))) for value in found]


@pytest.mark.parametrize("kind", ["movie", "sequence"])
def test_loop_of_another_rate_keeps_its_seconds(facts, kind):
    wanted = expected(Fraction(30, 24), light=kind == "sequence")
    assert facts[kind] == pytest.approx(wanted, abs=8e-3)


def test_movie_tells_its_rate_and_a_driver_is_there_only_while_the_scene_has_another(facts):
    rates = facts["rates"]
    assert rates["fps"] == 30.0
    assert rates["simple"] == [True, True]
    drivers, *shown = rates["frame by frame"]
    assert drivers == 0
    assert shown == pytest.approx(expected(Fraction(1), light=False), abs=8e-3)
    assert rates["at 15"] == pytest.approx(expected(Fraction(2), light=False), abs=8e-3)
    assert rates["at 30"] == 0


def test_moved_files_show_the_same_without_extension_and_originals(
    facts, folder, blender_alone, tmp_path
):
    assert facts["sample"] == "//panoloom/sample/sample.mp4"
    moved = tmp_path / "moved"
    shutil.copytree(folder / "files", moved)
    hidden = folder.rename(tmp_path / "away")
    try:
        found = blender_alone("open_look.py", tmp_path / "user", moved, timeout=900)
    finally:
        hidden.rename(folder)
    assert found.pop("extension") is False
    assert found["movie"] == facts["movie"]
    assert found["sequence"] == facts["sequence"]
    assert found["look"] == facts["look"]["AgX"]
    assert all(found[f"{name} is here"] for name in ("movie", "sequence", "sample", "look"))
