"""Wan 2.2 TI2V 5B: text to video, and a given picture that stays, by a time for every token.

Its autoencoder has 16x16 pixels and 4 frames a cell, 48 channels. Each token of a window is told
its own noise level; a token that is told 0 is taken as given. So a reference holds where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from ..adapter import ViewGeometry, WindowPictures
from .wan import WanAdapter, build_from


class WanTi2vAdapter(WanAdapter):
    """Wan 2.2 TI2V 5B.

    `ViewGeometry.control` may hold "given", latents ``[N, C, 1, h, w]`` that the first latent frame
    of every window is held to.
    """

    needs_picture = False

    def view_control(self, shown: WindowPictures) -> Mapping[str, Tensor]:
        """What a window is held to by its picture; see `adapter.Shown`."""
        if shown.picture is None:
            return {}
        return {"given": self.window_latents(shown.picture[:, None])}

    def _beside(self, noisy: Tensor, views: ViewGeometry) -> tuple[Tensor, dict[str, Tensor]]:
        given = views.control.get("given")
        if given is None:
            return noisy, {}
        return torch.cat((given.to(noisy), noisy[:, :, 1:]), dim=2), {}

    def _times(self, noisy: Tensor, sigma: float, views: ViewGeometry) -> Tensor:
        count, _, frames, height, width = noisy.shape
        tokens = (height // self.spec.patch) * (width // self.spec.patch)
        times = torch.full((count, frames, tokens), self._levels.time(sigma), device=noisy.device)
        if "given" in views.control:
            times[:, 0] = 0.0
        return times.flatten(1)


build = partial(
    build_from, WanTi2vAdapter, "WanPipeline", window_hw=(32, 32), window_frames=31, fps=24.0
)
