"""The method `paper`: DynamicScaler as it was published, with its geometry put right.

A panorama of the sphere begins with Panoramic Projecting Denoise (eq. 4): perspective views, turned
and tipped every step, are denoised and projected back. The other steps, and all steps of finer
stages, are Offset Shifting Denoise (eq. 1) on the equirectangular ring, with padding windows at the
top and bottom. A regular panorama begins with overlapping windows instead. Windows are denoised one
after another, each at once written back, and a mask of what a step has already denoised brings that
back to the step's noise level before another window reads it (eq. 5). Finer stages are eq. 2:
`stages.denoise_stages`.

Source: DynamicScaler (Liu et al. 2024); numbers its text does not give are those of its published
settings, as shares of the run. Differs in: geometry (`panorama/patches.py`); eq. 5 in its form for
flow matching; none of what the published code does and the text does not say (a mix with the value
before, a pasted still picture). docs/method.md has the whole map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...shared.errors import InvalidJob
from ..models.adapter import Adapter, Cond, ViewGeometry
from ..panorama.patches import LEAST_FOV_DEG, Patch, plane_patch, view_patches
from ..panorama.plane import PlanePlan, Span, spans
from .executor import Executor, in_order
from .loop import Keep, OnStep, entry_state
from .noise import Purpose, normal_noise
from .schedule import euler_step, renoise
from .windows import LEAST_TOLD_FOV_DEG, WindowModel, time_axis

EARLY_SHARE = 15 / 48
"""Steps of the first stage that project, or that overlap in a regular panorama."""
EARLY_OVERLAP = 0.5
TURNS_ACROSS, TURNS_DOWN = 3.0, 1.2
"""How many times its own width and height a window moves on in a whole run."""
TIME_OVERLAPS = (0.75, 0.5)
"""Least overlap of windows in time, in the first and in the second half of a stage's steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPlan:
    """The windows of one stage.

    Attributes:
        plane: The rectangle of Offset Shifting Denoise.
        fov_deg: Field of view of the views of Panoramic Projecting Denoise.
    """

    plane: PlanePlan
    fov_deg: float

    @property
    def latent_width(self) -> int:
        """Columns of the panorama."""
        return self.plane.latent_width

    @property
    def latent_height(self) -> int:
        """Rows of the panorama."""
        return self.plane.latent_height

    def patches(self, step: int, num_steps: int, *, is_early: bool) -> Iterator[Patch]:
        """The windows of a step in the order they are denoised."""
        height, width = self.plane.window_hw
        if is_early and self.plane.is_erp:
            yield from view_patches(
                step,
                fov_deg=self.fov_deg,
                window=width,
                height=self.latent_height,
                width=self.latent_width,
            )
            return
        down = step * max(1, round(TURNS_DOWN * height / num_steps))
        across = step * max(1, round(TURNS_ACROSS * width / num_steps))
        overlap = EARLY_OVERLAP if is_early else 0.0
        for window in self.plane.windows_at(down, across, overlap=overlap):
            yield plane_patch(self.plane, window)

    def told_fov_deg(self, *, is_early: bool) -> float:
        """Field of view that the model is told."""
        if is_early and self.plane.is_erp:
            return self.fov_deg
        return max(LEAST_TOLD_FOV_DEG, self.plane.window_fov_deg)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperMethod:
    """Everything that makes one step of the panorama, apart from its state.

    Attributes:
        model: The guided model, Phi of the equations.
        plan: The windows in space.
        sigmas: Noise levels of the stage.
        seed, stage: Key of all noise.
        loop: Whether time is a ring.
        keep: Given part of the picture; replaces `denoised` there.
    """

    model: WindowModel
    plan: PaperPlan
    sigmas: Sequence[float]
    seed: int
    stage: int
    loop: bool
    keep: Keep | None = None

    def is_early(self, step: int) -> bool:
        """Whether a step projects, or overlaps in a regular panorama: the first, from noise.

        DynamicScaler fig. 2: projecting, then shifting (yellow); overlapping, then shifting (blue).
        """
        return self.sigmas[0] >= 1 and step < round(EARLY_SHARE * (len(self.sigmas) - 1))

    def time_windows(self, num_frames: int, step: int) -> tuple[Span, ...]:
        """This step's windows in time: they overlap and move on by one frame a step.

        DynamicScaler's section 3.4.
        """
        axis = time_axis(num_frames, self.model.adapter, loop=self.loop)
        is_second_half = 2 * step >= len(self.sigmas) - 1
        return spans(axis, offset=step, overlap=TIME_OVERLAPS[is_second_half])

    def step(self, z: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Z_t from Z_(t-1): DynamicScaler eq. 1, or eq. 4 in the early steps, with eq. 5.

        DynamicScaler fig. 5 is one early step.

        Args:
            z: The panorama at ``sigmas[step]``, ``[C, F, H, W]``.
            step: Index of the step.

        Returns:
            The panorama at the next level, and its `denoised`.
        """
        height, width = z.shape[2:]
        z, denoised = z.flatten(2).clone(), torch.empty_like(z.flatten(2))
        is_done = torch.zeros(z.shape[1:], dtype=torch.bool)  # M_d
        patches = list(self.plan.patches(step, len(self.sigmas) - 1, is_early=self.is_early(step)))
        windows = [
            (span, patch) for span in self.time_windows(z.shape[1], step) for patch in patches
        ]
        for index, (span, patch) in enumerate(windows):
            frames = torch.tensor(span.cells)[:, None]
            x = self._rebalanced(z, is_done, frames, patch, step, index)
            estimate = self._estimate(x, span, patch, step)
            after = euler_step(
                x, estimate, sigma=self.sigmas[step], sigma_next=self.sigmas[step + 1]
            )
            z[:, frames, patch.cells] = after.flatten(2)[:, :, patch.taps]
            denoised[:, frames, patch.cells] = estimate.flatten(2)[:, :, patch.taps]
            is_done[frames, patch.cells] = True
        assert bool(is_done.all()), "a cell that no window of the step has denoised"
        return z.unflatten(2, (height, width)), denoised.unflatten(2, (height, width))

    def _rebalanced(
        self, z: Tensor, is_done: Tensor, frames: Tensor, patch: Patch, step: int, index: int
    ) -> Tensor:
        """DynamicScaler eq. 5: the window's cells, those in M_d brought back to the step's level.

        As printed: ``Z' = sqrt(alpha_t) Z + sqrt(1 - alpha_t) eps`` where M_d = 1, else Z. That is
        one step of the forward process; `schedule.renoise` is the same for flow matching.
        """
        flat = patch.reads.flatten()
        seen = z[:, frames, flat].unflatten(2, patch.reads.shape)
        done = is_done[frames, flat].unflatten(1, patch.reads.shape)
        if not bool(done.any()):
            return seen
        channels, count, height, width = seen.shape
        noise = normal_noise(
            (channels, count, height, width),
            seed=self.seed,
            stage=self.stage,
            step=step,
            purpose=Purpose.RENOISE,
            index=index,
        )
        level, after = self.sigmas[step], self.sigmas[step + 1]
        return torch.where(done, renoise(seen, noise, sigma_from=after, sigma_to=level), seen)

    def _estimate(self, x: Tensor, span: Span, patch: Patch, step: int) -> Tensor:
        """Guided `denoised` of one window ``[C, f, h, w]``, with what is kept in its place."""
        height, width = patch.reads.shape
        middle = (height // 2, width // 2)
        geometry = ViewGeometry(
            elevation_rad=patch.elevation_rad[None],
            azimuth_rad=patch.azimuth_rad[None],
            fov_deg=self.plan.told_fov_deg(is_early=self.is_early(step)),
            yaw_deg=(float(patch.azimuth_rad[middle].rad2deg()),),
            pitch_deg=(float(patch.elevation_rad[middle].rad2deg()),),
            frames=(span.cells,),
        )
        estimate = self.model.denoised(x[None], self.sigmas[step], geometry)[0]
        if self.keep is None:
            return estimate
        return self._kept(self.keep, span, patch).apply(estimate, self.sigmas[step])

    def _kept(self, keep: Keep, span: Span, patch: Patch) -> Keep:
        """The given part of the picture as one window sees it."""
        size = (self.plan.latent_height, self.plan.latent_width)
        flat = patch.reads.flatten()

        def seen(field: Tensor) -> Tensor:
            part = field.expand(*field.shape[:-2], *size).flatten(-2)[..., flat]
            part = part.unflatten(-1, patch.reads.shape)
            return part[:, list(span.cells)] if part.dim() == 4 and part.shape[1] > 1 else part

        hold = None if keep.hold is None else seen(keep.hold)
        return Keep(latents=seen(keep.latents), mask=seen(keep.mask), hold=hold)


@torch.no_grad()
def denoise_paper(
    x_init: Tensor | None,
    *,
    adapter: Adapter,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
    sigmas: Sequence[float],
    shape: tuple[int, int, int, int],
    seed: int,
    plan: PaperPlan,
    stage: int = 0,
    loop: bool = True,
    view_batch: int = 1,
    reference: Keep | None = None,
    on_step: OnStep | None = None,
    cancelled: Callable[[], bool] | None = None,
    start_step: int = 0,
    executor: Executor = in_order,
) -> Tensor:
    """One stage of the method `paper`: latents ``[C, F, H, W]``.

    Windows go one after another: `view_batch` and `executor` are not used. What is packed for
    `on_step` and taken as `x_init` is the state less ``sigma`` times the stage's noise, and the
    last `denoised`: the first half is what `stages` packs at the start of any method; the second is
    not read again.
    Arguments and errors: `loop.denoise_panorama`.

    Raises:
        InvalidJob: The views are too narrow for the sphere.
    """
    x_init = entry_state(x_init, shape, sigma=sigmas[0], start_step=start_step)
    assert x_init.shape == (2 * shape[0], *shape[1:]), (tuple(x_init.shape), shape)
    model = WindowModel(
        adapter=adapter,
        cond=cond,
        uncond=uncond,
        guidance_scale=guidance_scale,
        cancelled=cancelled,
    )
    method = PaperMethod(
        model=model, plan=plan, sigmas=sigmas, seed=seed, stage=stage, loop=loop, keep=reference
    )
    if plan.plane.is_erp and method.is_early(0) and plan.fov_deg < LEAST_FOV_DEG:
        raise InvalidJob(
            f"The views of 'paper' must see at least {LEAST_FOV_DEG:.1f} degrees to cover the "
            f"sphere, got {plan.fov_deg:g}.",
            field="stages",
            nearest=LEAST_FOV_DEG,
        )
    noise = normal_noise(shape, seed=seed, stage=stage)
    q = x_init[: shape[0]]
    num_steps = len(sigmas) - 1
    for step in range(start_step, num_steps):
        z, denoised = method.step(q + sigmas[step] * noise, step)
        q = z - sigmas[step + 1] * noise
        if on_step is not None:
            on_step(step, num_steps, denoised, torch.cat((q, denoised)))
    return q
