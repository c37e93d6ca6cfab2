"""The `fused` method: one estimate of the whole panorama from views and time windows in agreement.

All windows of a step are read from the same noisy state, so their order does not matter; their
`denoised` pictures are fused, each cell and frame taken from the one window that owns it. Views and
windows move every step, so each border is healed by the next step. How the state is kept and read:
`fuse.py`.

Source: DynamicScaler (Liu et al. 2024), offset shifting and panoramic projecting denoise. Differs
in: windows do not see one another's results within a step, nothing is re-noised, and the scheduler
steps the panorama instead of the windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...shared.errors import GenerationFailed
from ..models.adapter import Adapter, Cond, ViewGeometry
from ..panorama.tables import LookupTable
from ..panorama.views import ViewPlan
from .fuse import cut_windows, fuse_views, read_views
from .guidance import guided
from .noise import time_cut
from .time_ring import TimeWindow, plan_time_windows

Item = tuple[TimeWindow, int]


class Cancelled(Exception):
    """The job was cancelled between two model calls: a state, not an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedMethod:
    """Everything that makes `denoised` of a panorama, apart from the state and noise level.

    Attributes:
        adapter: The model.
        cond, uncond: Encoded prompt and negative prompt; `uncond` is not used at scale 1.
        guidance_scale: 1 is off.
        plan: The moving views.
        noise: The stage's noise, rows of `fuse.noise_rows`.
        seed, stage: Key of the random cuts in time.
        loop: Whether time is a ring.
        view_batch: Windows per model call; part of the result's last bits.
        cancelled: Asked before every model call.
    """

    adapter: Adapter
    cond: Cond
    uncond: Cond | None
    guidance_scale: float
    plan: ViewPlan
    noise: Tensor
    seed: int
    stage: int
    loop: bool
    view_batch: int
    cancelled: Callable[[], bool] | None = None

    def time_windows(self, num_frames: int, step: int) -> tuple[TimeWindow, ...]:
        """This step's windows in time."""
        cut = time_cut(seed=self.seed, stage=self.stage, step=step)
        size = self.adapter.spec.window_frames
        return plan_time_windows(num_frames, size, loop=self.loop, step=step, cut=cut)

    def denoised(self, q: Tensor, *, sigma: float, step: int) -> Tensor:
        """The fused estimate of x0 of the state ``q + sigma * noise``, ``[C, F, H, W]``.

        Raises:
            Cancelled: `cancelled()` said so before a model call.
            GenerationFailed: The model returned numbers that are not finite.
        """
        table = self.plan.table(step)
        windows = self.time_windows(q.shape[1], step)
        views = read_views(q, self.noise, sigma, table)
        predictions = self.predictions(views, table, windows, sigma)
        fused = torch.empty_like(q)
        for window in windows:
            stack = torch.stack([next(predictions) for _ in table.views])
            fused[:, list(window.owned)] = fuse_views(stack, table, window)
        require_finite(fused, sigma=sigma, step=step)
        return fused

    def predictions(
        self, views: Tensor, table: LookupTable, windows: tuple[TimeWindow, ...], sigma: float
    ) -> Iterator[Tensor]:
        """Guided `denoised` of every (time window, view), in that order, ``[C, f, h, w]`` each.

        Args:
            views: The noisy state in all views and all frames, ``[V, C, F, h, w]``.
            table: Where the views look.
            windows: This step's windows in time.
            sigma: Noise level.
        """
        items = [(window, view) for window in windows for view in range(len(table.views))]
        for begin in range(0, len(items), self.view_batch):
            batch = items[begin : begin + self.view_batch]
            x, geometry = cut_windows(views, batch), _geometry(table, batch)

            def predict(cond: Cond, x: Tensor = x, geometry: ViewGeometry = geometry) -> Tensor:
                if self.cancelled is not None and self.cancelled():
                    raise Cancelled
                return self.adapter.denoised(x, sigma, cond, geometry)

            result = guided(
                predict, cond=self.cond, uncond=self.uncond, guidance_scale=self.guidance_scale
            )
            yield from result.to(views.device, views.dtype)


def require_finite(denoised: Tensor, *, sigma: float, step: int) -> None:
    """Refuse to go on from numbers that are not finite.

    Raises:
        GenerationFailed: With `details["step"]`.
    """
    if not bool(torch.isfinite(denoised).all()):
        raise GenerationFailed(
            f"The model returned numbers that are not finite at step {step} "
            f"(noise level {sigma:.3f}).",
            step=step,
        )


def _geometry(table: LookupTable, batch: list[Item]) -> ViewGeometry:
    indices = [view for _, view in batch]
    return ViewGeometry(
        elevation_rad=table.elevation_rad[indices],
        fov_deg=table.views[0].fov_deg,
        azimuth_rad=table.azimuth_rad[indices],
        yaw_deg=tuple(table.views[k].yaw_deg for k in indices),
        pitch_deg=tuple(table.views[k].pitch_deg for k in indices),
        frames=tuple(window.frames for window, _ in batch),
    )
