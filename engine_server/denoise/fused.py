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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...shared.errors import GenerationFailed
from ..models.adapter import Adapter, Cond, ViewGeometry
from ..models.guidance import guided
from ..panorama.tables import LookupTable
from ..panorama.views import ViewPlan
from .executor import Chunk, Executor, in_order
from .fuse import cut_windows, fuse_views, read_views
from .keep import Keep
from .noise import time_cut
from .rings import rings_of_windows
from .time_ring import TimeWindow, plan_time_windows

Item = tuple[TimeWindow, int]


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
        keep: Given part of the panorama: views that own nothing else are not evaluated.
        executor: Who evaluates the windows; changes nothing in the result.
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
    keep: Keep | None = None
    executor: Executor = in_order

    def time_windows(self, num_frames: int, step: int) -> tuple[TimeWindow, ...]:
        """This step's windows in time."""
        cut = time_cut(seed=self.seed, stage=self.stage, step=step)
        spec = self.adapter.spec
        return plan_time_windows(
            num_frames,
            spec.window_frames,
            loop=self.loop,
            step=step,
            cut=cut,
            periodic="time" in spec.rings,
        )

    def denoised(self, q: Tensor, *, sigma: float, step: int) -> Tensor:
        """The fused estimate of x0 of the state ``q + sigma * noise``, ``[C, F, H, W]``.

        Raises:
            Cancelled: `cancelled()` said so before a model call.
            GenerationFailed: The model returned numbers that are not finite.
        """
        table = self.plan.table(step)
        windows = self.time_windows(q.shape[1], step)
        views = read_views(q, self.noise, sigma, table)
        fused = torch.empty_like(q)
        needed = self._needed(table)
        for window, stack in self.predictions(views, table, windows, needed, sigma):
            fused[:, list(window.owned)] = fuse_views(stack, table, window)
        require_finite(fused, sigma=sigma, step=step)
        return fused

    def _needed(self, table: LookupTable) -> list[int]:
        """Indices of the views that show anything that is not given."""
        if self.keep is None or self.keep.hold is not None:
            return list(range(len(table.views)))
        is_open = (self.keep.mask < 1).reshape(-1, table.height * table.width).any(0)
        return _views_that_show(is_open, table)

    def predictions(
        self,
        views: Tensor,
        table: LookupTable,
        windows: tuple[TimeWindow, ...],
        needed: Sequence[int],
        sigma: float,
    ) -> Iterator[tuple[TimeWindow, Tensor]]:
        """Every time window and the guided `denoised` of all views in it, ``[V, C, f, h, w]``.

        Args:
            views: The noisy state in all views and all frames, ``[V, C, F, h, w]``.
            table: Where the views look.
            windows: This step's windows in time.
            needed: Indices of the views to evaluate; the others are left 0.
            sigma: Noise level.
        """
        items = [(window, view) for window in windows for view in needed]
        parts = [
            items[begin : begin + self.view_batch]
            for begin in range(0, len(items), self.view_batch)
        ]
        rings = rings_of_windows(
            self.adapter.spec, num_frames=views.shape[2], loop=self.loop, goes_round=False
        )
        chunks = (
            Chunk(x=cut_windows(views, part), sigma=sigma, geometry=_geometry(table, part, rings))
            for part in parts
        )
        results = self.executor(self.evaluate, chunks)
        found = (window.to(views.device, views.dtype) for result in results for window in result)
        for window in windows:
            channels, _, *size = views.shape[1:]
            stack = views.new_zeros(len(views), channels, len(window.frames), *size)
            for view in needed:
                stack[view] = next(found)
            yield window, stack

    def evaluate(self, chunk: Chunk) -> Tensor:
        """Guided `denoised` of the windows of a chunk.

        Raises:
            Cancelled: `cancelled()` said so before a model call.
        """
        return guided(
            self.adapter,
            chunk.x,
            chunk.sigma,
            chunk.geometry,
            cond=self.cond,
            uncond=self.uncond,
            guidance_scale=self.guidance_scale,
            cancelled=self.cancelled,
        )


def _views_that_show(is_open: Tensor, table: LookupTable) -> list[int]:
    """Indices of the views that ERP cells are read from; `is_open`: which cells, ``[H * W]``."""
    view = table.views[0]
    return (table.taps[is_open] // (view.height * view.width)).unique().tolist()


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


def _geometry(table: LookupTable, batch: list[Item], rings: tuple[str, ...]) -> ViewGeometry:
    indices = [view for _, view in batch]
    return ViewGeometry(
        elevation_rad=table.elevation_rad[indices],
        fov_deg=table.views[0].fov_deg,
        azimuth_rad=table.azimuth_rad[indices],
        yaw_deg=tuple(table.views[k].yaw_deg for k in indices),
        pitch_deg=tuple(table.views[k].pitch_deg for k in indices),
        frames=tuple(window.frames for window, _ in batch),
        rings=rings,
    )
