"""Results that are no panoramas: nothing in them says 360 degrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.interpolate import Motion
from panoloom.engine_server.output.manifest import load_manifest
from panoloom.shared.jobs import JobSpec

SPEC = JobSpec(
    prompt="a wide sea",
    method="planar",
    width=192,
    height=32,
    num_frames=4,
    ring=False,
    model_revision="r1",
)


def stripes(width: int, height: int, shift_px: float) -> np.ndarray:
    """A smooth pattern of the columns that has moved to the right, [H, W, 3]."""
    across = np.sin((np.arange(width) - shift_px) / width * 2 * np.pi * 6) * 0.3 + 0.5
    rows = 0.1 * np.sin(np.arange(height) / 3)[:, None]
    return np.repeat((across + rows)[..., None], 3, axis=2).astype(np.float32)


def written(library: Path, spec: JobSpec) -> Path:
    frames = [stripes(spec.width, spec.height, float(index)) for index in range(spec.num_frames)]
    with ArtifactWriter(library, spec, "0" * 32, made_with={}) as writer:
        writer.write(iter(frames))
        return Path(writer.finish().folder)


@pytest.mark.parametrize(("ring", "wraps"), [(True, "periodic,clamp"), (False, "clamp,clamp")])
def test_a_flat_result_says_what_it_is_and_nothing_of_360_degrees(tmp_path, ring, wraps):
    folder = written(tmp_path, replace(SPEC, ring=ring))
    projection = load_manifest(folder)["projection"]
    assert (projection["name"], projection["ring"]) == ("plane", ring)
    with OpenEXR.File(str(folder / "frames" / "loop_0001.exr")) as file:
        header = dict(file.header())
    assert "envmap" not in header
    assert header["wrapmodes"] == wraps
    with Image.open(folder / "poster.png") as poster:
        assert poster.size == (192, 32)
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert sheet.width > 192
        assert sheet.height >= 4 * 32


def test_a_very_wide_picture_is_shown_whole_on_a_sheet_of_bearable_size(tmp_path):
    folder = written(tmp_path, replace(SPEC, width=4096, height=64, num_frames=2))
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert sheet.width < 1400


@pytest.mark.parametrize("surface", ["ring", "plane"])
def test_frames_between_go_on_over_the_join_of_a_ring_and_end_at_the_side_of_a_plane(surface):
    before, after = stripes(192, 64, 0.0), stripes(192, 64, 4.0)
    between = Motion(before, after, surface=surface).at(0.5)
    error = np.abs(between - stripes(192, 64, 2.0)).mean(axis=(0, 2))
    assert error[12:-12].max() < 0.02
    if surface == "ring":
        assert error.max() < 0.02
