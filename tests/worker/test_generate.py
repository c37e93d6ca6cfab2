"""The path of a job, with a model that knows the scene in place of a network."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import oracles
import pytest
import torch
from PIL import Image
from results import OneModel, SquareCodec, require_same_bytes

from panoloom.engine_server.commands.progress_bar import PHASES
from panoloom.engine_server.denoise.loop import Cancelled
from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.engine_server.worker.progress import SHARES
from panoloom.shared.connection import blob_path
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import ArtifactRef, JobSpec, Progress, Reference, Stage

STEPS = 4
SPEC = JobSpec(
    prompt="a known sphere",
    width=512,
    height=256,
    num_frames=8,
    fps=8.0,
    steps=STEPS,
    model_revision="oracle",
    stages=(Stage(width=512, height=256, steps=STEPS),),
)


class PixelOracle(SquareCodec, oracles.OracleAdapter):
    """The oracle with a codec of its own: a latent cell is a square of pixels."""

    def encode_prompt(self, texts: list[str]) -> Cond:
        words = " ".join(texts).split()
        return Cond(ignored_words=tuple(word for word in words if word == "zyzzyva"))

    def encode(self, frames: torch.Tensor, *, wraps: bool) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(frames, 8).movedim(0, 1)


@dataclass
class Listener:
    """Collects what a job says; `stop` decides whether to cancel."""

    stop: Callable[[], bool] = lambda: False
    on_progress: Callable[[Progress], None] = lambda progress: None

    def __post_init__(self) -> None:
        self.progress: list[Progress] = []
        self.previews: list[tuple[int, bytes, int, int]] = []

    def reporter(self) -> Reporter:
        def hear(progress: Progress) -> None:
            self.progress.append(progress)
            self.on_progress(progress)

        return Reporter(
            progress=hear,
            preview=lambda *preview: self.previews.append(preview),
            cancelled=lambda: self.stop(),
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(
        job_id=uuid.uuid4().hex,
        spec=SPEC,
        library=tmp_path / "library",
        blobs=tmp_path / "blobs",
        work_dir=tmp_path / "work",
    )


def store(job: Job, raw: bytes) -> str:
    sha256 = hashlib.sha256(raw).hexdigest()
    path = blob_path(job.blobs, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return sha256


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def run(
    job: Job, listener: Listener | None = None, adapter: PixelOracle | None = None
) -> ArtifactRef:
    model = OneModel(adapter or PixelOracle(num_frames=8))
    return generate(job, model, (listener or Listener()).reporter())


def test_a_job_ends_as_a_whole_folder_with_all_its_files(job: Job) -> None:
    artifact = run(job)
    folder = Path(artifact.folder)
    assert verify_artifact(folder) == []
    assert load_manifest(folder)["made_with"]["device"] == "cpu"
    measured = json.loads((folder / "quality.json").read_bytes())
    assert measured["video"]["num_frames"] == SPEC.num_frames, "measured at the end of every job"
    assert load_manifest(folder)["quality"]["level"] == measured["verdict"]["level"]
    assert (folder / "quality.html").read_bytes().startswith(b"<!doctype html>")
    assert len(list((folder / "frames").iterdir())) == SPEC.num_frames
    assert not (job.work_dir / "checkpoint.safetensors").exists()


def test_every_step_and_then_every_frame_is_previewed_and_progress_only_grows(job: Job) -> None:
    listener = Listener()
    manifest = load_manifest(Path(run(job, listener).folder))
    in_all = STEPS + manifest["loop"]["num_model_frames"]
    assert [step for step, *_ in listener.previews] == list(range(1, in_all + 1))
    assert all(jpeg.startswith(b"\xff\xd8") for _, jpeg, *_ in listener.previews)
    fractions = [progress.fraction for progress in listener.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert listener.progress[-1].phase == "write"


def test_loading_the_model_is_told_first_and_every_phase_is_told(job: Job) -> None:
    listener = Listener()
    run(job, listener)
    phases = list(dict.fromkeys(progress.phase for progress in listener.progress))
    assert phases == list(SHARES) == [phase for phase in PHASES if phase != "fetch"]
    first = listener.progress[0]
    assert (first.phase, first.num_steps, first.fraction) == ("load", 0, 0.0)


@pytest.mark.parametrize("interrupted_after", [1, STEPS - 1, STEPS])
def test_an_interrupted_job_ends_with_the_same_bytes(
    job: Job, tmp_path: Path, interrupted_after: int
) -> None:
    whole, before, after = (PixelOracle(num_frames=8) for _ in range(3))
    apart = replace(job, library=tmp_path / "a", work_dir=tmp_path / "wa")
    undisturbed = run(apart, adapter=whole)

    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.phase == "denoise" and progress.step == interrupted_after:
            raise Killed

    with pytest.raises(Killed):
        run(job, Listener(on_progress=kill), adapter=before)
    resumed = run(job, adapter=after)
    require_same_bytes(resumed, undisturbed)
    assert before.calls + after.calls == whole.calls


def test_a_checkpoint_of_another_job_is_not_used(job: Job) -> None:
    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.phase == "denoise" and progress.step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(job, Listener(on_progress=kill))
    other = replace(job, spec=replace(SPEC, seed=1))
    listener = Listener()
    run(other, listener)
    assert listener.previews[0][0] == 1


def test_cancel_stops_before_the_next_evaluation_and_leaves_nothing(job: Job) -> None:
    adapter = PixelOracle(num_frames=8)
    listener = Listener(stop=lambda: adapter.calls >= 3)
    with pytest.raises(Cancelled):
        run(job, listener, adapter=adapter)
    assert adapter.calls == 3
    assert not job.library.exists() or list(job.library.iterdir()) == []


def test_cancel_while_writing_leaves_nothing(job: Job) -> None:
    listener = Listener()
    listener.stop = lambda: any(p.phase == "write" and p.step == 2 for p in listener.progress)
    with pytest.raises(Cancelled):
        run(job, listener)
    assert list(job.library.iterdir()) == []


def test_words_the_model_does_not_know_are_named(job: Job) -> None:
    artifact = run(replace(job, spec=replace(SPEC, prompt="a zyzzyva over the sea")))
    assert any("zyzzyva" in note for note in artifact.notes)


def test_the_kept_part_of_a_reference_comes_back_pixel_by_pixel(job: Job) -> None:
    pixels = np.zeros((256, 512, 4), np.uint8)
    pixels[:, :, 0] = 200
    pixels[128:, :, 3] = 255  # the lower half is kept, the upper half is open
    reference = Reference(sha256=store(job, png(pixels)))
    artifact = run(replace(job, spec=replace(SPEC, reference=reference)))
    poster = np.asarray(Image.open(Path(artifact.folder) / "poster.png"))
    assert np.all(np.abs(poster[130:, :, :3].astype(int) - [200, 0, 0]) <= 1)
    assert np.abs(poster[:120, :, :3].astype(int) - [200, 0, 0]).mean() > 20


def test_an_opaque_reference_at_full_strength_is_refused_with_a_way_out(job: Job) -> None:
    pixels = np.full((256, 512, 3), 90, np.uint8)
    reference = Reference(sha256=store(job, png(pixels)), strength=1.0)
    with pytest.raises(InvalidJob) as caught:
        run(replace(job, spec=replace(SPEC, reference=reference)))
    assert caught.value.details["nearest"] == 0.6


def test_asked_frame_rate_is_reached_from_the_models_own(job: Job) -> None:
    spec = replace(SPEC, num_frames=24, fps=24.0)
    artifact = run(replace(job, spec=spec))
    manifest = load_manifest(Path(artifact.folder))
    assert (artifact.num_frames, artifact.fps) == (24, 24.0)
    assert len(list((Path(artifact.folder) / "frames").iterdir())) == 24
    assert manifest["loop"]["num_model_frames"] == 8


def test_a_denser_grid_is_brought_down_to_the_jobs_size(job: Job) -> None:
    stage = Stage(width=768, height=384, steps=2)
    artifact = run(replace(job, spec=replace(SPEC, stages=(stage,))))
    with Image.open(Path(artifact.folder) / "poster.png") as poster:
        assert poster.size == (SPEC.width, SPEC.height)


def test_twice_the_size_is_made_in_the_stages_of_the_models_own_ladder(job: Job) -> None:
    spec = catalog.plan(replace(SPEC, model_revision="", stages=(), width=1024, height=512))
    assert len(spec.stages) == 2
    artifact = run(replace(job, spec=spec))
    with Image.open(Path(artifact.folder) / "poster.png") as poster:
        made = np.asarray(poster, dtype=np.float32) / 255
    fine = spec.stages[-1].height // 8
    truth = np.moveaxis(oracles.moving_erp(fine, 8)[:, 0].numpy(), 0, -1) / 4 + 0.5
    cells = cv2.resize(made, truth.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(cells - np.clip(truth, 0, 1)).max() < 0.02
