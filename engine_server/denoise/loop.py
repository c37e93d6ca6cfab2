"""The denoising loop: one scheduler step on the panorama for each noise level.

The sampler knows nothing of views; it takes a function of (state, noise level, step). The state is
``[C, F, H, W]`` and is all there is to remember: a run continued from it gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.adapter import Adapter, Cond
from ..panorama.views import ViewPlan, plan_views
from .fused import Cancelled, FusedMethod
from .noise import normal_noise
from .schedule import euler_step

__all__ = ["Cancelled", "Keep", "OnStep", "denoise_panorama", "euler_loop"]

OnStep = Callable[[int, int, Tensor, Tensor], None]
"""(step just made, number of steps, denoised, state after the step)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Part of the panorama that is given.

    Attributes:
        latents: The given picture, ``[C, F, H, W]`` (F may be 1: a still).
        mask: 1 where it is kept, ``[H, W]`` or anything that broadcasts to the latents.
    """

    latents: Tensor
    mask: Tensor

    def apply(self, denoised: Tensor) -> Tensor:
        """`denoised` with the kept part put in its place."""
        return torch.lerp(denoised, self.latents.expand_as(denoised), self.mask.expand_as(denoised))


def euler_loop(
    denoise: Callable[[Tensor, float, int], Tensor],
    x: Tensor,
    *,
    sigmas: Sequence[float],
    keep: Keep | None = None,
    on_step: OnStep | None = None,
    start_step: int = 0,
) -> Tensor:
    """The state taken from ``sigmas[start_step]`` down to ``sigmas[-1]`` by Euler steps.

    Args:
        denoise: (state, sigma, step) -> denoised, same shape.
        x: State at ``sigmas[start_step]``; not written to.
        sigmas: N + 1 falling noise levels, the last usually 0.
        keep: Given part of the picture; replaces `denoised` there.
        on_step: Told after each step.
        start_step: First step to make: 0, or where a checkpoint left off (N: nothing is left).
    """
    num_steps = len(sigmas) - 1
    for step in range(start_step, num_steps):
        denoised = denoise(x, sigmas[step], step)
        if keep is not None:
            denoised = keep.apply(denoised)
        x = euler_step(x, denoised, sigma=sigmas[step], sigma_next=sigmas[step + 1])
        if on_step is not None:
            on_step(step, num_steps, denoised, x)
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
) -> Tensor:
    """One stage of the `fused` method.

    Args:
        x_init: State at ``sigmas[start_step]``, or None for pure noise at ``sigmas[0]``.
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
        on_step: Told (step, number of steps, denoised, state after the step).
        cancelled: Asked before every model call.
        start_step: Where a checkpoint left off.
        plan: Views of this stage; None takes the model's own field of view.

    Returns:
        The final state ``[C, F, H, W]``.

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
    if x_init is None:
        assert start_step == 0, "a run that goes on needs the state it goes on from"
        x_init = normal_noise(shape, seed=seed, stage=stage) * sigmas[0]
    assert tuple(x_init.shape) == tuple(shape), (tuple(x_init.shape), shape)
    method = FusedMethod(
        adapter=adapter,
        cond=cond,
        uncond=uncond,
        guidance_scale=guidance_scale,
        plan=plan,
        seed=seed,
        stage=stage,
        loop=loop,
        view_batch=view_batch,
        cancelled=cancelled,
    )
    return euler_loop(
        lambda x, sigma, step: method.denoised(x, sigma=sigma, step=step),
        x_init,
        sigmas=sigmas,
        keep=reference,
        on_step=on_step,
        start_step=start_step,
    )
