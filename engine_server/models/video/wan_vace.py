"""Wan VACE: windows that follow a picture of depth, keep what is given, or look like a reference.

The network takes 96 channels of control: a video with everything but its open part, one with the
open part alone (for depth: the depth), and the open part itself, 8x8 pixels a cell as 64 channels.
A reference is shown as latent frames in front of a window, which are dropped from what comes back.
The library denoises these with the window; here they are the reference under this step's noise, as
a state of the panorama has no room for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from ....shared.errors import InvalidJob
from ..adapter import Cond, ViewGeometry, WindowPictures
from .wan import WanAdapter, build_from

REFERENCE_SEED = 0


class WanVaceAdapter(WanAdapter):
    """Wan VACE. Without control it makes videos from words, as the library's does.

    Attributes:
        scale: How strictly the control is followed; 1 is what the model was trained with.
    """

    needs_picture = False
    scale: float = 1.0
    _empty: Tensor | None = None

    @torch.inference_mode()
    def view_control(self, shown: WindowPictures) -> Mapping[str, Tensor]:
        """Control by pictures that stand for the whole window; see `adapter.Shown`."""
        picture = shown.follow if shown.picture is None else shown.picture
        if picture is None:
            return {}
        inside = torch.zeros_like(picture) if shown.follow is None else shown.follow
        is_open = shown.is_open
        mask = torch.ones(picture.shape[1:]) if is_open is None else (is_open > 0.5).float()
        follow = self._follow(inside * mask, picture * (1 - mask), mask)
        if shown.picture is None or is_open is not None:
            return {"follow": follow}
        reference = self.window_latents(picture[:, None])
        front = torch.zeros(1, follow.shape[1], 1, *follow.shape[3:])
        front[:, : self.spec.channels] = reference
        return {"follow": torch.cat((front, follow), dim=2), "reference": reference}

    def _follow(self, inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
        """``[1, 96, F, h, w]`` of pictures ``[3, H, W]`` and their open part ``[H, W]``."""
        inactive, reactive = (
            self.window_latents(part[:, None].expand(-1, self.window_pictures, -1, -1))
            for part in (outside, inside)
        )
        ratio = self.spec.ratio_s
        cells = mask.unflatten(0, (-1, ratio)).unflatten(2, (-1, ratio))
        cells = cells.permute(1, 3, 0, 2).flatten(0, 1)[None, :, None]
        cells = cells.expand(-1, -1, inactive.shape[2], -1, -1)
        return torch.cat((inactive, reactive, cells), dim=1)

    def _flow(self, noisy: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        reference = views.control.get("reference")
        if reference is None:
            return super()._flow(noisy, sigma, cond, views)
        if "time" in views.rings:
            raise InvalidJob(
                "A reference stands in front of every window, which then is no ring in time: leave "
                "ring-RoPE in time out, or the reference.",
                field="ring_rope",
            )
        generator = torch.Generator().manual_seed(REFERENCE_SEED)
        noise = torch.randn(reference.shape[1:], generator=generator).to(noisy)
        front = (1 - sigma) * reference.to(noisy) + sigma * noise
        flow = super()._flow(torch.cat((front, noisy), dim=2), sigma, cond, views)
        return flow[:, :, front.shape[2] :]

    def _beside(self, noisy: Tensor, views: ViewGeometry) -> tuple[Tensor, dict[str, Tensor]]:
        transformer = self._parts.transformer
        follow = views.control.get("follow")
        if follow is None:
            follow = self._nothing(noisy)
        layers = len(transformer.config.vace_layers)
        return noisy, {
            "control_hidden_states": follow.to(noisy.device, transformer.dtype),
            "control_hidden_states_scale": torch.full((layers,), self.scale).to(follow),
        }

    def _nothing(self, noisy: Tensor) -> Tensor:
        """Control for windows that follow nothing: an empty video, all of it open."""
        height, width = (cells * self.spec.ratio_s for cells in noisy.shape[3:])
        if self._empty is None:
            black = torch.zeros(3, height, width)
            self._empty = self._follow(black, black, torch.ones(height, width))
        return self._empty.expand(len(noisy), -1, -1, -1, -1)


build = partial(build_from, WanVaceAdapter, "WanVACEPipeline")
