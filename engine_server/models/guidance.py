"""A model asked with classifier-free guidance on `denoised`.

Source: Ho & Salimans 2022. On `denoised` it is the same line as on noise or velocity, which are
affine in it at a given state and noise level.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .adapter import Adapter, Cond, ViewGeometry


class Cancelled(Exception):
    """The job was cancelled between two model calls: a state, not an error."""


def guided(
    adapter: Adapter,
    x: Tensor,
    sigma: float,
    views: ViewGeometry,
    *,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Guided `denoised` of windows ``[N, C, f, h, w]``.

    The two predictions are made one after the other, so that memory does not depend on guidance; at
    scale 1 it is exactly the conditional one, and the other is not asked for.

    Args:
        adapter: The model.
        x: State of the windows.
        sigma: Noise level.
        views: Where they lie.
        cond, uncond: Encoded prompt and negative prompt.
        guidance_scale: 1 is off.
        cancelled: Asked before every model call.

    Raises:
        Cancelled: `cancelled()` said so.
    """

    def predicted(words: Cond) -> Tensor:
        if cancelled is not None and cancelled():
            raise Cancelled
        return adapter.denoised(x, sigma, words, views)

    conditional = predicted(cond)
    if guidance_scale == 1.0 or uncond is None:
        return conditional
    unconditional = predicted(uncond)
    return unconditional + guidance_scale * (conditional - unconditional)
