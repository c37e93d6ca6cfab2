"""Drawing plain perspective samples: to look at while training, and in tests."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..example_prompts import EXAMPLE_PROMPTS
from . import light
from .autoencoder import Autoencoder
from .dataset import CELLS, azimuth, elevation
from .denoiser import Denoiser
from .text import TOKENS, pad_tokens, tokenize_prompt

PROMPTS = (*EXAMPLE_PROMPTS, "blue sea by day", "lava", "grey rain over hills", "")


@torch.no_grad()
def sample_views(
    model: Denoiser,
    prompt: str,
    pitch_deg: list[float],
    *,
    frames: int = 1,
    steps: int = 16,
    guidance_scale: float = 3.0,
    shift: float = 2.0,
    fov_deg: float = 90.0,
    yaw_deg: float = 0.0,
    seed: int = 0,
) -> Tensor:
    """Latents of views with these pitches, [N, C, F, 16, 16], by Euler steps.

    yaw_deg is counted from the sun or moon that the prompt implies.
    """
    count = len(pitch_deg)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, frames, CELLS, CELLS, generator=generator)
    fov = torch.full((count,), fov_deg)
    height = elevation(torch.tensor(pitch_deg), fov)
    ids = tokenize_prompt(prompt)[0]
    text = model.text(pad_tokens([ids, []]))
    across = azimuth(torch.full((count,), yaw_deg), torch.tensor(pitch_deg), fov)
    pitch = torch.full((count,), light.pitch_for({TOKENS[i - 1] for i in ids}))
    lit = light.light_channels(across, height, torch.zeros(count), pitch)
    dark = light.light_channels(across, height, torch.zeros(count), pitch * light.UNTOLD)
    text = text.repeat_interleave(count, dim=0)
    line = torch.linspace(1.0, 0.0, steps + 1)
    sigmas = shift * line / (1.0 + (shift - 1.0) * line)
    told = torch.ones(2 * count)
    for here, there in pairwise(sigmas.tolist()):
        level = torch.full((2 * count,), here)
        both = model(
            x.repeat(2, 1, 1, 1, 1),
            level,
            text,
            height.repeat(2, 1, 1),
            fov.repeat(2),
            told,
            torch.cat((lit, dark)),
        )
        cond, uncond = both.chunk(2)
        x = x + (there - here) * (uncond + guidance_scale * (cond - uncond))
    return x


@torch.no_grad()
def contact_sheet(
    model: Denoiser, autoencoder: Autoencoder, path: Path, frames: int, seed: int
) -> None:
    """All prompts as rows; views up, ahead and down, or frames of one view ahead."""
    rows = []
    for prompt in PROMPTS:
        pitches = [5.0, -5.0, 15.0, 50.0, 85.0, -35.0, -80.0] if frames == 1 else [8.0]
        latents = sample_views(model, prompt, pitches, frames=frames, seed=seed)
        flat = latents.transpose(1, 2).flatten(0, 1)
        pictures = autoencoder.decode(flat).clamp(-1, 1)
        rows.append(torch.cat(list(pictures), dim=-1))
    sheet = ((torch.cat(rows, dim=-2) + 1.0) * 127.5).round().to(torch.uint8)
    Image.fromarray(sheet.permute(1, 2, 0).numpy()).save(path)
