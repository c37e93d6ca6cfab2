"""The denoiser: a factorised space-time UNet over 16x16 cells, told where each cell looks.

Flow matching: x_sigma = (1 - sigma) x0 + sigma eps; the network predicts v = eps - x0. Space is
mixed by convolutions with replicated borders and by attention at the coarse level, frame by frame;
time by three-frame mixing and by attention, both absent for a single frame.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import light
from .autoencoder import CHANNELS, conv
from .text import TextEncoder

COND = 256  # width of the vector that steers every block


class Norm(nn.GroupNorm):
    """Group normalisation in float32, also where the rest is in bfloat16: twice as fast there."""

    def forward(self, input: Tensor) -> Tensor:  # the parent's name for it
        return F.group_norm(input.float(), self.num_groups, self.weight, self.bias, self.eps)


class Block(nn.Module):
    """Residual pair of convolutions, scaled and shifted by the conditioning; [B, C, h, w]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(8, width), Norm(8, width)
        self.conv1, self.conv2 = conv(width, width), conv(width, width)
        self.film = nn.Linear(COND, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        scale, shift = self.film(cond)[:, :, None, None].chunk(2, dim=1)
        y = self.conv1(F.silu(self.norm1(x)))
        y = F.silu(self.norm2(y) * (1.0 + scale) + shift)
        return x + self.conv2(y)


class Temporal(nn.Module):
    """Mixing of each cell with its neighbours in time (ends repeated); nothing for one frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        if frames == 1:
            return x
        b, c, h, w = x.shape
        y = self.norm(x.permute(0, 2, 3, 1)).reshape(b // frames, frames, h * w, c)
        before, here, after = self.mix(y).chunk(3, dim=-1)
        here = here + torch.cat((before[:, :1], before[:, :-1]), dim=1)
        here = here + torch.cat((after[:, 1:], after[:, -1:]), dim=1)
        y = self.out(F.silu(here))
        return x + y.reshape(b, h, w, c).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Self-attention over the cells of a frame, or over the frames of a cell."""

    def __init__(self, width: int, heads: int, over_time: bool) -> None:
        super().__init__()
        self.heads, self.over_time = heads, over_time
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        if self.over_time and frames == 1:
            return x
        b, c, h, w = x.shape
        y = self.norm(x.permute(0, 2, 3, 1)).reshape(b, h * w, c)
        if self.over_time:
            y = y.reshape(b // frames, frames, h * w, c).transpose(1, 2).reshape(-1, frames, c)
        parts = self.qkv(y).reshape(*y.shape[:2], 3, self.heads, c // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(y.shape)
        y = self.out(y)
        if self.over_time:
            y = y.reshape(b // frames, h * w, frames, c).transpose(1, 2)
        return x + y.reshape(b, h, w, c).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Block, temporal mixing and, at the coarse level, attention over space and time."""

    def __init__(self, width: int, attends: bool) -> None:
        super().__init__()
        self.block, self.temporal = Block(width), Temporal(width)
        self.attention = nn.ModuleList(
            (Attention(width, 4, False), Attention(width, 4, True)) if attends else ()
        )

    def forward(self, x: Tensor, cond: Tensor, frames: int) -> Tensor:
        x = self.temporal(self.block(x, cond), frames)
        for layer in self.attention:
            x = layer(x, frames)
        return x


class Denoiser(nn.Module):
    """Velocity of a batch of view windows; the text encoder is part of it."""

    def __init__(self, wide: int = 80, deep: int = 160) -> None:
        super().__init__()
        self.text = TextEncoder(out=COND)
        self.sigma = nn.Sequential(nn.Linear(64, COND), nn.SiLU(), nn.Linear(COND, COND))
        self.fov = nn.Linear(2, COND)
        self.enter = conv(CHANNELS + 3 + light.CHANNELS, wide)
        self.down = nn.ModuleList((Stage(wide, False), Stage(wide, False)))
        self.shrink = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * wide, deep, 1))
        self.middle = nn.ModuleList((Stage(deep, True), Stage(deep, False), Stage(deep, True)))
        self.grow = nn.Sequential(nn.Conv2d(deep, 4 * wide, 1), nn.PixelShuffle(2))
        self.join = nn.Conv2d(2 * wide, wide, 1)
        self.up = nn.ModuleList((Stage(wide, False), Stage(wide, False)))
        last = conv(wide, CHANNELS)
        nn.init.zeros_(last.weight)
        self.leave = nn.Sequential(Norm(8, wide), nn.SiLU(), last)

    def condition(self, sigma: Tensor, text: Tensor, fov_deg: Tensor, told: Tensor) -> Tensor:
        """The steering vector, [N, 256]; told [N] is 0 where the view is not described."""
        rates = torch.exp(torch.linspace(0.0, math.log(200.0), 32, device=sigma.device))
        angles = sigma[:, None] * rates
        waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
        view = torch.stack(((fov_deg / 90.0 - 1.0) * told, told), dim=-1)
        return F.silu(self.sigma(waves) + text + self.fov(view))

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        text: Tensor,
        elevation: Tensor,
        fov_deg: Tensor,
        told: Tensor,
        light_told: Tensor,
    ) -> Tensor:
        """Predicted velocity, [N, C, F, h, w].

        Args:
            x: Noisy latents, [N, C, F, h, w], h and w even.
            sigma: Noise levels 0..1, [N].
            text: Vectors from `self.text`, [N, 256].
            elevation: Elevation of the cells in radians, [N, h, w].
            fov_deg: Field of view, [N].
            told: 1 where elevation and field of view may be used, else 0, [N].
            light_told: What is told of the light, `light.light_channels`, [N, 4, h, w].
        """
        n, c, frames, h, w = x.shape
        cond = self.condition(sigma, text, fov_deg, told).repeat_interleave(frames, dim=0)
        height = elevation.sin() * told[:, None, None]
        where = torch.stack(
            (height, torch.tanh(6.0 * height), told[:, None, None].expand_as(height)), 1
        )
        where = torch.cat((where, light_told), dim=1)
        where = where[:, :, None].expand(-1, -1, frames, -1, -1)
        y = torch.cat((x, where), dim=1).transpose(1, 2).flatten(0, 1)
        y = self.enter(y.contiguous(memory_format=torch.channels_last))
        for stage in self.down:
            y = stage(y, cond, frames)
        kept = y
        y = self.shrink(y)
        for stage in self.middle:
            y = stage(y, cond, frames)
        y = self.join(torch.cat((self.grow(y), kept), dim=1))
        for stage in self.up:
            y = stage(y, cond, frames)
        return self.leave(y).reshape(n, frames, c, h, w).transpose(1, 2)
