"""The methods by name: how a stage is planned, denoised and handed up a size.

Every method is a function with the signature of `loop.denoise_panorama`: packed state in, latents
out. A new one is a line in each of the two tables here and a name in the model's card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ...shared.errors import InvalidJob
from ..models.adapter import LatentSpec
from ..panorama.erp import resize_erp
from ..panorama.plane import PlanePlan
from ..panorama.views import ViewPlan, plan_views
from .loop import denoise_panorama
from .planar import denoise_planar

DenoiseStage = Callable[..., Tensor]
"""A method: the arguments of `loop.denoise_panorama`, with the `plan` that `plan_method` made."""

StagePlan = ViewPlan | PlanePlan

METHODS: dict[str, DenoiseStage] = {
    "fused": denoise_panorama,
    "planar": denoise_planar,
    "whole": denoise_planar,
    "multidiffusion": denoise_planar,
    "independent": denoise_planar,
    "still": denoise_panorama,
}
"""`still` is `fused` without shifting: the views of its first step in every step, to measure by."""


def is_flat(method: str) -> bool:
    """Whether a method makes pictures of any width and height, not panoramas of the sphere."""
    return method == "planar"


def plan_method(
    method: str,
    *,
    latent_width: int,
    latent_height: int,
    spec: LatentSpec,
    fov_deg: float,
    ring: bool = True,
) -> StagePlan:
    """Where the windows of a stage lie.

    Args:
        method: A name in `METHODS`.
        latent_width, latent_height: Cells of the panorama.
        spec: The model's latents.
        fov_deg: Field of view of the stage's views; methods on a plane have none.
        ring: Whether the width of a flat picture is a ring.

    Raises:
        InvalidJob: There is no such method, or it cannot do this size.
    """
    if method not in METHODS:
        known = ", ".join(sorted(METHODS))
        raise InvalidJob(f"There is no method '{method}'. Known: {known}.", field="method")
    if method in ("fused", "still"):
        plan = plan_views(
            latent_width=latent_width,
            latent_height=latent_height,
            window_hw=spec.window_hw,
            fov_deg=fov_deg,
        )
        if method == "still":
            plan = replace(plan, layouts=plan.layouts[:1], pitch_offsets_deg=(0.0,), stride=0)
        return plan
    plane = PlanePlan(
        latent_width=latent_width,
        latent_height=latent_height,
        window_hw=spec.window_hw,
        ring=ring or not is_flat(method),
        is_erp=not is_flat(method),
    )
    match method:
        case "whole":
            plane = replace(plane, window_hw=(latent_height, latent_width))
        case "multidiffusion":
            plane = replace(plane, moves=False, overlap=0.5, averages=True)
        case "independent":
            plane = replace(plane, moves=False)
    _ = plane.axes  # refuses what is smaller than a window
    return plane


def resized(picture: Tensor, plan: StagePlan) -> Tensor:
    """A picture ``[..., h, w]`` of any size, resampled to the cells of a stage: inter() of eq. 2.

    Source: DynamicScaler eq. 2 (Liu et al. 2024). Differs in: the ring and the poles are crossed.
    """
    if isinstance(plan, PlanePlan) and not plan.is_erp:
        return plan.resized(picture)
    return resize_erp(picture, size=(plan.latent_height, plan.latent_width))
