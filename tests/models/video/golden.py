"""One window through our loop, and the same window through the library's pipeline.

    start, ours = golden.our_latents(adapter, "a calm sea", "", guidance=4.0, steps=4)
    stock = pipeline(..., latents=start[None], output_type="latent").frames

Both begin with the same noisy latents and end, if all is right, with the same picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panoloom.engine_server.denoise.ahead import told_ahead
from panoloom.engine_server.denoise.methods import plan_method
from panoloom.engine_server.denoise.noise import normal_noise
from panoloom.engine_server.denoise.planar import denoise_planar
from panoloom.engine_server.denoise.schedule import stage_sigmas
from panoloom.engine_server.models.adapter import Adapter

SEED = 11


def our_latents(
    adapter: Adapter,
    prompt: str,
    negative: str,
    *,
    guidance: float,
    steps: int,
) -> tuple[Tensor, Tensor]:
    """The start and the end, ``[C, F, h, w]`` each, of one window that is all there is."""
    spec = adapter.spec
    height, width = spec.window_hw
    shape = (spec.channels, spec.window_frames, height, width)
    sigmas = stage_sigmas(spec.schedule, steps, sigma_start=1.0, shift=1.0)
    plan = plan_method(
        "planar", latent_width=width, latent_height=height, spec=spec, fov_deg=90.0, ring=False
    )
    made = denoise_planar(
        None,
        adapter=told_ahead(adapter, sigmas),
        cond=adapter.encode_prompt([prompt]),
        uncond=adapter.encode_prompt([negative]),
        guidance_scale=guidance,
        sigmas=sigmas,
        shape=shape,
        seed=SEED,
        plan=plan,
        loop=False,
    )
    noise = normal_noise(shape, seed=SEED, stage=0)
    return sigmas[0] * noise, made


def difference(ours: Tensor, stock: Tensor) -> float:
    """Largest absolute difference, with the shapes compared."""
    assert ours.shape == stock.shape, (tuple(ours.shape), tuple(stock.shape))
    return float((ours - torch.as_tensor(stock)).abs().max())
