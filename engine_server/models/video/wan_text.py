"""Wan's text encoder: loaded when there are new prompts, run once, and let go.

Five billion weights encode a prompt that the denoiser then sees thousands of times, so they never
stay beside it. The library's own pipeline does the encoding: prompts are cleaned, cut and filled up
as the model was trained.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .prompts import PromptCache

MAX_TOKENS = 512


class WanText:
    """Prompts to vectors.

    Args:
        load: Makes a pipeline of the diffusers library with tokenizer and text encoder.
        cache: Where encoded prompts are kept.
    """

    def __init__(self, load: Callable[[], Any], cache: PromptCache) -> None:
        self._load = load
        self._cache = cache

    def encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Vectors under "text", ``[len(texts), 512, D]``, on the CPU."""
        return self._cache.encode(texts, self._encode)

    @torch.inference_mode()
    def _encode(self, texts: list[str]) -> Mapping[str, Tensor]:
        pipeline = self._load()
        vectors, _ = pipeline.encode_prompt(
            texts, do_classifier_free_guidance=False, max_sequence_length=MAX_TOKENS
        )
        del pipeline
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return {"text": vectors}


def text_of(folder: Path, *, cache: Path | None, device: str, dtype: torch.dtype) -> WanText:
    """The text encoder in a folder of weights as the diffusers library lays them out."""

    def load() -> Any:
        from diffusers.pipelines.wan.pipeline_wan import WanPipeline

        pipeline = WanPipeline.from_pretrained(
            folder,
            transformer=None,
            transformer_2=None,
            vae=None,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
        )
        return pipeline.to(device)

    sizes = sorted((f.name, f.stat().st_size) for f in (folder / "text_encoder").iterdir())
    return WanText(load, PromptCache(cache, key=f"umt5 {MAX_TOKENS} {dtype} {sizes}"))
