"""LTX-Video 0.9: flow matching over a deep autoencoder, 32x32 pixels and 8 frames a cell.

Cells are single tokens of 128 channels; their places are told in seconds and pixels, so the frame
rate matters. The levels are shifted by how many tokens a window has, which is always the same.
Versions from 0.9.1 on have a decoder that is told a noise level: `ltx_codec`. From 0.9.5 on
(`LTXConditionPipeline`) levels fall first evenly, then faster, and the first latent, which stands
for one frame, has the time of that frame.

Source: LTX-Video (HaCohen et al. 2024). In one window it equals the pipelines of the diffusers
library: `tests/models/video/test_ltx.py`.
"""

from __future__ import annotations

import copy
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..adapter import Cond, LatentSpec, Schedule, ViewGeometry, WindowPictures
from . import ltx_rope
from .levels import flow_levels, flow_schedule
from .ltx_codec import LtxCodec
from .prompts import PromptCache
from .ring_rope import rings_of
from .single import single_denoiser
from .standard import Standard

MAX_TOKENS = 128
RINGS = ("time", "width")


class LtxAdapter:
    """LTX, text to video, and a given picture that stays where its tokens are told no noise.

    `ViewGeometry.control` may hold "given", latents ``[N, C, 1, h, w]`` that the first latent frame
    of every window is held to.

    Args:
        transformer, scheduler: As the diffusers library has them, where they run.
        codec: The autoencoder.
        load_text: Makes a pipeline of the library with tokenizer and text encoder; it is let go
            when the prompts are encoded.
        window_hw: Cells (height, width) of a window.
        window_frames: Latent frames of a window.
        fov_deg: Field of view of the views of the first stage.
        fps: Frames a second; the network is told.
        is_conditioned: Whether it is version 0.9.5 or later.
        prompts: Keeps encoded prompts.

    Attributes:
        transformers: The denoiser, for what is put on it (LoRA, offload).
    """

    def __init__(
        self,
        *,
        transformer: Any,
        scheduler: Any,
        codec: LtxCodec,
        load_text: Callable[[], Any],
        window_hw: tuple[int, int] = (16, 16),
        window_frames: int = 10,
        fov_deg: float = 90.0,
        fps: float = 24.0,
        is_conditioned: bool = False,
        prompts: PromptCache | None = None,
    ) -> None:
        self.transformers, self._codec = (transformer,), codec
        self._load_text, self._is_conditioned = load_text, is_conditioned
        self._prompts = PromptCache(None, "") if prompts is None else prompts
        ltx_rope.install(transformer)
        vae = codec.vae
        self._standard = Standard.of(vae.latents_mean, vae.latents_std / vae.config.scaling_factor)
        self._spec = LatentSpec(
            channels=int(transformer.config.in_channels),
            ratio_s=codec.ratio_s,
            ratio_t=codec.ratio_t,
            window_hw=window_hw,
            window_frames=window_frames,
            fov_deg=fov_deg,
            fps=fps,
            prediction="flow",
            can_ring=RINGS,
            schedule=(
                linear_quadratic(scheduler)
                if is_conditioned
                else schedule_of(scheduler, tokens=window_frames * window_hw[0] * window_hw[1])
            ),
            tile_hw=codec.tile_hw,
        )
        self._train_times = scheduler.config.num_train_timesteps

    @property
    def autoencoder(self) -> Any:
        """What encodes and decodes, for what places it."""
        return self._codec.vae

    @property
    def seam_disagreement(self) -> float:
        """By how much overlapping tiles differed in the last panorama; see `CausalCodec`."""
        return self._codec.disagreement

    needs_picture = False

    @property
    def spec(self) -> LatentSpec:
        """What its latents are."""
        return self._spec

    def encode_prompt(self, texts: list[str]) -> Cond:
        """Vectors under "text", ``[len(texts), 128, D]``; under "mask" which of them are words."""
        return Cond(tensors=self._prompts.encode(texts, self._encode_texts))

    def view_control(self, shown: WindowPictures) -> Mapping[str, Tensor]:
        """What a window is held to by its picture; see `adapter.Shown`."""
        if shown.picture is None:
            return {}
        return {"given": self._standard.enter(self._codec.encode_first(shown.picture))[None]}

    @torch.inference_mode()
    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """Estimate of x0, ``[N, C, F, h, w]``."""
        (model,) = self.transformers
        noisy = x.to(model.device, torch.float32)
        seen, times = self._beside(noisy, sigma, views)
        count, _, frames, height, width = noisy.shape
        ratio = self._spec.ratio_s
        text, mask = (cond.tensors[name][:1].to(model.device) for name in ("text", "mask"))
        with rings_of(model, views.rings):
            tokens = model(
                hidden_states=seen.flatten(2).transpose(1, 2).to(model.dtype),
                encoder_hidden_states=text.to(model.dtype).expand(count, -1, -1),
                timestep=times,
                encoder_attention_mask=mask.expand(count, -1),
                num_frames=frames,
                height=height,
                width=width,
                rope_interpolation_scale=(self._spec.ratio_t / self._spec.fps, ratio, ratio),
                video_coords=self._places(noisy) if self._is_conditioned else None,
                return_dict=False,
            )[0]
        flow = tokens.float().transpose(1, 2).reshape(noisy.shape)
        made = noisy - sigma * flow
        if "given" in views.control:
            made[:, :, :1] = seen[:, :, :1]
        return made.to(x.device, x.dtype)

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Latents ``[C, F, h, w]`` of a loop of 8 F pictures, or of one that stands still."""
        return self._standard.enter(self._codec.encode(frames.float(), wraps=wraps))

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """8 F pictures ``[3, H, W]``, -1..1, on the CPU."""
        codes = self._standard.leave(latents.float())
        return self._codec.decode(codes, wraps=wraps, loop=loop)

    def _beside(self, noisy: Tensor, sigma: float, views: ViewGeometry) -> tuple[Tensor, Tensor]:
        """The network's input, and the noise it is told: ``[N]``, or of every token."""
        count, _, frames, height, width = noisy.shape
        time = sigma * self._train_times
        given = views.control.get("given")
        if given is None:
            return noisy, torch.full((count,), time, device=noisy.device)
        times = torch.full((count, frames, height * width), time, device=noisy.device)
        times[:, 0] = 0.0
        return torch.cat((given.to(noisy), noisy[:, :, 1:]), dim=2), times.flatten(1)

    def _places(self, noisy: Tensor) -> Tensor:
        """Where tokens lie, ``[N, 3, tokens]``: seconds, and pixels down and across."""
        count, _, frames, height, width = noisy.shape
        spec = self._spec
        seconds = (torch.arange(frames) * spec.ratio_t + 1 - spec.ratio_t).clamp(min=0) / spec.fps
        down, across = (torch.arange(side) * float(spec.ratio_s) for side in (height, width))
        places = torch.stack(torch.meshgrid(seconds, down, across, indexing="ij")).flatten(1)
        return places.to(noisy.device).expand(count, -1, -1)

    @torch.inference_mode()
    def _encode_texts(self, texts: list[str]) -> Mapping[str, Tensor]:
        pipeline = self._load_text()
        text, mask, _, _ = pipeline.encode_prompt(
            texts, do_classifier_free_guidance=False, max_sequence_length=MAX_TOKENS
        )
        del pipeline
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return {"text": text, "mask": mask}


