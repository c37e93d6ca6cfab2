"""What prompts and references become: cells that are held, cells that come alive."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from PIL import Image

from panoloom.engine_server.denoise.directions import Directed
from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.panorama.tables import View
from panoloom.engine_server.worker.condition import (
    Conditioning,
    condition,
    directed,
    kept_cells,
)
from panoloom.shared.connection import blob_path
from panoloom.shared.jobs import JobSpec, Place, Reference


class Bewildered(oracles.OracleAdapter):
    """Knows no word, and says what the prompt would need."""

    def encode_prompt(self, texts: list[str]) -> Cond:
        words = tuple(" ".join(texts).split())
        return Cond(ignored_words=words, notes=("Another model is needed.",) if words else ())


def test_only_cells_with_nothing_open_around_them_are_held() -> None:
    mask = np.zeros((64, 128), np.float32)
    mask[32:, :] = 1
    cells = kept_cells(mask, 8).numpy()
    assert (cells[5:] == 1).all()
    assert (cells[:5] == 0).all()


def test_an_opening_at_the_seam_frees_cells_on_both_sides_of_it() -> None:
    mask = np.ones((64, 128), np.float32)
    mask[24:32, 127] = 0
    freed = np.argwhere(kept_cells(mask, 8).numpy() < 1)
    assert {int(column) for _, column in freed} == {14, 15, 0}
    assert {int(row) for row, _ in freed} == {2, 3, 4}


def test_a_reference_kept_everywhere_holds_every_cell() -> None:
    assert (kept_cells(np.ones((64, 128), np.float32), 8).numpy() == 1).all()


def test_what_a_model_says_of_a_prompt_follows_its_ignored_words_in_the_notes(
    tmp_path: Path,
) -> None:
    told = condition(JobSpec(prompt="dragon"), Bewildered(num_frames=8), tmp_path).notes
    assert "dragon" in told[0]
    assert told[1:] == ("Another model is needed.",)
    assert condition(JobSpec(prompt=""), Bewildered(num_frames=8), tmp_path).notes == ()


SPEC = JobSpec(prompt="sea", width=256, height=128)
RED = (200, 0, 0)


class Averaging(oracles.OracleAdapter):
    """Has latents that are the means of pixels, and counts prompts."""

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond(tensors={"text": torch.zeros(len(texts), 1)})

    def encode(self, frames: torch.Tensor, *, wraps: bool) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(frames, 8).movedim(0, 1)


def picture(pixels: np.ndarray, blobs: Path) -> str:
    """The hash of a stored PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    name = hashlib.sha256(stream.getvalue()).hexdigest()
    path = blob_path(blobs, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue())
    return name


def conditioned(blobs: Path, pixels: np.ndarray, spec: JobSpec = SPEC, **words) -> Conditioning:
    reference = Reference(sha256=picture(pixels, blobs), **words)
    adapter = Averaging(num_frames=8)
    return condition(replace(spec, reference=reference), adapter, blobs)


def test_there_is_one_encoded_prompt_for_each_direction(tmp_path):
    moon = Place(text="a moon", yaw_deg=0, pitch_deg=0, radius_deg=9)
    spec = replace(SPEC, sky="stars", places=(moon,))
    adapter = Averaging(num_frames=8)
    told = condition(spec, adapter, tmp_path)
    assert len(told.cond.tensors["text"]) == 3
    assert len(told.uncond.tensors["text"]) == 1
    model = directed(spec, adapter)
    assert isinstance(model, Directed)
    assert model.directions.count == 3
    assert model.tells_azimuth


def test_with_a_reference_the_model_is_not_told_the_azimuth():
    spec = replace(SPEC, reference=Reference(sha256="0" * 64))
    model = directed(spec, Averaging(num_frames=8))
    assert isinstance(model, Directed)
    assert not model.tells_azimuth


