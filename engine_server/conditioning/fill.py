"""Colours for the part of a reference that is open, so that its border does not shine through.

A latent cell at the border of what is kept also sees open pixels, and whatever colour they happen
to have would tint it. They get the colours of the nearest kept ones, smoothly.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

_LEAST = 1e-4


def fill_open(erp: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`erp` with its open part painted over from the kept part, from coarse to fine.

    Args:
        erp: [H, W, 3] float32.
        mask: [H, W] float32, 1 where `erp` is kept.

    Returns:
        [H, W, 3] float32; equals `erp` where `mask` is 1, and everywhere where nothing is kept.

    Source: pull-push interpolation (Gortler et al., The Lumigraph, 1996).
    """
    if not (mask > _LEAST).any():
        return erp
    kept = torch.from_numpy(mask.astype(np.float32))[None, None]
    colour = torch.from_numpy(np.ascontiguousarray(np.moveaxis(erp, -1, 0)))[None] * kept
    filled, _ = _pull_push(colour, kept)
    return np.moveaxis(torch.lerp(filled, _unmixed(colour, kept), kept)[0].numpy(), 0, -1)


def _pull_push(colour: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted colours averaged up a pyramid, and gaps filled on the way down; [1, 3, H, W]."""
    height, width = colour.shape[-2:]
    here = _unmixed(colour, weight)
    if min(height, width) < 2 or height % 2 or width % 2:
        mean = colour.sum((-2, -1), keepdim=True) / weight.sum((-2, -1), keepdim=True)
        return torch.where(weight > _LEAST, here, mean), weight
    coarse, _ = _pull_push(F.avg_pool2d(colour, 2), F.avg_pool2d(weight, 2))
    around = F.interpolate(
        F.pad(coarse, (1, 1, 0, 0), mode="circular"), scale_factor=2.0, mode="bilinear"
    )[..., 2:-2]
    return torch.lerp(around, here, weight.clamp(0, 1)), weight


def _unmixed(colour: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return colour / weight.clamp(min=_LEAST)
