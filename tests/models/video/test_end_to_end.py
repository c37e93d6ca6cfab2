"""A tiny Wan from a folder of weights: a prompt becomes a looping EXR sequence and an MP4."""

from __future__ import annotations

import hashlib
import io
import uuid
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
import safetensors.torch
import tiny
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image
from tiny_pipelines import word_tokenizer

from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.card import ModelCard
from panoloom.engine_server.models.ladder import Pace, Rung
from panoloom.engine_server.models.video.families import build
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.connection import blob_path
from panoloom.shared.errors import InvalidJob, ModelNotInstalled
from panoloom.shared.jobs import ArtifactRef, JobSpec, Reference

FRAMES = 16

pytestmark = pytest.mark.timeout(900)  # slow only where other work starves it
SPEC = JobSpec(
    prompt="a calm sea at night",
    negative_prompt="blurred",
    width=256,
    height=128,
    num_frames=FRAMES,
    fps=16.0,
    steps=2,
    guidance_scale=3.0,
    model="tiny",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as the diffusers library lays them out."""
    folder = tmp_path_factory.mktemp("weights")
    kinds = {"wan": (WanPipeline, {}), "wan-i2v": (WanImageToVideoPipeline, {"in_channels": 36})}
    for name, (kind, changes) in kinds.items():
        parts = tiny.wan_parts("unipc", transformer=tiny.wan_transformer(**changes))
        kind(
            tokenizer=word_tokenizer(512),
            text_encoder=tiny.umt5_encoder(),
            vae=parts.vae,
            scheduler=parts.scheduler,
            transformer=parts.transformer,
        ).save_pretrained(folder / name, safe_serialization=True)
        # a model that ships is known by the weights at its root
        safetensors.torch.save_file({"none": torch.zeros(1)}, folder / name / "root.safetensors")
    return folder


@pytest.fixture
def job(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    use(weights, "wan", monkeypatch)
    return Job(
        job_id=uuid.uuid4().hex,
        spec=SPEC,
        library=tmp_path / "library",
        blobs=tmp_path / "blobs",
        work_dir=tmp_path / "work",
    )


def use(weights: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a tiny model of a family into the catalog."""
    card = ModelCard(
        name="tiny",
        folder=weights / family,
        family=family,
        ratio_s=8,
        ratio_t=4,
        fps=16.0,
        window=8,
        window_frames=3,
        options={"window_hw": (8, 8), "window_frames": 3, "ghosts": 1},
        methods=("fused", "planar"),
        ladder=(
            Rung(width=256, height=128, grid_width=256, grid_height=128, fov_deg=90.0, views=12),
        ),
        max_seconds=4.0,
        sigma_shift=3.0,
        pace=Pace(evaluation_s=0.1, megapixel_s=0.5, start_s=1.0),
        takes=("ring-rope", "image"),
    )
    monkeypatch.setitem(catalog.MODELS, "tiny", card)


def run(job: Job) -> ArtifactRef:
    reporter = Reporter(progress=lambda _: None, preview=lambda *_: None, cancelled=lambda: False)
    planned = replace(job, spec=catalog.plan(job.spec))
    return generate(planned, LoadedModels(), reporter)


def test_a_prompt_becomes_a_loop_of_four_frames_a_latent_in_exr_and_mp4(job: Job) -> None:
    artifact = run(job)
    folder = Path(artifact.folder)
    assert verify_artifact(folder) == []
    assert load_manifest(folder)["loop"]["num_model_frames"] == FRAMES
    frames = sorted((folder / "frames").glob("*.exr"))
    assert len(frames) == FRAMES
    with OpenEXR.File(str(frames[0])) as file:
        pixels = file.channels()["RGB"].pixels
    assert pixels.shape == (128, 256, 3)
    assert np.isfinite(pixels.astype(np.float32)).all()
    assert pixels.astype(np.float32).std() > 0.001
    with av.open(str(folder / "loop.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= FRAMES


def test_ring_rope_wants_a_window_that_is_the_loop_and_views_that_go_round(job: Job) -> None:
    short = replace(SPEC, num_frames=12)
    assert catalog.plan(replace(short, ring_rope=("time",))).ring_rope == ("time",)
    with pytest.raises(InvalidJob, match="one window is the loop") as caught:
        catalog.plan(replace(SPEC, ring_rope=("time",)))
    assert caught.value.details["nearest"] == 12
    with pytest.raises(InvalidJob, match="go all round"):
        catalog.plan(replace(short, ring_rope=("width",)))


def test_a_model_that_follows_nothing_says_which_do(job: Job) -> None:
    with pytest.raises(InvalidJob, match=r"wan-vace-1\.3b"):
        catalog.plan(replace(SPEC, follow_sha256="0" * 64))


def test_image_to_video_with_ring_rope_grows_out_of_a_reference_and_asks_for_one(
    job: Job, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(weights, "wan-i2v", monkeypatch)
    with pytest.raises(InvalidJob, match="reference panorama"):
        run(job)
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (128, 256, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    path = blob_path(job.blobs, sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue())
    reference = Reference(sha256=sha256, strength=0.9, mode="animate")
    spec = replace(SPEC, steps=1, num_frames=12, ring_rope=("time",), reference=reference)
    artifact = run(replace(job, spec=spec))
    assert verify_artifact(Path(artifact.folder)) == []


def test_a_folder_without_its_parts_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match=r"model_index\.json"):
        build("wan", tmp_path, device="cpu", precision="float32")
