"""A second training of the decoder alone, for the way its latents come out of a panorama.

A panorama keeps its cells on a grid half as dense again as the views that painted them, and the
picture is brought down to size after decoding. So the encoder stays as it is, its latents are read
onto such a grid, turned at random, and the decoded picture has to equal the turned frame.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .autoencoder import Autoencoder, inside, picture_loss, random_affine, warp
from .checkpoint import load_autoencoder, load_state, note, save_state
from .dataset import to_signed
from .muon import Muon, split_parameters
from .train_autoencoder import frames_for, psnr_of

DENSER = 1.5
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
    minutes: float,
    seed: int = 1,
    num_frames: int = 3000,
    batch: int = 8,
    max_steps: int = 10**9,
    bf16: bool = False,
) -> None:
    """Train the decoder from the run's autoencoder; `decoder.safetensors` is what comes out."""
    generator = torch.Generator().manual_seed(seed + 77)
    frames = frames_for(seed, num_frames, run)
    held = frames_for(seed + 10_000, min(96, num_frames), run)
    model = load_autoencoder(run / "autoencoder.safetensors")
    model.decoder.requires_grad_(True)
    inner, rest = split_parameters(model.decoder, ("0.", "13"))
    muon = Muon(inner, lr=MUON_RATE, bf16=bf16)
    adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=0.0)
    start, step, path = time.monotonic(), 0, run / "decoder.safetensors"
    done = load_state(path)["done"] if path.exists() else 0.0
    log = run / "decoder.log"
    while done < 1.0 and step < max_steps:
        done = (time.monotonic() - start) / (60.0 * minutes)
        rate = min(1.0, (step + 1) / 60) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        muon.param_groups[0]["lr"] = MUON_RATE * rate
        adam.param_groups[0]["lr"] = ADAM_RATE * rate
        picked = to_signed(frames[torch.randint(len(frames), (batch,), generator=generator)])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = decoder_loss(model, picked, generator, dense=step % 3 > 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step()
        adam.step()
        muon.zero_grad()
        adam.zero_grad()
        if step % 100 == 0:
            db = psnr_of(model, held[:16])
            note(log, f"{step} part {done:.3f} loss {loss.item():.4f} psnr {db:.2f}")
        step += 1
    save_state(path, {"model": model.state_dict(), "done": 1.0})
    note(log, f"{step} end psnr held out {psnr_of(model, held):.2f}")
