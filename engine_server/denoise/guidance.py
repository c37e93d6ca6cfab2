"""Classifier-free guidance on `denoised`.

Source: Ho & Salimans 2022. On `denoised` it is the same line as on noise or velocity, which are
affine in it at a given state and noise level.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..models.adapter import Cond


def guided(
    predict: Callable[[Cond], Tensor],
    *,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
) -> Tensor:
    """Guided `denoised`; at scale 1 exactly the conditional one, and the other is not asked for.

    The two predictions are made one after the other, so that memory does not depend on guidance.
    """
    conditional = predict(cond)
    if guidance_scale == 1.0 or uncond is None:
        return conditional
    unconditional = predict(uncond)
    return unconditional + guidance_scale * (conditional - unconditional)
