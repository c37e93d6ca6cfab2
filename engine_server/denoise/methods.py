"""The methods by name: how a stage is planned, denoised and handed up a size.

Every method is a function with the signature of `loop.denoise_panorama`: packed state in, latents
out. A new one is a line in each of the two tables here and a name in the model's card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ...shared.errors import InvalidJob
from ...shared.jobcheck import is_plane
from ..models.adapter import LatentSpec
from ..panorama.erp import resize_erp
from ..panorama.plane import PlanePlan
from ..panorama.views import ViewPlan, plan_views
from .finish import Finished
from .loop import denoise_panorama
from .paper import PaperPlan, denoise_paper
from .planar import denoise_planar

DenoiseStage = Callable[..., Tensor | Finished]
"""A method: the arguments of `loop.denoise_panorama`, with the `plan` that `plan_method` made."""

StagePlan = ViewPlan | PlanePlan | PaperPlan

METHODS: dict[str, DenoiseStage] = {
    "fused": denoise_panorama,
    "paper": denoise_paper,
    "planar": denoise_planar,
    "paper-planar": denoise_paper,
    "whole": denoise_planar,
    "multidiffusion": denoise_planar,
    "independent": denoise_planar,
    "still": denoise_panorama,
}
"""Those of the sphere and those of flat pictures: the two kinds of DynamicScaler fig. 1.

`still` is `fused` without shifting: the views of its first step in every step, to measure by.
"""

PLANAR_MARGIN = 1
"""Cells at a window's border that `planar` leaves to the neighbour, for a third more windows.

Measured with the exact denoiser of a Gaussian field on a torus (`tests/oracle_report.py`): variance
kept rises from 0.72 to 0.87, and two cells give 0.91 for four fifths more windows than none.
"""


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
    is_erp = not is_plane(method)
    plane = PlanePlan(
        latent_width=latent_width,
        latent_height=latent_height,
        window_hw=spec.window_hw,
        ring=ring or is_erp,
        is_erp=is_erp,
    )
    match method:
        case "paper" | "paper-planar":
            _ = plane.axes
            return PaperPlan(plane=plane, fov_deg=fov_deg)
        case "planar":
            plane = replace(plane, margin=PLANAR_MARGIN)
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
    plane = plan.plane if isinstance(plan, PaperPlan) else plan
    if isinstance(plane, PlanePlan) and not plane.is_erp:
        return plane.resized(picture)
    return resize_erp(picture, size=(plan.latent_height, plan.latent_width))
