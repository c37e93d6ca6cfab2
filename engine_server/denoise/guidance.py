"""Classifier-free guidance on `denoised`, in batches of fixed size and fixed order.

Source: Ho & Salimans 2022. On `denoised` it is the same line as on noise or velocity, which are
affine in it at a given state and noise level.
"""

from __future__ import annotations

from torch import Tensor

from ..models.adapter import Adapter, Cond, ViewGeometry


def guided(
    adapter: Adapter,
    x: Tensor,
    sigma: float,
    views: ViewGeometry,
    *,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
) -> Tensor:
    """Guided `denoised` of windows ``[N, C, F, h, w]``; at scale 1 exactly the conditional one.

    The two predictions are made one after the other, so that memory does not depend on guidance.
    """
    conditional = adapter.denoised(x, sigma, cond, views)
    if guidance_scale == 1.0 or uncond is None:
        return conditional
    unconditional = adapter.denoised(x, sigma, uncond, views)
    return unconditional + guidance_scale * (conditional - unconditional)
