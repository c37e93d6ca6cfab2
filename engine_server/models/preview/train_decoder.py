"""A second training of the decoder alone, for the two ways in which its latents reach it.

Finished pictures are decoded view by view, as the denoiser painted them. Previews, and methods that
keep no views, are decoded from a panorama's grid, half as dense again, and brought down to size
afterwards. So the encoder stays as it is; most steps decode its latents straight, one in six reads
them onto such a grid, turned at random, and the decoded picture has to equal the turned frame.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .autoencoder import Autoencoder, inside, picture_loss, random_affine, warp
from .checkpoint import load_autoencoder, note, save_state
from .dataset import to_signed
from .muon import Muon, split_parameters
from .train_autoencoder import frames_for, psnr_of, resumed, step_generator

DENSER = 1.5
DENSE_EVERY = 6
MUON_RATE, ADAM_RATE = 0.005, 7e-4


def denser_picture(model: Autoencoder, latents: Tensor, matrix: Tensor) -> Tensor:
    """Decode latents read through `matrix` on the denser grid, at the size of the frames."""
    cells = latents.shape[-1]
    grid_size = [len(latents), 1, round(cells * DENSER), round(cells * DENSER)]
    grid = F.affine_grid(matrix, grid_size, align_corners=False)
    read = F.grid_sample(latents, grid, padding_mode="border", align_corners=False)
    picture = model.decode(read)
    return F.interpolate(picture.float(), scale_factor=1 / DENSER, mode="bilinear", antialias=True)


def decoder_loss(
    model: Autoencoder, frames: Tensor, generator: torch.Generator, dense: bool
) -> Tensor:
    """Loss of a batch of frames in -1..1, decoded straight or from the denser grid."""
    with torch.no_grad():
        latents = model.encode(frames)
        amount = 0.08 * torch.rand(len(latents), 1, 1, 1, generator=generator)
        latents = latents + amount * torch.randn(latents.shape, generator=generator)
    if not dense:
        return picture_loss(model.decode(latents).float(), frames, torch.ones_like(frames[:, :1]))
    matrix = random_affine(len(frames), generator)
    made = denser_picture(model, latents, matrix)
    return picture_loss(made, warp(frames, matrix), inside(matrix, frames.shape[-1]))


def train_decoder(
    run: Path,
    steps: int,
    seed: int = 1,
    num_frames: int = 3000,
    batch: int = 8,
    bf16: bool = False,
) -> None:
    """Train the decoder from the run's autoencoder; `decoder.safetensors` is what comes out."""
    frames = frames_for(seed, num_frames, run)
    held = frames_for(seed + 10_000, min(96, num_frames), run)
    model = load_autoencoder(run / "autoencoder.safetensors")
    model.decoder.requires_grad_(True)
    inner, rest = split_parameters(model.decoder, ("0.", "13"))
    muon = Muon(inner, lr=MUON_RATE, bf16=bf16)
    adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=0.0)
    parts = {"model": model, "muon": muon, "adam": adam}
    path, log = run / "decoder.safetensors", run / "decoder.log"

    def save(step: int) -> None:
        state = {name: thing.state_dict() for name, thing in parts.items()}
        save_state(path, {**state, "step": step})

    last_save = time.monotonic()
    for step in range(resumed(path, parts), steps):
        generator = step_generator(seed + 77, step)
        rate = min(1.0, (step + 1) / 60) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        muon.param_groups[0]["lr"] = MUON_RATE * rate
        adam.param_groups[0]["lr"] = ADAM_RATE * rate
        picked = to_signed(frames[torch.randint(len(frames), (batch,), generator=generator)])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = decoder_loss(model, picked, generator, dense=step % DENSE_EVERY == 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for optimiser in (muon, adam):
            optimiser.step()
            optimiser.zero_grad()
        if step % 100 == 0:
            db = psnr_of(model, held[:16])
            note(log, f"{step} of {steps} loss {loss.item():.4f} psnr {db:.2f}")
        if time.monotonic() - last_save > 120:
            save(step + 1)
            last_save = time.monotonic()
    save(steps)
    note(log, f"{steps} end psnr held out {psnr_of(model, held):.2f}")
