"""THE path of a job: condition -> noise -> denoise -> decode -> write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ...shared.jobs import ArtifactRef, JobSpec, Progress
from ..denoise.loop import Cancelled
from ..denoise.stages import StageState, StepDone, denoise_stages, first_state
from ..models import catalog
from ..models.adapter import Adapter
from ..output.artifact import ArtifactWriter
from ..output.pictures import preview_jpeg
from ..room import check_room
from .checkpoint import Checkpoint
from .condition import Conditioning, condition
from .models import LoadedModels
from .origin import made_with
from .progress import ProgressMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as the worker sees it.

    Attributes:
        job_id: 32 hex digits.
        spec: Resolved: nothing is left to decide.
        library: Where results go.
        blobs: Where stored files lie.
        work_dir: Where the checkpoint lies.
    """

    job_id: str
    spec: JobSpec
    library: Path
    blobs: Path
    work_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """How a job speaks while it runs.

    Attributes:
        progress: Told how far it is.
        preview: Told (step, JPEG, width, height).
        cancelled: Asked before every model evaluation and every frame.
    """

    progress: Callable[[Progress], None]
    preview: Callable[[int, bytes, int, int], None]
    cancelled: Callable[[], bool]


def generate(job: Job, models: LoadedModels, reporter: Reporter) -> ArtifactRef:
    """Make the pictures of `job` and put them into the library.

    A job that was interrupted goes on from its checkpoint and ends with the same bytes.

    Raises:
        Cancelled: `reporter.cancelled()` said so; nothing is left behind.
        UserError: The reference cannot be used, or the model is missing.
        EngineError: The pictures could not be made or written.
    """
    check_room(job.library, job.spec)
    meter = ProgressMeter(reporter.progress)
    meter.tell("load")
    adapter = models.load(job.spec.model)
    meter.tell("condition")
    conditioning = condition(job.spec, adapter, job.blobs)
    checkpoint = Checkpoint(job.work_dir, job.spec.sha256())
    start = checkpoint.load() or noise(job.spec, adapter, conditioning)
    latents = denoise(job, adapter, conditioning, start, checkpoint, meter, reporter)
    frames = decode(job.spec, adapter, latents, conditioning)
    artifact = write(
        job, frames, latents.shape[1] * adapter.spec.ratio_t, conditioning, meter, reporter
    )
    checkpoint.clear()
    return artifact


def num_latent_frames(spec: JobSpec, adapter: Adapter) -> int:
    """Latent frames of the job's loop at the model's own rate."""
    card = catalog.find(spec.model)
    return card.model_frames(spec.num_frames / spec.fps) // adapter.spec.ratio_t


def noise(spec: JobSpec, adapter: Adapter, conditioning: Conditioning) -> StageState:
    """The state a job starts from: pure noise, over the reference where there is one."""
    return first_state(
        spec.stages[0],
        adapter.spec,
        num_frames=num_latent_frames(spec, adapter),
        init=conditioning.init,
    )


def denoise(
    job: Job,
    adapter: Adapter,
    conditioning: Conditioning,
    start: StageState,
    checkpoint: Checkpoint,
    meter: ProgressMeter,
    reporter: Reporter,
) -> torch.Tensor:
    """Latents ``[C, F, H, W]`` of the finished panorama; previews and checkpoints on the way."""
    spec = job.spec
    total = sum(stage.steps for stage in spec.stages)
    before = sum(stage.steps for stage in spec.stages[: start.stage]) + start.step
    meter.tell("denoise", before, total)

    def on_step(done: StepDone) -> None:
        checkpoint.save(done.state)
        meter.tell("denoise", done.steps_done, done.steps_total)
        picture = next(iter(decode(spec, adapter, done.denoised[:, :1], conditioning)))
        reporter.preview(done.steps_done, *preview_jpeg(picture))

    return denoise_stages(
        spec.stages,
        adapter=adapter,
        cond=conditioning.cond,
        uncond=conditioning.uncond,
        guidance_scale=spec.guidance_scale,
        num_frames=start.x.shape[1],
        seed=spec.seed,
        loop=spec.loop,
        view_batch=spec.view_batch,
        shift=catalog.find(spec.model).sigma_shift,
        reference=conditioning.keep,
        on_step=on_step,
        cancelled=reporter.cancelled,
        resume=start,
    )


def decode(
    spec: JobSpec, adapter: Adapter, latents: torch.Tensor, conditioning: Conditioning
) -> Iterator[np.ndarray]:
    """ERP frames [H, W, 3] float32, sRGB 0..1, one by one; what is kept is the reference itself.

    A grid denser than the job's size is brought down to it by areas; a coarser stage keeps its own.
    """
    for frame in adapter.decode(latents, wraps=True):
        picture = np.moveaxis(frame.numpy(), 0, -1) * 0.5 + 0.5
        picture = np.clip(picture, 0.0, 1.0).astype(np.float32)
        if picture.shape[1] > spec.width:
            picture = cv2.resize(picture, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
        yield conditioning.over(picture)


def write(
    job: Job,
    frames: Iterator[np.ndarray],
    num_model_frames: int,
    conditioning: Conditioning,
    meter: ProgressMeter,
    reporter: Reporter,
) -> ArtifactRef:
    """The job's folder in the library, whole."""

    def on_frame(index: int, num_frames: int) -> None:
        meter.tell("write", index, num_frames)
        if reporter.cancelled():
            raise Cancelled

    meter.tell("write", 0, job.spec.num_frames)
    writer = ArtifactWriter(
        job.library, job.spec, job.job_id, made_with=made_with(job.spec), notes=conditioning.notes
    )
    with writer:
        writer.write(frames, num_model_frames=num_model_frames, on_frame=on_frame)
        return writer.finish()
