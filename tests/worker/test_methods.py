"""Every method through the path of a job, and flat pictures of odd sizes."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
import torch
from oracles import CHANNELS, PlaceAdapter, moving_erp
from results import OneModel, SquareCodec

from panoloom.engine_server.denoise.methods import METHODS
from panoloom.engine_server.denoise.stages import denoise_stages
from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.adapter import Cond, LatentSpec
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.engine_server.worker.decoding import decoded_flat
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.shared.jobcheck import METHODS as NAMES
from panoloom.shared.jobcheck import is_plane
from panoloom.shared.jobs import JobSpec, Stage


class Squares(SquareCodec, PlaceAdapter):
    """The oracle whose cells are squares of pixels."""


def run(tmp_path, **words):
    spec = JobSpec(prompt="a known place", num_frames=8, fps=8.0, model_revision="oracle", **words)
    job = Job(
        job_id=uuid.uuid4().hex,
        spec=spec,
        library=tmp_path / "library",
        blobs=tmp_path / "blobs",
        work_dir=tmp_path / "work",
    )
    previews = []
    reporter = Reporter(
        progress=lambda progress: None,
        preview=lambda *preview: previews.append(preview[2:]),
        cancelled=lambda: False,
    )
    return generate(job, OneModel(Squares(num_frames=8)), reporter), previews


def test_every_name_of_a_request_is_a_method_and_the_model_offers_them_all():
    assert set(NAMES) <= set(METHODS)
    assert set(METHODS) - set(NAMES) == {"still"}, "for measuring only"
    assert set(catalog.find("preview").methods) == set(NAMES)


@pytest.mark.parametrize("method", [name for name in NAMES if not is_plane(name)])
def test_method_makes_a_whole_panorama_in_two_stages(method):
    adapter = Squares(num_frames=8)
    stages = [
        Stage(width=512, height=256, steps=2),
        Stage(width=512, height=256, steps=1, sigma_start=0.5),
    ]
    finished = denoise_stages(
        stages,
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=8,
        seed=1,
        loop=False,
        method=method,
    )
    assert (finished.latents - moving_erp(32, 8)).abs().max() < 0.02


@pytest.mark.parametrize(("width", "height", "ring"), [(192, 128, False), (128, 320, True)])
def test_flat_picture_of_any_size_is_written(width, height, ring, tmp_path):
    stage = Stage(width=width, height=height, steps=2)
    result, previews = run(
        tmp_path, method="planar", width=width, height=height, stages=(stage,), ring=ring
    )
    assert (result.width, result.height) == (width, height)
    assert verify_artifact(tmp_path / "library" / result.folder) == []
    written = load_manifest(tmp_path / "library" / result.folder)["loop"]
    assert len(previews) == 2 + written["num_model_frames"]


def test_flat_ring_is_decoded_over_its_join():
    class Blurring(Squares):
        def decode(self, latents, *, wraps, loop=True):
            for frame in super().decode(latents, wraps=wraps, loop=loop):
                yield torch.nn.functional.avg_pool2d(
                    torch.nn.functional.pad(frame, (8, 8, 0, 0), mode="replicate"), (1, 17), 1
                )

    spec = LatentSpec(channels=CHANNELS, ratio_s=8, ratio_t=1, window_hw=(8, 8))
    latents = torch.rand(CHANNELS, 1, 8, 24)
    adapter = Blurring(num_frames=1, spec=spec)
    frame = next(decoded_flat(adapter, latents, ring=True))
    rolled = next(decoded_flat(adapter, latents.roll(5, dims=-1), ring=True))
    assert frame.shape == (64, 192, 3)
    assert np.allclose(np.roll(frame, 40, axis=1), rolled, atol=1e-6)
    strip = next(decoded_flat(adapter, latents, ring=False))
    assert not np.allclose(strip[:, 0], frame[:, 0], atol=1e-3)
