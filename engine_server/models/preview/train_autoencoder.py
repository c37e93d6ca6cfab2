"""Training of the frame autoencoder: a number of steps, each drawn from (seed, step) alone."""

from __future__ import annotations

import math
import time
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from .autoencoder import Autoencoder, inside, picture_loss, random_affine, warp
from .checkpoint import load_state, note, save_state
from .dataset import draw_look, render, to_signed
from .muon import Muon, split_parameters


def frames_for(seed: int, count: int, run: Path) -> torch.Tensor:
    """Single rendered frames, uint8 [count, 3, 128, 128], kept in a file of the run."""
    path = run / f"frames-{seed}-{count}.safetensors"
    if path.exists():
        return load_state(path)["frames"]
    rng = Random(seed)
    frames = torch.cat([render(draw_look(rng), 1) for _ in range(count)])
    save_state(path, {"frames": frames})
    return frames


def psnr_of(model: Autoencoder, frames: torch.Tensor) -> float:
    """Mean PSNR in dB of the round trip of uint8 frames."""
    with torch.no_grad():
        wanted = to_signed(frames)
        made = torch.cat([model.decode(model.encode(part)) for part in wanted.split(16)]).clamp(
            -1, 1
        )
        error = ((made - wanted) ** 2).mean(dim=(1, 2, 3)).clamp(min=1e-8)
        return float((10.0 * torch.log10(4.0 / error)).mean())


def resumed(path: Path, parts: dict[str, Any]) -> int:
    """Step of the run's checkpoint, whose `parts` are loaded from it; 0 where there is none."""
    if not path.exists():
        return 0
    saved = load_state(path)
    for name, thing in parts.items():
        thing.load_state_dict(saved[name])
    return saved["step"]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def _losses(
    model: Autoencoder, picked: Tensor, generator: torch.Generator, *, warped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Raw latents of a batch of frames in -1..1, loss of the pictures, and of the spread."""
    raw = model.encoder(picked)
    mean, variance = raw.mean(dim=(0, 2, 3)), raw.var(dim=(0, 2, 3))
    spread = 0.02 * ((variance - 1.0) ** 2).mean() + 0.02 * mean.square().mean()
    noisy = raw + 0.06 * torch.randn(raw.shape, generator=generator)
    wanted, mask = picked, torch.ones_like(picked[:, :1])
    if warped:
        matrix = random_affine(len(picked), generator)
        noisy, wanted = warp(noisy, matrix), warp(picked, matrix)
        mask = inside(matrix, picked.shape[-1])
    return raw, picture_loss(model.decoder(noisy), wanted, mask), spread


def train_autoencoder(
    run: Path, steps: int, seed: int = 1, num_frames: int = 3000, batch: int = 8
) -> Autoencoder:
    """Train from scratch or from the run's checkpoint; the statistics are set at the end."""
    torch.manual_seed(seed)
    frames, held = (
        frames_for(seed, num_frames, run),
        frames_for(seed + 10_000, min(96, num_frames), run),
    )
    model = Autoencoder()
    inner, rest = split_parameters(model, ("encoder.1.", "encoder.8", "decoder.0.", "decoder.13"))
    muon, adam = (
        Muon(inner, lr=0.01),
        torch.optim.AdamW(rest, lr=1.5e-3, betas=(0.9, 0.99), weight_decay=0.0),
    )
    path, log = run / "autoencoder.safetensors", run / "autoencoder.log"
    parts = {"model": model, "muon": muon, "adam": adam}

    def save(step: int) -> None:
        state = {name: thing.state_dict() for name, thing in parts.items()}
        save_state(path, {**state, "step": step})

    last_save = time.monotonic()
    for step in range(resumed(path, parts), steps):
        generator = step_generator(seed, step)
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps))
        rate = min(1.0, (step + 1) / 60) * (0.02 + 0.98 * cosine)
        muon.param_groups[0]["lr"], adam.param_groups[0]["lr"] = 0.01 * rate, 1.5e-3 * rate
        picked = to_signed(frames[torch.randint(len(frames), (batch,), generator=generator)])
        raw, loss, spread = _losses(model, picked, generator, warped=bool(step % 2))
        (loss + spread).backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for optimiser in (muon, adam):
            optimiser.step()
            optimiser.zero_grad()
        if step % 50 == 0:
            model.set_statistics(raw.detach())
            db = psnr_of(model, held[:16])
            note(log, f"{step} of {steps} loss {loss.item():.4f} psnr {db:.2f}")
        if time.monotonic() - last_save > 120:
            save(step + 1)
            last_save = time.monotonic()
    with torch.no_grad():
        sample = frames[:256]
        model.set_statistics(torch.cat([model.encoder(to_signed(p)) for p in sample.split(32)]))
    save(steps)
    note(log, f"{steps} end psnr held out {psnr_of(model, held):.2f}")
    return model
