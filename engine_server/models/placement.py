"""Where the parts of a large model lie, as a level of the memory ladder says.

The library does the work: weights kept in 8 bits and widened layer by layer, blocks that come from
main memory while the one before computes. Without a GPU the same calls work, to no use but tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .memory import LEVELS, Level

MAIN_MEMORY = torch.device("cpu")


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
            model.to(MAIN_MEMORY)


def settle(adapter: Any, level: Level, device: str, *, compiles: bool = False) -> None:
    """Bring every part to where it works; may be called again.

    Args:
        adapter: Has `transformers` and `autoencoder`, and may have a small `text_encoder`.
        level: Of the ladder.
        device: As torch names it.
        compiles: Whether the denoisers' repeated blocks are compiled, at levels without hooks.
    """
    adapter.autoencoder.to(device)
    encoder = getattr(adapter, "text_encoder", None)
    if encoder is not None:
        encoder.to(device)
    work = torch.device(device)
    first, *others = adapter.transformers
    for model in others:  # they wait for their turn, see `take_turns`
        _settle_denoiser(model, level, work, MAIN_MEMORY)
    _settle_denoiser(first, level, work, work)
    if compiles and not (level.is_offloaded or level.is_float8):
        _compile(adapter.transformers)


def take_turns(models: Sequence[Any], chosen: Any) -> None:
    """Bring the denoiser that works now to where another lies, and that one to main memory.

    So no two experts lie on a device together. Noise falls, so they change places once a job.
    """
    for model in models:
        place = model.device
        if model is chosen or place == MAIN_MEMORY or _level_of(model).is_offloaded:
            continue
        model.to(MAIN_MEMORY)
        chosen.to(place)


def _compile(models: Sequence[Any]) -> None:
    """Compile the blocks of which a denoiser has many; a network without such is left as it is."""
    for model in models:
        if getattr(model, "_repeated_blocks", None) and not hasattr(model, "panoloom_compiled"):
            model.compile_repeated_blocks(fullgraph=True)
            model.panoloom_compiled = True


def _level_of(model: Any) -> Level:
    """The level whose hooks are on a denoiser."""
    return getattr(model, "panoloom_level", LEVELS[0])


def _settle_denoiser(model: Any, level: Level, device: torch.device, place: torch.device) -> None:
    if _level_of(model) != level:  # hooks are put on once
        if level.is_float8:
            model.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=model.dtype
            )
        if level.is_offloaded:
            model.enable_group_offload(
                onload_device=device,
                offload_device=MAIN_MEMORY,
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=device.type == "cuda",
            )
        model.panoloom_level = level
    if not level.is_offloaded:
        model.to(place)
