"""Folders of weights of every family as the diffusers library lays them out, and cards for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import tiny
import tiny_pipelines
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanVACEPipeline

from panoloom.engine_server.models.card import Build, ModelCard
from panoloom.engine_server.models.ladder import Pace, Rung
from panoloom.engine_server.models.video import rgb

WIDTH, HEIGHT = 256, 128
RED = torch.tensor([1.0, -1.0, -1.0])
BUILD = Build(
    encoder_params=10**6,
    denoiser_params=10**6,
    decoder_params=10**6,
    evaluation_bytes=10**6,
    decode_bytes=10**6,
    evaluation_tflop=0.001,
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A tiny model of a family.

    Attributes:
        name: In `video.families`.
        stock: Makes the library's pipeline.
        ratio_s, ratio_t, frames, fps, channels, cells: Of its latents and windows.
        options: More for `build`.
        takes: See `ModelCard`.
        guidance: Of a job.
    """

    name: str
    stock: Callable[[], Any]
    ratio_s: int = 8
    ratio_t: int = 4
    frames: int = 2
    fps: float = 16.0
    channels: int = 16
    cells: int = 8
    options: Mapping[str, Any] = field(default_factory=lambda: {"ghosts": 1})
    takes: tuple[str, ...] = ("ring-rope",)
    guidance: float = 2.0


def wan(kind: Any = WanPipeline, *, more: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    """A pipeline of Wan over tiny parts with the scheduler that it ships with."""
    parts = tiny.wan_parts("unipc", **changes)
    return kind(
        tokenizer=tiny_pipelines.word_tokenizer(512),
        text_encoder=tiny.umt5_encoder(),
        vae=parts.vae,
        scheduler=parts.scheduler,
        transformer=parts.transformer,
        **(more or {}),
    )


def _anyflow() -> Any:
    stock = tiny_pipelines.anyflow()
    stock.register_modules(tokenizer=tiny_pipelines.word_tokenizer(512))
    return stock


FAMILIES = {
    "animatediff": Family(
        name="animatediff",
        stock=tiny_pipelines.animatediff,
        ratio_t=1,
        frames=4,
        fps=8.0,
        channels=4,
        options={},
        takes=(),
    ),
    "wan": Family(name="wan", stock=wan),
    "wan-a14b": Family(
        name="wan",
        stock=lambda: wan(more={"transformer_2": tiny.wan_transformer(9), "boundary_ratio": 0.875}),
    ),
    "wan-i2v": Family(
        name="wan-i2v",
        stock=lambda: wan(
            WanImageToVideoPipeline,
            transformer=tiny.wan_transformer(in_channels=36, image_dim=4),
            more={"image_encoder": tiny.clip_vision(), "image_processor": tiny.clip_processor()},
        ),
        takes=("ring-rope", "image"),
    ),
    "wan-ti2v": Family(
        name="wan-ti2v",
        stock=lambda: wan(
            vae=tiny.wan_vae_22(),
            transformer=tiny.wan_transformer(in_channels=48, out_channels=48),
            more={"expand_timesteps": True},
        ),
        ratio_s=16,
        channels=48,
        cells=4,
        takes=("ring-rope", "image"),
    ),
    "wan-vace": Family(
        name="wan-vace",
        stock=lambda: wan(WanVACEPipeline, transformer=tiny.wan_vace_transformer()),
        takes=("ring-rope", "image", "control"),
    ),
    "anyflow": Family(name="anyflow", stock=_anyflow, guidance=1.0),
    "ltx": Family(
        name="ltx",
        stock=tiny_pipelines.ltx,
        ratio_t=8,
        fps=24.0,
        channels=8,
        options={"codec": {"context": 1, "chunk": 2}},
        takes=("ring-rope", "image"),
    ),
}


def folder_of(family: Family, folder: Path) -> Path:
    """A folder of its weights; a quick look at it is red."""
    stock = family.stock()
    stock.save_pretrained(folder, safe_serialization=True)
    if family.name == "animatediff":
        stock.unet.save_motion_modules(folder / "motion_adapter")
    # a model that ships is known by the weights at its root
    safetensors.torch.save_file({"none": torch.zeros(1)}, folder / "root.safetensors")
    rgb.LinearRgb(torch.zeros(3, family.channels), RED).save(folder / rgb.FILE_NAME)
    return folder


def card_of(family: Family, folder: Path, **changes: Any) -> ModelCard:
    """Its card, with one size and windows of a quarter turn."""
    window = {"window_hw": (family.cells, family.cells), "window_frames": family.frames}
    rung = Rung(
        width=WIDTH, height=HEIGHT, grid_width=WIDTH, grid_height=HEIGHT, fov_deg=90.0, views=12
    )
    facts = {
        "name": "tiny",
        "folder": folder,
        "family": family.name,
        "ratio_s": family.ratio_s,
        "ratio_t": family.ratio_t,
        "fps": family.fps,
        "window": family.cells,
        "window_frames": family.frames,
        "options": {**window, "fps": family.fps, **family.options},
        "methods": ("fused", "planar", "whole"),
        "ladder": (rung,),
        "max_seconds": 30.0,
        "sigma_shift": 1.0,
        "pace": Pace(evaluation_s=1.0, megapixel_s=1.0, start_s=1.0),
        "takes": family.takes,
        "build": BUILD,
    }
    return ModelCard(**{**facts, **changes})
