"""Rectangular windows of a panorama through the model: what all methods on a plane share.

A window is read from the state, told where it lies, and comes back as guided `denoised`. How the
windows of a step agree is the methods' affair: `planar.py`, `paper.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...shared.errors import GenerationFailed
from ..models.adapter import Adapter, Cond, ViewGeometry
from ..models.guidance import guided
from ..panorama.plane import Axis, PlanePlan, PlaneWindow, Span, spans
from .executor import Chunk

LEAST_TOLD_FOV_DEG = 10.0
"""Smallest field of view that a model is told: windows of tall panoramas see less than any lens."""

Item = tuple[Span, PlaneWindow]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowModel:
    """The guided model, asked for windows.

    Attributes:
        adapter: The model.
        cond, uncond: Encoded prompt and negative prompt; `uncond` is not used at scale 1.
        guidance_scale: 1 is off.
        cancelled: Asked before every model call.
    """

    adapter: Adapter
    cond: Cond
    uncond: Cond | None
    guidance_scale: float
    cancelled: Callable[[], bool] | None = None

    def denoised(self, x: Tensor, sigma: float, geometry: ViewGeometry) -> Tensor:
        """Guided `denoised` of windows ``[N, C, f, h, w]``.

        Raises:
            Cancelled: `cancelled()` said so before a model call.
            GenerationFailed: The model returned numbers that are not finite.
        """
        result = guided(
            self.adapter,
            x,
            sigma,
            geometry,
            cond=self.cond,
            uncond=self.uncond,
            guidance_scale=self.guidance_scale,
            cancelled=self.cancelled,
        )
        if not bool(torch.isfinite(result).all()):
            raise GenerationFailed(
                f"The model returned numbers that are not finite (noise level {sigma:.3f}).",
                sigma=sigma,
            )
        return result.to(x.device, x.dtype)

    def evaluate(self, chunk: Chunk) -> Tensor:
        """`denoised` of a chunk."""
        return self.denoised(chunk.x, chunk.sigma, chunk.geometry)


def plane_geometry(plan: PlanePlan, items: Sequence[Item]) -> ViewGeometry:
    """Where windows of a plane lie, cell by cell."""
    height, width = plan.elevation_rad(), plan.azimuth_rad()
    size = (len(items), *plan.window_hw)
    elevation, azimuth = torch.empty(size), torch.empty(size)
    for k, (_, window) in enumerate(items):
        elevation[k] = height[list(window.rows.cells)][:, None]
        azimuth[k] = width[list(window.columns.cells)]
    middle = tuple(n // 2 for n in plan.window_hw)
    return ViewGeometry(
        elevation_rad=elevation,
        fov_deg=max(LEAST_TOLD_FOV_DEG, plan.window_fov_deg),
        azimuth_rad=azimuth,
        yaw_deg=tuple(azimuth[:, 0, middle[1]].rad2deg().tolist()),
        pitch_deg=tuple(elevation[:, middle[0], 0].rad2deg().tolist()),
        frames=tuple(frames.cells for frames, _ in items),
    )


def time_axis(num_frames: int, adapter: Adapter, *, loop: bool) -> Axis:
    """The frames of a panorama as an axis.

    Raises:
        InvalidJob: Fewer frames than the model needs.
    """
    return Axis(length=num_frames, window=adapter.spec.window_frames, ring=loop, name="num_frames")


def fixed_time_windows(axis: Axis, *, overlap: float = 0.0) -> tuple[Span, ...]:
    """Windows in time that are the same in every step."""
    return spans(axis, overlap=overlap)
