"""THE path of a job: condition -> noise -> denoise -> decode -> write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...shared.jobcheck import is_plane
from ...shared.jobs import ArtifactRef, JobSpec, Progress
from ..denoise.finish import Finished
from ..denoise.loop import Cancelled
from ..denoise.stages import StageState, StepDone, denoise_stages, first_state
from ..models import catalog
from ..models.adapter import Adapter
from ..models.memory import Level
from ..models.video.rgb import QuickLook
from ..output.agreement import MotionAgreement
from ..output.artifact import ArtifactWriter
from ..output.pictures import preview_jpeg
from ..room import check_room
from .base import BaseResult, latents_head, read_base
from .checkpoint import Checkpoint
from .condition import Conditioning, condition, directed
from .crew import Crew
from .decoding import decoded, decoded_flat
from .inspection import QualityInspector
from .models import LoadedModels
from .origin import made_with, memory_of
from .previews import quick_picture
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


def generate(
    job: Job, models: LoadedModels, reporter: Reporter, crew: Crew | None = None
) -> ArtifactRef:
    """Make the pictures of `job` and put them into the library.

    A job that was interrupted goes on from its checkpoint and ends with the same bytes; so it does
    whoever is in the `crew` that evaluates its views (None: the worker alone).

    Raises:
        Cancelled: `reporter.cancelled()` said so; nothing is left behind.
        UserError: The reference cannot be used, or the model is missing.
        EngineError: The pictures could not be made or written.
    """
    check_room(job.library, job.spec)
    crew = crew or Crew()
    meter = ProgressMeter(reporter.progress)
    meter.tell("load")
    adapter = models.for_job(job.spec)
    crew.gather(job.spec, models.level, adapter)
    meter.tell("condition")
    conditioning = condition(job.spec, adapter, job.blobs)
    models.begin(job.spec)
    crew.join()
    conditioning = replace(conditioning, notes=conditioning.notes + models.notes(job.spec))
    base = read_base(job.spec, adapter, job.blobs, job.library)
    if base is not None and job.spec.base is not None:
        conditioning = base.steer(conditioning, job.spec.base.sigma)
    checkpoint = Checkpoint(job.work_dir, job.spec.sha256())
    start = checkpoint.load() or noise(job.spec, adapter, conditioning)
    look = models.quick_look(job.spec.model)
    finished = denoise(job, adapter, crew, conditioning, start, checkpoint, meter, reporter, look)
    if base is not None:
        finished = replace(finished, latents=base.settle(finished.latents))
    artifact = write(job, adapter, finished, conditioning, base, meter, reporter, models.level)
    checkpoint.clear()
    return artifact


def num_latent_frames(spec: JobSpec, adapter: Adapter) -> int:
    """Latent frames of the job's loop at the model's own rate."""
    card = catalog.find(spec.model)
    return card.model_frames(spec.num_frames / spec.fps) // adapter.spec.ratio_t


def noise(spec: JobSpec, adapter: Adapter, conditioning: Conditioning) -> StageState:
    """The state a job starts from: pure noise, over the reference or the base where there is one.

    A job that refines a result enters the ladder at the stage above it.
    """
    first = first_stage(spec)
    state = first_state(
        spec.stages[first],
        adapter.spec,
        num_frames=num_latent_frames(spec, adapter),
        init=conditioning.init,
        method=spec.method,
        ring=spec.ring,
    )
    return replace(state, stage=first)


def first_stage(spec: JobSpec) -> int:
    """Index of the stage a job begins with."""
    return 0 if spec.base is None else spec.base.stage


def denoise(
    job: Job,
    adapter: Adapter,
    crew: Crew,
    conditioning: Conditioning,
    start: StageState,
    checkpoint: Checkpoint,
    meter: ProgressMeter,
    reporter: Reporter,
    look: QuickLook | None = None,
) -> Finished:
    """The latents of the finished panorama; previews and checkpoints on the way.

    Previews are a quick `look` at the latents, or the first frame decoded where there is none.
    """
    spec = job.spec
    skipped = sum(stage.steps for stage in spec.stages[: first_stage(spec)])
    total = sum(stage.steps for stage in spec.stages) - skipped
    before = sum(stage.steps for stage in spec.stages[: start.stage]) + start.step - skipped
    meter.tell("denoise", before, total)

    def on_step(done: StepDone) -> None:
        checkpoint.save(done.state)
        meter.tell("denoise", done.steps_done - skipped, total)
        if look is None:
            picture = next(iter(decode(spec, adapter, done.first_frame, conditioning)))
        else:
            picture = quick_picture(look, done)
        reporter.preview(done.steps_done - skipped, *preview_jpeg(picture))

    return denoise_stages(
        spec.stages,
        adapter=directed(spec, crew.shared(adapter), conditioning.pictures),
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
        method=spec.method,
        ring=spec.ring,
        executor=crew.executor,
    )


def decode(
    spec: JobSpec, adapter: Adapter, finished: Finished, conditioning: Conditioning
) -> Iterator[np.ndarray]:
    """ERP frames [H, W, 3] float32, sRGB 0..1, one by one; what is kept is the reference itself.

    A coarser stage keeps its own size.
    """
    size = (spec.width, spec.height)
    if is_plane(spec.method):
        frames = decoded_flat(adapter, finished.latents, ring=spec.ring, loop=spec.loop)
    else:
        frames = decoded(adapter, finished, largest=size, loop=spec.loop)
    for picture in frames:
        yield conditioning.over(picture)


def previewed(
    frames: Iterator[np.ndarray], num_steps: int, reporter: Reporter
) -> Iterator[np.ndarray]:
    """The same frames; each is a preview on its way, after those of the steps."""
    for number, picture in enumerate(frames, start=1):
        reporter.preview(num_steps + number, *preview_jpeg(picture))
        yield picture


def write(
    job: Job,
    adapter: Adapter,
    finished: Finished,
    conditioning: Conditioning,
    base: BaseResult | None,
    meter: ProgressMeter,
    reporter: Reporter,
    level: Level,
) -> ArtifactRef:
    """The job's folder in the library, whole."""

    def on_frame(index: int, num_frames: int) -> None:
        meter.tell("write", index, num_frames)
        if reporter.cancelled():
            raise Cancelled

    spec = job.spec
    meter.tell("write", 0, spec.num_frames)
    latents = finished.latents
    steps = sum(stage.steps for stage in spec.stages[first_stage(spec) :])
    frames = previewed(decode(spec, adapter, finished, conditioning), steps, reporter)
    coarse = latents if base is None else base.latents
    agreement = MotionAgreement(width=coarse.shape[-1], surface=spec.surface)
    if base is not None and base.old is None:
        frames = agreement.watch(
            frames, decode(spec, adapter, Finished(latents=base.latents), conditioning)
        )
    writer = ArtifactWriter(
        job.library,
        spec,
        job.job_id,
        made_with=made_with(spec, level),
        notes=conditioning.notes,
        memory=memory_of(spec, level),
        inspector=QualityInspector(spec),
    )
    with writer:
        writer.write(
            frames,
            num_model_frames=latents.shape[1] * adapter.spec.ratio_t,
            on_frame=on_frame,
            old=None if base is None else base.old,
        )
        writer.write_latents(latents.numpy(), latents_head(spec, adapter, latents))
        _tell_of_tiles(writer, adapter)
        if base is not None and base.old is None:
            writer.measured("flow_correlation", agreement.correlation, note=agreement.sentence)
        return writer.finish()


def _tell_of_tiles(writer: ArtifactWriter, adapter: Adapter) -> None:
    """By how much overlapping tiles of a decoded panorama differed, the seam among them."""
    found = getattr(adapter, "seam_disagreement", 0.0) / 2  # of a range of 2
    if found > 0:
        note = (
            f"The panorama was decoded in tiles over its seam; where they overlap they differed by "
            f"{100 * found:.1f} % of the range on average and were cross-faded."
        )
        writer.measured("seam_disagreement", found, note=note)