def schedule_of(scheduler: Any, *, tokens: int) -> Schedule:
    """Levels of windows of so many tokens, as the library's pipeline has them.

    Raises:
        InvalidJob: The scheduler steps in a way that is not known.
    """
    config = scheduler.config
    few, many = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    mu = low + (tokens - few) * (high - low) / (many - few)

    def levels(num_steps: int) -> tuple[float, ...]:
        own = copy.deepcopy(scheduler)
        own.set_timesteps(sigmas=np.linspace(1.0, 1 / num_steps, num_steps), mu=mu)
        return tuple(float(sigma) for sigma in own.sigmas)

    known = flow_schedule(flow_levels(scheduler))
    return Schedule(solver=known.solver, levels=levels)


def linear_quadratic(scheduler: Any) -> Schedule:
    """Levels of versions from 0.9.5 on.

    Raises:
        InvalidJob: The scheduler steps in a way that is not known.
    """
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    def levels(num_steps: int) -> tuple[float, ...]:
        own = copy.deepcopy(scheduler)
        times = linear_quadratic_schedule(num_steps) * own.config.num_train_timesteps
        own.set_timesteps(timesteps=times.tolist())
        return tuple(float(sigma) for sigma in own.sigmas)

    return Schedule(solver=flow_schedule(flow_levels(scheduler)).solver, levels=levels)


def build(
    folder: Path,
    *,
    device: str,
    precision: str,
    prompt_cache: Path | None = None,
    codec: Mapping[str, Any] | None = None,
    **options: Any,
) -> LtxAdapter:
    """The adapter over the weights in `folder`; see `families`.

    `codec` are settings of `LtxCodec`, such as `context`.
    """
    from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline

    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    kept = {"local_files_only": True, "use_safetensors": True, "dtype": dtype}
    parts = single_denoiser(folder, "transformer", dtype)
    found = LTXPipeline.from_pretrained(folder, text_encoder=None, tokenizer=None, **kept, **parts)
    found.to(device)

    def load_text() -> Any:
        return LTXPipeline.from_pretrained(folder, vae=None, transformer=None, **kept).to(device)

    sizes = sorted((f.name, f.stat().st_size) for f in (folder / "text_encoder").iterdir())
    return LtxAdapter(
        transformer=found.transformer,
        scheduler=found.scheduler,
        codec=LtxCodec(vae=found.vae, **(codec or {})),
        load_text=load_text,
        is_conditioned=_class_of(folder) == "LTXConditionPipeline",
        prompts=PromptCache(prompt_cache, key=f"t5 {MAX_TOKENS} {dtype} {sizes}"),
        **options,
    )


def _class_of(folder: Path) -> str:
    """The pipeline of the library that the weights in `folder` were written for."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return str(index.get("_class_name", ""))
