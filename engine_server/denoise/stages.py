"""Coarse to fine: each stage takes the last one's picture up a size and denoises it anew.

The picture is resampled on the sphere, noised to the stage's first level, and denoised with more
and narrower views. Layout and motion come from below, detail from above.

Source: Global Motion Guidance of DynamicScaler (its equation 3 has its axes wrong; here the noise
has the variance of the forward process: x = (1 - sigma) picture + sigma noise).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...shared.errors import InvalidJob
from ...shared.jobs import Stage
from ..models.adapter import Adapter, Cond, LatentSpec
from ..panorama.views import ViewPlan
from .ahead import told_ahead
from .executor import Executor, in_order
from .finish import Finished, ViewLatents, views_of
from .loop import Keep, OnStep, packed_start
from .methods import METHODS, StagePlan, plan_method, resized
from .schedule import stage_sigmas


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """Where a run stands: all that a checkpoint needs.

    Attributes:
        stage: Index of the stage.
        step: Steps of it already made.
        x: Packed state after them, ``[(1 + n) C, F, rows, columns]``; see `loop.denoise_panorama`.
    """

    stage: int
    step: int
    x: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """What `on_step` is told.

    Attributes:
        state: Resuming from it gives the same bytes as going on.
        num_steps: Steps of this stage.
        steps_done, steps_total: Over all stages.
        denoised: The fused picture of this step, ``[C, F, H, W]``: the preview.
        views: The same view by view, where the views stand still.
    """

    state: StageState
    num_steps: int
    steps_done: int
    steps_total: int
    denoised: Tensor
    views: ViewLatents | None = None

    @property
    def first_frame(self) -> Finished:
        """The picture of this step, its first latent frame alone."""
        views = self.views
        if views is not None:
            views = replace(views, latents=views.latents[:, :, :1])
        return Finished(latents=self.denoised[:, :1], views=views)


def plan_stage(
    stage: Stage, spec: LatentSpec, *, method: str = "fused", ring: bool = True
) -> StagePlan:
    """Where the windows of a stage lie.

    Raises:
        InvalidJob: Its size is not whole cells, or no views fit; `details["field"]` says which.
    """
    for side in ("width", "height"):
        size = getattr(stage, side)
        if size % spec.ratio_s:
            nearest = max(1, round(size / spec.ratio_s)) * spec.ratio_s
            raise InvalidJob(
                f"The {side} must be a multiple of {spec.ratio_s} pixels, got {size}; "
                f"the nearest is {nearest}.",
                field=side,
                nearest=nearest,
            )
    return plan_method(
        method,
        latent_width=stage.width // spec.ratio_s,
        latent_height=stage.height // spec.ratio_s,
        spec=spec,
        fov_deg=stage.fov_deg,
        ring=ring,
    )


def first_state(
    stage: Stage,
    spec: LatentSpec,
    *,
    num_frames: int,
    init: Tensor | None = None,
    method: str = "fused",
    ring: bool = True,
) -> StageState:
    """Where a job begins: pure noise, over the picture `init` if the stage starts below 1.

    The state does not hold the noise, which is made again from the job's seed at every start.

    Args:
        stage: First rung.
        spec: The model's latents.
        num_frames: F, latent frames.
        init: Picture ``[C, F or 1, H, W]`` of any size.
        method, ring: See `methods.plan_method`.

    Raises:
        InvalidJob: The size fits neither cells nor views, or there is no picture to start from.
    """
    if init is None and stage.sigma_start < 1:
        raise InvalidJob(
            "A first stage that starts below noise level 1 needs a picture to start from.",
            field="stages",
        )
    plan = plan_stage(stage, spec, method=method, ring=ring)
    shape = (spec.channels, num_frames, plan.latent_height, plan.latent_width)
    return _entered(0, stage, shape, plan, picture=init)


def _entered(
    index: int, stage: Stage, shape: tuple[int, ...], plan: StagePlan, *, picture: Tensor | None
) -> StageState:
    """The state a stage begins with: the picture, resampled to it, under its first noise level.

    q(z'_T | z'_0) of DynamicScaler eq. 2, with the picture as z'_0.
    """
    if picture is not None:
        picture = resized(picture, plan).expand(shape)
    return StageState(stage=index, step=0, x=packed_start(picture, shape, stage.sigma_start))


@torch.no_grad()
def denoise_stages(
    stages: Sequence[Stage],
    *,
    adapter: Adapter,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
    num_frames: int,
    seed: int,
    loop: bool = True,
    view_batch: int = 6,
    shift: float = 1.0,
    init: Tensor | None = None,
    reference: Keep | None = None,
    on_step: Callable[[StepDone], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    resume: StageState | None = None,
    method: str = "fused",
    ring: bool = True,
    executor: Executor = in_order,
) -> Finished:
    """The whole ladder of a method: latents ``[C, F, H, W]`` of the last stage, and of its views.

    DynamicScaler eq. 2 (Global Motion Guidance) with any number of stages; in DynamicScaler fig. 2
    the upscaling with more windows (green).

    Args:
        stages: Rungs, coarse to fine, sizes in pixels.
        adapter: The model.
        cond, uncond: Encoded prompt and negative prompt.
        guidance_scale: 1 is off.
        num_frames: F, latent frames.
        seed: Of all noise.
        loop: Whether time is a ring.
        view_batch: Windows per model call.
        shift: Of the noise schedule, where the model has no levels of its own.
        init: Picture ``[C, F or 1, H, W]`` of any size that the first stage starts from, at its
            `sigma_start`.
        reference: Given part of the picture, of any size.
        on_step: Told after each step.
        cancelled: Asked before every model call.
        resume: Where an earlier run stood.
        method: Name of the method, see `methods.METHODS`.
        ring: Whether the width of a flat picture is a ring.
        executor: Who evaluates the windows of a step; the bytes are the same for all.

    Raises:
        Cancelled, InvalidJob, GenerationFailed: See `denoise_panorama`.
    """
    plans = [plan_stage(stage, adapter.spec, method=method, ring=ring) for stage in stages]
    state = resume or first_state(
        stages[0], adapter.spec, num_frames=num_frames, init=init, method=method, ring=ring
    )
    while True:
        index = state.stage
        stage, plan = stages[index], plans[index]
        shape = (adapter.spec.channels, num_frames, plan.latent_height, plan.latent_width)
        sigmas = stage_sigmas(
            adapter.spec.schedule, stage.steps, sigma_start=stage.sigma_start, shift=shift
        )
        result = METHODS[method](
            state.x,
            adapter=told_ahead(adapter, sigmas),
            cond=cond,
            uncond=uncond,
            guidance_scale=guidance_scale,
            sigmas=sigmas,
            shape=shape,
            seed=seed,
            stage=index,
            loop=loop,
            view_batch=view_batch,
            reference=_resized(reference, plan),
            on_step=_teller(on_step, stages, index, plan),
            cancelled=cancelled,
            start_step=state.step,
            plan=plan,
            executor=executor,
        )
        finished = Finished.of(result)
        if index + 1 == len(stages):
            return finished
        above = plans[index + 1]
        finer = (*shape[:2], above.latent_height, above.latent_width)
        state = _entered(index + 1, stages[index + 1], finer, above, picture=finished.latents)


def _resized(keep: Keep | None, plan: StagePlan) -> Keep | None:
    if keep is None:
        return None
    mask = resized(keep.mask, plan).clamp(0, 1)
    hold = None if keep.hold is None else resized(keep.hold, plan).clamp(0, 1)
    return replace(keep, latents=resized(keep.latents, plan), mask=mask, hold=hold)


def _teller(
    on_step: Callable[[StepDone], None] | None,
    stages: Sequence[Stage],
    index: int,
    plan: StagePlan,
) -> OnStep | None:
    if on_step is None:
        return None
    before = sum(stage.steps for stage in stages[:index])
    total = sum(stage.steps for stage in stages)

    def tell(step: int, num_steps: int, denoised: Tensor, x: Tensor) -> None:
        views = None
        if isinstance(plan, ViewPlan):
            views = views_of(x, plan, channels=len(denoised))
        on_step(
            StepDone(
                state=StageState(stage=index, step=step + 1, x=x),
                num_steps=num_steps,
                steps_done=before + step + 1,
                steps_total=total,
                denoised=denoised,
                views=views,
            )
        )

    return tell