def test_a_still_comes_alive_everywhere_and_is_put_over_nothing(tmp_path):
    told = conditioned(tmp_path, np.full((128, 256, 3), RED, np.uint8), mode="animate")
    assert told.keep is not None
    assert told.keep.hold == pytest.approx(torch.ones(16, 32))
    assert told.keep.mask == pytest.approx(torch.zeros(16, 32))
    assert told.init is None
    frame = np.zeros((128, 256, 3), np.float32)
    assert told.over(frame) is frame


def test_what_the_mask_of_a_still_holds_stands_still(tmp_path):
    white_left = np.zeros((128, 256, 3), np.uint8)
    white_left[:, :128] = 255
    mask = picture(white_left, tmp_path)
    red = np.full((128, 256, 3), RED, np.uint8)
    told = conditioned(tmp_path, red, mode="animate", mask_sha256=mask, strength=0.7)
    assert told.keep is not None
    assert told.keep.mask[8, 8] == 1
    assert told.keep.mask[8, 24] == 0
    assert told.init is not None
    over = told.over(np.zeros((128, 256, 3), np.float32))
    assert over[64, 64] == pytest.approx([200 / 255, 0, 0], abs=1e-3)
    assert over[64, 192].max() == 0


def test_a_photograph_comes_alive_where_it_hangs_and_the_rest_is_free(tmp_path):
    words = {"mode": "animate", "yaw_deg": 90.0, "fov_deg": 60.0}
    told = conditioned(tmp_path, np.full((90, 120, 3), RED, np.uint8), **words)
    assert told.keep is not None
    assert told.keep.hold is not None
    assert told.keep.hold[8, 24] == pytest.approx(1)
    assert told.keep.hold[:, :16].max() == 0
    assert told.keep.latents[0, 0, 8, 24] == pytest.approx(400 / 255 - 1, abs=0.02)


def test_a_photograph_is_kept_where_it_hangs(tmp_path):
    words = {"yaw_deg": -90.0, "pitch_deg": 0.0, "fov_deg": 80.0}
    told = conditioned(tmp_path, np.full((100, 100, 3), RED, np.uint8), **words)
    assert told.keep is not None
    assert told.keep.hold is None
    assert told.keep.mask[8, 8] == 1
    assert told.keep.mask[:, 16:].max() == 0
    over = told.over(np.zeros((128, 256, 3), np.float32))
    assert over[64, 64] == pytest.approx([200 / 255, 0, 0], abs=1e-3)
    assert over[64, 192].max() == 0


def test_below_full_strength_the_open_part_starts_from_the_picture_that_is_there(tmp_path):
    pixels = np.full((128, 256, 3), RED, np.uint8)
    pixels[:, 128:] = (0, 0, 200)
    white_left = np.zeros_like(pixels)
    white_left[:, :128] = 255
    mask = picture(white_left, tmp_path)
    told = conditioned(tmp_path, pixels, mask_sha256=mask, strength=0.5)
    assert told.init is not None
    assert told.init[2, 0, 8, 24] == pytest.approx(400 / 255 - 1, abs=0.02)


def test_a_reference_of_a_flat_picture_goes_on_over_its_ring(tmp_path):
    spec = replace(SPEC, method="planar", width=384, height=128)
    told = conditioned(tmp_path, np.full((64, 192, 3), RED, np.uint8), spec, strength=0.5)
    assert told.init is not None
    assert told.init.shape == (3, 1, 16, 48)


def test_a_view_has_latents_of_what_it_sees_of_the_picture(tmp_path):
    pixels = np.zeros((128, 256, 3), np.uint8)
    pixels[:, 192:] = pixels[:, :64] = RED  # the half behind
    told = conditioned(tmp_path, pixels, mode="animate")
    assert told.keep is not None
    assert told.keep.in_views is not None
    looks = (0.0, 180.0)
    views = [View(yaw_deg=yaw, pitch_deg=0, fov_deg=90, height=4, width=4) for yaw in looks]
    front, back = told.keep.in_views(views)
    assert front.shape == (3, 1, 4, 4)
    assert front[0] == pytest.approx(torch.full((1, 4, 4), -1.0), abs=1e-3)
    assert back[0] == pytest.approx(torch.full((1, 4, 4), 400 / 255 - 1), abs=1e-2)
