"""The denoising loop: one scheduler step on the panorama for each noise level.

The sampler knows nothing of views; it takes a function of (state, noise level, step). What it must
remember between steps, the state and the solver's memory (the last `denoised` first), is packed
into one tensor ``[(1 + n) C, F, H, W]``: a run continued from it gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.adapter import Adapter, Cond
from ..models.guidance import Cancelled
from ..panorama.views import ViewPlan, plan_views
from .executor import Executor, in_order
from .finish import FINISH_SIGMA, Finished, ViewFinish, finish_step
from .fuse import noise_rows
from .fused import FusedMethod
from .keep import Keep
from .solvers import Memory, Solver, find_solver, second_order

__all__ = ["Cancelled", "Keep", "OnStep", "denoise_panorama", "sample"]

OnStep = Callable[[int, int, Tensor, Tensor], None]
"""(step just made, number of steps, denoised, packed state after the step)"""


def packed_start(picture: Tensor | None, shape: Sequence[int], sigma: float) -> Tensor:
    """The packed state ``[2 C, F, H, W]`` of a `picture` (None: nothing) under noise level `sigma`.

    The noise itself is not in it: it is known from seed and stage.
    """
    channels, *rest = shape
    start = torch.zeros(2 * channels, *rest)
    if picture is not None:
        start[:channels] = (1 - sigma) * picture
    return start


def entry_state(
    x_init: Tensor | None, shape: Sequence[int], *, sigma: float, start_step: int
) -> Tensor:
    """The packed state a stage enters with: `x_init`, or pure noise at `sigma` where it is None."""
    if x_init is not None:
        return x_init
    assert start_step == 0, "a run that goes on needs the state it goes on from"
    return packed_start(None, shape, sigma)


def sample(
    denoise: Callable[[Tensor, float, int], Tensor],
    x: Tensor,
    *,
    sigmas: Sequence[float],
    memory: Memory = (),
    keep: Keep | None = None,
    on_step: OnStep | None = None,
    start_step: int = 0,
    stop_step: int | None = None,
    solver: Solver = second_order,
) -> Tensor:
    """The state taken from ``sigmas[start_step]`` down to ``sigmas[stop_step]``.

    The step is linear in the state, so `x` may be the whole state or, as here, the part of it that
    is not the fixed noise.

    Args:
        denoise: (state, sigma, step) -> denoised, same shape.
        x: State at ``sigmas[start_step]``; not written to.
        sigmas: N + 1 falling noise levels, the last usually 0.
        memory: What the solver remembers of the steps before `start_step`; not read at step 0.
        keep: Given part of the picture; replaces `denoised` there.
        on_step: Told after each step, with the packed state.
        start_step: First step to make: 0, or where a checkpoint left off (N: nothing is left).
        stop_step: First step not to make; None makes all.
        solver: What makes a step.
    """
    num_steps = len(sigmas) - 1
    for step in range(start_step, num_steps if stop_step is None else stop_step):
        denoised = denoise(x, sigmas[step], step)
        if keep is not None:
            denoised = keep.apply(denoised, sigmas[step])
        x, memory = solver(x, denoised, memory, sigmas, step)
        if on_step is not None:
            on_step(step, num_steps, denoised, torch.cat((x, *memory)))
    return x


@torch.no_grad()
def denoise_panorama(
    x_init: Tensor | None,
    *,
    adapter: Adapter,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
    sigmas: Sequence[float],
    shape: tuple[int, int, int, int],
    seed: int,
    stage: int = 0,
    loop: bool = True,
    view_batch: int = 6,
    reference: Keep | None = None,
    on_step: OnStep | None = None,
    cancelled: Callable[[], bool] | None = None,
    start_step: int = 0,
    plan: ViewPlan | None = None,
    finish_sigma: float = FINISH_SIGMA,
    executor: Executor = in_order,
) -> Finished:
    """One stage of the `fused` method.

    Args:
        x_init: Packed state at ``sigmas[start_step]`` (`packed_start`, or what `on_step` was told);
            None for pure noise.
        adapter: The model.
        cond, uncond: Encoded prompt and negative prompt.
        guidance_scale: 1 is off.
        sigmas: N + 1 falling noise levels, last 0.
        shape: ``(C, F, H, W)`` of the panorama latent, W = 2 H.
        seed: Of the noise and of the random cuts.
        stage: Rung of the ladder; keys the noise.
        loop: Whether time is a ring.
        view_batch: Windows per model call.
        reference: Given part of the picture.
        on_step: Told (step, number of steps, denoised, packed state after the step). The packed
            state is ``[(1 + n) C, F, H, W]``, and ``[(1 + n) C, F, V * h, w]`` once the views
            stand still, where the model's solver remembers n pictures.
        cancelled: Asked before every model call.
        start_step: Where a checkpoint left off.
        plan: Views of this stage; None takes the model's own field of view.
        finish_sigma: Noise level from which on the views stand still; 0: they move to the end.
        executor: Who evaluates the windows; the bytes are the same for all.

    Returns:
        The finished latents ``[C, F, H, W]``, and those of the views if these stood still.

    Raises:
        Cancelled: `cancelled()` said so.
        InvalidJob: Sizes the model or the views cannot do.
        GenerationFailed: The model returned numbers that are not finite.
    """
    spec = adapter.spec
    if plan is None:
        plan = plan_views(
            latent_width=shape[3],
            latent_height=shape[2],
            window_hw=spec.window_hw,
            fov_deg=spec.fov_deg,
        )
    x_init = entry_state(x_init, shape, sigma=sigmas[0], start_step=start_step)
    method = FusedMethod(
        adapter=adapter,
        cond=cond,
        uncond=uncond,
        guidance_scale=guidance_scale,
        plan=plan,
        noise=noise_rows(shape, seed=seed, stage=stage),
        seed=seed,
        stage=stage,
        loop=loop,
        view_batch=view_batch,
        cancelled=cancelled,
        keep=reference,
        executor=executor,
    )
    solver = find_solver(spec.schedule.solver)
    run = _Run(method, sigmas, shape, on_step, solver)
    switch = finish_step(sigmas, finish_sigma)
    state = run.move_views(x_init, start_step, switch)
    if switch == len(sigmas) - 1:
        return Finished(latents=state[: shape[0]])
    return run.finish(state, max(start_step, switch), is_entry=start_step <= switch)


@dataclass(frozen=True, slots=True)
class _Run:
    """The two parts of a stage; each takes a packed state on and tells of every step."""

    method: FusedMethod
    sigmas: Sequence[float]
    shape: tuple[int, int, int, int]
    on_step: OnStep | None
    solver: Solver

    def move_views(self, state: Tensor, start_step: int, stop_step: int) -> Tensor:
        """The steps in which the views move: the packed state after them."""
        if start_step >= stop_step:
            return state
        assert state.shape[1:] == self.shape[1:], (state.shape, self.shape)
        q, *memory = state.split(self.shape[0])

        def tell(step: int, num_steps: int, denoised: Tensor, packed: Tensor) -> None:
            nonlocal state
            state = packed
            if self.on_step is not None:
                self.on_step(step, num_steps, denoised, packed)

        sample(
            lambda q, sigma, step: self.method.denoised(q, sigma=sigma, step=step),
            q,
            sigmas=self.sigmas,
            memory=tuple(memory),
            keep=self.method.keep,
            on_step=tell,
            start_step=start_step,
            stop_step=stop_step,
            solver=self.solver,
        )
        return state

    def finish(self, state: Tensor, start_step: int, *, is_entry: bool) -> Finished:
        """The steps in which they stand still; `is_entry`: `state` is still the panorama's."""
        views = ViewFinish.of(self.method, self.shape[0])
        q, *memory = (views.enter(state) if is_entry else state).split(self.shape[0])

        def tell(step: int, num_steps: int, denoised: Tensor, packed: Tensor) -> None:
            if self.on_step is not None:
                self.on_step(step, num_steps, views.panorama(denoised), packed)

        q = sample(
            lambda q, sigma, step: views.denoised(q, sigma=sigma, step=step),
            q,
            sigmas=self.sigmas,
            memory=tuple(memory),
            keep=views.keep,
            on_step=tell,
            start_step=start_step,
            solver=self.solver,
        )
        return views.finished(q)
