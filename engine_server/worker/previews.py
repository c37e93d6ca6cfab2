"""The picture of a running job: a quick look at its latents where the model has one."""

from __future__ import annotations

import cv2
import numpy as np

from ..denoise.stages import StepDone
from ..models.video.rgb import QuickLook

WIDTH = 512
"""Pixels across a quick look, which has one a cell."""


def quick_picture(look: QuickLook, done: StepDone) -> np.ndarray:
    """The first frame of a step, ``[H, W, 3]`` float32, 0..1, enlarged to `WIDTH` at least."""
    seen = np.moveaxis(look(done.denoised[:, 0]).numpy(), 0, -1) * 0.5 + 0.5
    height, width = seen.shape[:2]
    if width < WIDTH:
        size = (WIDTH, round(height * WIDTH / width))
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR)
    return np.clip(seen, 0.0, 1.0)
