"""Wan 2.1 and 2.2 image to video: every window grows out of what its view sees of a reference.

The network takes, beside the noisy latents, 16 channels of a video whose first frame is the picture
and whose others are empty, and 4 channels that say which frames are given; Wan 2.1 also takes the
picture as CLIP sees it. Each window is told the picture as its own first frame, as the model was
trained. In a loop that first latent is never the window's own, so the picture leads and is not
pasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....shared.errors import InvalidJob
from ..adapter import ViewGeometry, WindowPictures
from .wan import WanAdapter, build_from


class WanI2vAdapter(WanAdapter):
    """Wan, image to video; see `WanAdapter`."""

    needs_picture = True

    @torch.inference_mode()
    def view_control(self, shown: WindowPictures) -> Mapping[str, Tensor]:
        """The picture as the network takes it; see `adapter.Shown`."""
        picture = shown.picture
        if picture is None:
            return {}
        video = torch.zeros(3, self.window_pictures, *picture.shape[1:])
        video[:, 0] = picture
        latents = self.window_latents(video)
        given = torch.zeros(1, self.spec.ratio_t, *latents.shape[2:])
        given[:, :, 0] = 1.0
        control = {"beside": torch.cat((given, latents), dim=1)}
        if self._parts.image_encoder is not None:
            control["image"] = self._seen_by_clip(picture)
        return control

    def _seen_by_clip(self, picture: Tensor) -> Tensor:
        pixels = ((picture.movedim(0, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        shown = Image.fromarray(np.asarray(pixels.cpu()))
        inputs = self._parts.image_processor(images=shown, return_tensors="pt")
        encoder = self._parts.image_encoder
        values = inputs["pixel_values"].to(encoder.device, encoder.dtype)
        return encoder(values, output_hidden_states=True).hidden_states[-2].cpu()

    def _beside(self, noisy: Tensor, views: ViewGeometry) -> tuple[Tensor, dict[str, Tensor]]:
        if "beside" not in views.control:
            raise InvalidJob(
                "This model brings a picture to life: give it a reference panorama, or take a "
                "model that needs none, such as wan-1.3b.",
                field="reference",
            )
        seen = torch.cat((noisy, views.control["beside"].to(noisy)), dim=1)
        more = {}
        if "image" in views.control:
            dtype = self._parts.transformer.dtype
            more["encoder_hidden_states_image"] = views.control["image"].to(noisy.device, dtype)
        return seen, more


build = partial(build_from, WanI2vAdapter, "WanImageToVideoPipeline")
