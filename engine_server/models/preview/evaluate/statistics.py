"""What can be measured of a clip without any model: colour, contrast, sharpness, motion, fidelity.

Clips are [F, 3, H, W], sRGB-coded, 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709
LOWEST_CYCLES = 2  # a picture of 128 pixels: below, the window rules; above 40, the autoencoder
HIGHEST_CYCLES = 40
FINE_CYCLES = 16  # of a picture: detail finer than one latent cell of 8 pixels


def luma(clip: Tensor) -> Tensor:
    """Brightness, [F, H, W]."""
    weights = clip.new_tensor(LUMA)[:, None, None]
    return (clip * weights).sum(dim=1)


def channel_means(clip: Tensor) -> Tensor:
    """Mean of red, green and blue, [3]."""
    return clip.mean(dim=(0, 2, 3))


def channel_spreads(clip: Tensor) -> Tensor:
    """Standard deviation within a frame of red, green and blue, mean over frames, [3]."""
    return clip.std(dim=(2, 3), correction=0).mean(dim=0)


def contrast(clip: Tensor) -> float:
    """Root mean square contrast: standard deviation of brightness in a frame, mean over frames."""
    return float(luma(clip).std(dim=(1, 2), correction=0).mean())


def chroma(clip: Tensor) -> float:
    """Mean distance from grey in CIE L*a*b*."""
    frames = clip.permute(0, 2, 3, 1).float().numpy()
    lab = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2LAB) for frame in frames]
    return float(np.mean([np.hypot(frame[..., 1], frame[..., 2]).mean() for frame in lab]))


def radial_power(clip: Tensor) -> Tensor:
    """Mean power of brightness at 0, 1, 2 … cycles a picture, [min(H, W) / 2], over all frames.

    Frames are windowed (Hann), so that opposite borders need not fit together.
    """
    grey = luma(clip)
    height, width = grey.shape[-2:]
    window = torch.outer(*(torch.hann_window(n, periodic=False) for n in (height, width)))
    grey = grey - grey.mean(dim=(1, 2), keepdim=True)
    power = torch.fft.fft2(grey * window).abs().square().mean(dim=0) / window.square().sum()
    rows, columns = (torch.fft.fftfreq(n) * n for n in (height, width))
    radius = torch.hypot(rows[:, None], columns[None, :]).round().long().flatten()
    count = min(height, width) // 2
    inside = radius < count
    total = torch.zeros(count).index_add_(0, radius[inside], power.flatten()[inside])
    return total / torch.bincount(radius[inside], minlength=count).clamp(min=1)


def spectrum_slope(clip: Tensor) -> float:
    """Slope of log power over log frequency: about -2 to -4; nearer 0 is sharper, or noisier."""
    power = radial_power(clip)
    cycles = torch.arange(len(power), dtype=torch.float64)
    used = slice(LOWEST_CYCLES, min(HIGHEST_CYCLES, len(power)))
    x, y = cycles[used].log(), power[used].double().clamp(min=1e-12).log()
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def fine_energy(clip: Tensor) -> float:
    """Standard deviation of brightness that is finer than a latent cell."""
    power = radial_power(clip)
    cycles = torch.arange(len(power), dtype=power.dtype)
    height, width = clip.shape[-2:]
    ring = 2.0 * torch.pi * cycles * power
    return float((ring[FINE_CYCLES:].sum() / (height * width)).sqrt())


def motion(clip: Tensor) -> float:
    """Mean magnitude of the optical flow between neighbouring frames, pixels (DIS, Kroeger 2016).

    Flow needs texture: a plain sky counts as still, and a flash as motion.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = (luma(clip) * 255.0).round().clamp(0, 255).to(torch.uint8).numpy()
    found = [
        np.linalg.norm(flow.calc(grey[i], grey[i + 1], None), axis=-1).mean()  # type: ignore[arg-type]
        for i in range(len(grey) - 1)
    ]
    return float(np.mean(found)) if found else 0.0


def change(clip: Tensor) -> float:
    """Mean absolute difference between neighbouring frames."""
    return float((clip[1:] - clip[:-1]).abs().mean()) if len(clip) > 1 else 0.0


def psnr_db(made: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio of pictures in 0..1, mean over frames; 80 dB where equal."""
    error = (made - wanted).square().mean(dim=(1, 2, 3)).clamp(min=1e-8)
    return float((-10.0 * error.log10()).mean())


def colour_drift(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean signed error of red, green and blue, [3]: what a round trip adds to the colours."""
    return (made - wanted).mean(dim=(0, 2, 3))


def distance(a: Tensor, b: Tensor) -> float:
    """How unlike two clips are: RMS difference of their frames' broad colours (8x8 pixels each)."""
    small = [torch.nn.functional.adaptive_avg_pool2d(clip, clip.shape[-1] // 8) for clip in (a, b)]
    return float((small[0] - small[1]).square().mean().sqrt())
