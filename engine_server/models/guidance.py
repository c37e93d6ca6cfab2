"""A model asked with classifier-free guidance on `denoised`.

Source: Ho & Salimans 2022. On `denoised` it is the same line as on noise or velocity, which are
affine in it at a given state and noise level.

A model may say with a prompt how much larger than its own guess the change over time has to be
(`Cond.tensors["motion_gain"]`): small networks average the motions that are still possible while
the noise is high, and so begin a clip too still.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .adapter import Adapter, Cond, ViewGeometry

MOTION_SIGMA = 0.3  # below it motion is settled, and a gain would only roughen detail


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

    found = predicted(cond)
    if guidance_scale != 1.0 and uncond is not None:
        unconditional = predicted(uncond)
        found = unconditional + guidance_scale * (found - unconditional)
    return moved(found, sigma, cond)


def moved(x0: Tensor, sigma: float, cond: Cond) -> Tensor:
    """`x0` with its change over time as large as the prompt's motion gain asks.

    What is enlarged is the difference of each frame of a window from the window's mean frame, and
    only above `MOTION_SIGMA`; every frame then gets back its own mean and contrast, or bright
    clouds would burn out (as in guidance rescaling, Lin et al. 2024, section 3.4).

    Args:
        x0: Estimate, ``[N, C, f, h, w]``.
        sigma: Noise level of a flow model, 0 to 1.
        cond: The prompt; without "motion_gain" nothing changes.
    """
    gain = cond.tensors.get("motion_gain")
    if gain is None or float(gain[0]) == 1.0 or sigma <= MOTION_SIGMA or x0.shape[2] == 1:
        return x0
    still = x0.mean(dim=2, keepdim=True)
    made = still + float(gain[0]) * (x0 - still)
    frame = (1, 3, 4)
    level, before = x0.mean(frame, keepdim=True), x0.std(frame, keepdim=True)
    apart = made - made.mean(frame, keepdim=True)
    return level + apart * (before / made.std(frame, keepdim=True).clamp(min=1e-6))
