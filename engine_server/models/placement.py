"""Where the parts of a large model lie, as a level of the memory ladder says.

The library does the work: weights kept in 8 bits and widened layer by layer, blocks that come from
main memory while the one before computes. Without a GPU the same calls work, to no use but tests.
"""

from __future__ import annotations

from typing import Any

import torch

from .memory import LEVELS, Level


def build_device(level: Level, device: str) -> str:
    """Where an adapter is built: on the device if its text encoder may run there."""
    return "cpu" if level.encoder == "cpu" else device


def park(adapter: Any, level: Level, device: str) -> None:
    """Before prompts and pictures are read: the autoencoder to its place, the denoisers out of the
    text encoder's way where the two are not to meet.
    """
    adapter.autoencoder.to(device)
    if level.encoder == "first":
        for model in adapter.transformers:
            model.to("cpu")


def settle(adapter: Any, level: Level, device: str) -> None:
    """Bring every part to where it works; may be called again.

    Args:
        adapter: Has `transformers` and `autoencoder`, and may have a small `text_encoder`.
        level: Of the ladder.
        device: As torch names it.
    """
    adapter.autoencoder.to(device)
    encoder = getattr(adapter, "text_encoder", None)
    if encoder is not None:
        encoder.to(device)
    for model in adapter.transformers:
        _settle_denoiser(model, level, torch.device(device))


def _settle_denoiser(model: Any, level: Level, device: torch.device) -> None:
    if getattr(model, "panoloom_level", LEVELS[0].name) != LEVELS[0].name:
        return  # its hooks are on it already
    if level.is_float8:
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=model.dtype)
    if level.is_offloaded:
        model.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    else:
        model.to(device)
    if level.is_float8 or level.is_offloaded:
        model.panoloom_level = level.name
