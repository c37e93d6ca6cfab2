"""AnimateDiff on Stable Diffusion 1.5: noise prediction, 16 frames of 512x512, no coding of time.

Every frame has its own latents, so a loop is exact without further ado: the windows in time move
round the ring, and each frame is decoded by itself.

Source: AnimateDiff (Guo et al. 2023). In one window it equals the pipeline of the diffusers
library: `tests/models/video/test_animatediff.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import MotionAdapter
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from ....shared.errors import InvalidJob
from ..adapter import Cond, LatentSpec, ViewGeometry
from ..tiles import decode_in_tiles, encode_in_tiles, tile_side
from .prompts import PromptCache
from .single import single_denoiser
from .variance_preserving import VarianceNoise, schedule_of

MARGIN = 8
"""Cells coded beyond seam, poles and tiles. Attention in the middle of the autoencoder sees a whole
tile, so that no margin makes tiles fit to the last bit."""

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "timestep_spacing": "trailing",
}
"""What the motion layers were trained with; trailing, because a run starts from pure noise."""


class AnimateDiffAdapter:
    """A motion network as a denoiser of windows.

    Args:
        pipeline: The library's pipeline, on its device.
        window_hw: Cells (height, width) of a window.
        window_frames: Frames of a window.
        fov_deg: Field of view of the views on the first stage.
        fps: Frames a second that the motion layers were trained with.

    Attributes:
        transformers: The network that takes the noise away, for what is put on it (LoRA, offload).
        text_encoder: Small enough to stay; LoRAs may change it, so prompts are not kept on disk.

    Raises:
        InvalidJob: The motion layers know fewer frames, or the scheduler cannot step a panorama.
    """

    def __init__(
        self,
        pipeline: AnimateDiffPipeline,
        *,
        window_hw: tuple[int, int] = (64, 64),
        window_frames: int = 16,
        fov_deg: float = 90.0,
        fps: float = 8.0,
    ) -> None:
        self._pipeline = pipeline
        self._unet = pipeline.unet
        self.transformers = (pipeline.unet,)
        self.text_encoder = pipeline.text_encoder
        self._prompts = PromptCache(None, "")
        self._process = VarianceNoise.of(pipeline.scheduler)
        most = self._unet.config.motion_max_seq_length
        if window_frames > most:
            raise InvalidJob(
                f"A window of {window_frames} frames is longer than the {most} that the motion "
                f"layers know; take at most {most}.",
                field="model",
                nearest=most,
            )
        self._spec = LatentSpec(
            channels=self._unet.config.in_channels,
            ratio_s=pipeline.vae_scale_factor,
            ratio_t=1,
            window_hw=window_hw,
            window_frames=window_frames,
            fov_deg=fov_deg,
            fps=fps,
            prediction=self._process.prediction,
            schedule=schedule_of(pipeline.scheduler),
            tile_hw=(tile_side(window_hw[0], MARGIN), tile_side(window_hw[1], MARGIN)),
        )

    @property
    def autoencoder(self) -> Any:
        """What encodes and decodes, for what places it."""
        return self._pipeline.vae

    @property
    def spec(self) -> LatentSpec:
        """What its latents are."""
        return self._spec

    def encode_prompt(self, texts: list[str]) -> Cond:
        """CLIP's last hidden states under "text", [len(texts), 77, 768]; tells of cut words."""
        cut = [words for text in texts if (words := self._cut(text))]
        notes = tuple(f"The text encoder takes no more words; left out: {words}." for words in cut)
        return Cond(tensors=self._prompts.encode(texts, self._encode_texts), notes=notes)

    @torch.inference_mode()
    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """Estimate of x0, [N, C, F, h, w]."""
        windows, _, frames, _, _ = x.shape
        unet, process = self._unet, self._process
        text = cond.tensors["text"][:1].to(unet.device, unet.dtype)
        output = unet(
            (x.to(unet.device) * process.scale(sigma)).to(unet.dtype),
            torch.tensor(process.timestep(sigma), device=unet.device),
            encoder_hidden_states=text.expand(windows * frames, -1, -1),
        ).sample
        return process.denoised(x, output.to(x.device, x.dtype), sigma)

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Latents [C, F, h, w] of pictures [F, 3, H, W], frame by frame; a panorama in tiles."""
        if not wraps:
            return torch.stack([self._cells(frame) for frame in frames], dim=1)
        codes = [encode_in_tiles(frame, self._cells, **self._tiling) for frame in frames]
        return torch.stack(codes, dim=1).to(frames.device)

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """Pictures [3, H, W] of latents [C, F, h, w], each by itself; a panorama in tiles."""
        for cells in latents.unbind(1):
            if wraps:
                yield decode_in_tiles(cells, self._picture, **self._tiling)
            else:
                yield self._picture(cells)

    @property
    def _tiling(self) -> dict[str, Any]:
        return {"ratio": self._spec.ratio_s, "margin": MARGIN, "tile_hw": self._spec.tile_hw}

    @torch.inference_mode()
    def _cells(self, picture: Tensor) -> Tensor:
        vae = self._pipeline.vae
        code = vae.encode(picture[None].to(vae.device, vae.dtype)).latent_dist.mode()[0]
        return (code * vae.config.scaling_factor).to(picture.device, torch.float32)

    @torch.inference_mode()
    def _picture(self, cells: Tensor) -> Tensor:
        vae = self._pipeline.vae
        cells = (cells / vae.config.scaling_factor).to(vae.device, vae.dtype)
        return vae.decode(cells[None]).sample[0].float().clamp(-1.0, 1.0)

    @torch.inference_mode()
    def _encode_texts(self, texts: list[str]) -> dict[str, Tensor]:
        embeds, _ = self._pipeline.encode_prompt(texts, self.text_encoder.device, 1, False)
        return {"text": embeds}

    def _cut(self, text: str) -> str:
        """The words of a prompt that the text encoder does not take."""
        tokenizer = self._pipeline.tokenizer
        ids = tokenizer(text, truncation=False).input_ids
        return tokenizer.decode(ids[tokenizer.model_max_length - 1 : -1])


def build(
    folder: Path, *, device: str, precision: str, prompt_cache: Path | None = None, **options: Any
) -> AnimateDiffAdapter:
    """The adapter over a folder: Stable Diffusion 1.5 and `motion_adapter/`; see `families`."""
    del prompt_cache  # see `AnimateDiffAdapter.text_encoder`
    dtype = getattr(torch, precision)
    kept = {"use_safetensors": True, "local_files_only": True, "dtype": dtype}
    motion = MotionAdapter.from_pretrained(folder / "motion_adapter", **kept)
    parts = single_denoiser(folder, "unet", dtype)
    pipeline = AnimateDiffPipeline.from_pretrained(
        folder, motion_adapter=motion, feature_extractor=None, image_encoder=None, **kept, **parts
    )
    pipeline.scheduler = DPMSolverMultistepScheduler(**SCHEDULE)
    pipeline.vae.to(torch.float32)
    return AnimateDiffAdapter(pipeline.to(device), **options)
