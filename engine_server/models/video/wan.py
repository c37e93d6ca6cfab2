"""Wan 2.1 (1.3B, 14B) and Wan 2.2 A14B, text to video, as the method sees them.

Flow matching over a causal autoencoder: 8x8 pixels and 4 frames a cell, 16 channels. Wan 2.2 A14B
has two experts: one for high noise, the other below a boundary. The other members of the family
(`wan_i2v`, `wan_ti2v`, `wan_vace`) differ in what they give the network beside the latents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapter import Cond, LatentSpec, ViewGeometry
from ..placement import take_turns
from ..tiles import tile_side
from . import ring_rope
from .levels import flow_levels, flow_schedule
from .ring_vae import MARGIN, CausalCodec
from .single import single_denoiser
from .standard import Standard
from .wan_text import WanText, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WanParts:
    """What a folder of Wan weights holds.

    Attributes:
        transformer: The denoiser, of high noise where there are two.
        transformer_2: The denoiser below the boundary.
        vae, scheduler: As the diffusers library has them.
        text: Encodes prompts.
        boundary: Noise level below which the second denoiser works; None where there is one.
        image_encoder, image_processor: CLIP, of Wan 2.1's image to video alone.
    """

    transformer: Any
    vae: Any
    scheduler: Any
    text: WanText
    transformer_2: Any = None
    boundary: float | None = None
    image_encoder: Any = None
    image_processor: Any = None


class WanAdapter:
    """Wan, text to video.

    Args:
        parts: The networks, already where they run.
        window_hw: Cells (height, width) of a window.
        window_frames: Latent frames of a window; 21 are 81 frames to the library.
        fov_deg: Field of view of the views of the first stage.
        fps: Frames a second of the clips it was trained on.
        ghosts: See `ring_vae.CausalCodec`.

    Attributes:
        transformers: The denoisers, for what is put on them (LoRA, offload).
        prediction: What they predict, see `LatentSpec`.
    """

    prediction = "flow"

    def __init__(
        self,
        parts: WanParts,
        *,
        window_hw: tuple[int, int] = (64, 64),
        window_frames: int = 21,
        fov_deg: float = 90.0,
        fps: float = 16.0,
        ghosts: int | None = None,
    ) -> None:
        self._parts = parts
        self._levels = flow_levels(parts.scheduler)
        config = parts.vae.config
        self._standard = Standard.of(config.latents_mean, config.latents_std)
        tile_hw = (tile_side(window_hw[0], MARGIN), tile_side(window_hw[1], MARGIN))
        self._codec = CausalCodec(parts.vae, ghosts=ghosts, tile_hw=tile_hw)
        self.transformers = tuple(
            model for model in (parts.transformer, parts.transformer_2) if model is not None
        )
        for model in self.transformers:
            ring_rope.install(model)
        self._spec = LatentSpec(
            channels=int(config.z_dim),
            ratio_s=self._codec.ratio_s,
            ratio_t=self._codec.ratio_t,
            window_hw=window_hw,
            window_frames=window_frames,
            fov_deg=fov_deg,
            fps=fps,
            prediction=self.prediction,
            patch=int(parts.transformer.config.patch_size[1]),
            can_ring=ring_rope.AXES,
            schedule=flow_schedule(self._levels),
            tile_hw=tile_hw,
        )

    @property
    def autoencoder(self) -> Any:
        """What encodes and decodes, for what places it."""
        return self._codec.vae

    @property
    def spec(self) -> LatentSpec:
        """What its latents are."""
        return self._spec

    def encode_prompt(self, texts: list[str]) -> Cond:
        """Vectors under "text", ``[len(texts), 512, D]``."""
        return Cond(tensors=self._parts.text.encode(texts))

    @torch.inference_mode()
    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """Estimate of x0, ``[N, C, F, h, w]``."""
        noisy = x.to(self._expert(sigma).device, torch.float32)
        flow = self._flow(noisy, sigma, cond, views).float()
        return (noisy - sigma * flow).to(x.device, x.dtype)

    @torch.inference_mode()
    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Latents ``[C, F, h, w]`` of a loop of 4 F pictures, or of one that stands still."""
        return self._standard.enter(self._codec.encode(frames.float(), wraps=wraps))

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """4 F pictures ``[3, H, W]``, -1..1, on the CPU."""
        codes = self._standard.leave(latents.float())
        return self._codec.decode(codes, wraps=wraps, loop=loop)

    @torch.inference_mode()
    def window_latents(self, video: Tensor) -> Tensor:
        """Latents ``[1, C, F, h, w]`` of a window's pictures ``[3, 1 + 4 (F - 1), H, W]``."""
        return self._standard.enter(self._codec.encode_window(video.float()))[None]

    @property
    def window_pictures(self) -> int:
        """Pictures of a window as the library counts them: 1 + 4 (F - 1)."""
        return 1 + self._codec.ratio_t * (self._spec.window_frames - 1)

    @property
    def seam_disagreement(self) -> float:
        """By how much overlapping tiles differed in the last panorama; see `CausalCodec`."""
        return self._codec.disagreement

    def _expert(self, sigma: float) -> Any:
        """The denoiser for a noise level, where it works."""
        chosen = self._chosen(sigma)
        take_turns(self.transformers, chosen)
        return chosen

    def _chosen(self, sigma: float) -> Any:
        boundary = self._parts.boundary
        if boundary is None or self._parts.transformer_2 is None:
            return self._parts.transformer
        limit = boundary * self._parts.scheduler.config.num_train_timesteps
        is_high = self._levels.time(sigma) >= limit
        return self._parts.transformer if is_high else self._parts.transformer_2

    def _times(self, noisy: Tensor, sigma: float, views: ViewGeometry) -> Tensor:
        """What the network is told of the noise level, ``[N]`` or ``[N, tokens]``."""
        return torch.full((len(noisy),), self._levels.time(sigma), device=noisy.device)

    def _beside(self, noisy: Tensor, views: ViewGeometry) -> tuple[Tensor, dict[str, Tensor]]:
        """What the network takes for these windows: its input, and more by name."""
        return noisy, {}

    def _flow(self, noisy: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        model = self._chosen(sigma)
        seen, more = self._beside(noisy, views)
        text = cond.tensors["text"][:1].to(noisy.device, model.dtype)
        with ring_rope.rings_of(model, views.rings):
            return model(
                hidden_states=seen.to(model.dtype),
                timestep=self._times(noisy, sigma, views),
                encoder_hidden_states=text.expand(len(noisy), -1, -1),
                return_dict=False,
                **more,
            )[0]


def build_from(
    kind: Callable[..., Any],
    pipeline: str,
    folder: Path,
    *,
    device: str,
    precision: str,
    prompt_cache: Path | None = None,
    **options: Any,
) -> Any:
    """An adapter of the family over a folder of weights: all its members are built here.

    The autoencoder stays in float32: the library's documentation asks for that. The denoiser below
    the boundary waits in main memory, see `placement`.

    Args:
        kind: Class of the adapter, or what makes it of `WanParts` and options.
        pipeline: Name of the library's pipeline that reads the folder.
        folder, device, precision, prompt_cache, options: See `families`.
    """
    import diffusers
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    kept = {"local_files_only": True, "use_safetensors": True}
    vae = AutoencoderKLWan.from_pretrained(folder, subfolder="vae", dtype=torch.float32, **kept)
    found = getattr(diffusers, pipeline).from_pretrained(
        folder,
        vae=vae,
        text_encoder=None,
        tokenizer=None,
        dtype=dtype,
        **kept,
        **single_denoiser(folder, "transformer", dtype),
    )
    for name in ("transformer", "vae", "image_encoder"):
        if getattr(found, name, None) is not None:
            getattr(found, name).to(device)
    parts = WanParts(
        transformer=found.transformer,
        transformer_2=getattr(found, "transformer_2", None),
        vae=found.vae,
        scheduler=found.scheduler,
        text=text_of(folder, cache=prompt_cache, device=device, dtype=dtype),
        boundary=found.config.get("boundary_ratio"),
        image_encoder=getattr(found, "image_encoder", None),
        image_processor=getattr(found, "image_processor", None),
    )
    return kind(parts, **options)


build = partial(build_from, WanAdapter, "WanPipeline")
