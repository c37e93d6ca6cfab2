"""Loops through LTX's autoencoder: exactly 8 frames a latent, in chunks of time and in tiles.

Its encoder looks back in time, its decoder both ways, and its first latent stands for one frame. So
a chunk of latents is decoded with the ring's latents before and after it, and what these give is
dropped; with as many as the decoder reaches (`reach`) frames are those of an endless loop, and
rolling the latents rolls the frames. It has no attention: tiles with as wide a margin fit exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..tiles import with_margin
from .tiled import Tile, TiledPicture, plan_tiles

CONTEXT = 6
"""Latents decoded before and after a chunk. The released decoders reach 23; what lies farther than
a few counts little (`tests/models/video/test_ltx.py`), and makes a chunk several times its length.
"""
LOOK_BACK = 16
"""Latents encoded before a loop's first."""
CHUNK = 6
STILL_LOOK_BACK = 1
"""The same where all frames are one: they look alike to every layer."""
TILE_HW = (8, 8)
FADE = 2
BEYOND = 6


@dataclass(slots=True, kw_only=True)
class LtxCodec:
    """The autoencoder as the adapter uses it.

    Attributes:
        vae: `AutoencoderKLLTXVideo`.
        context: Latents decoded on both sides of a chunk.
        look_back: Latents encoded before a loop's first.
        chunk: Latents of a chunk.
        tile_hw: Cells (height, width) of the largest tile of a panorama.
        fade: Cells on both sides of a border over which tiles are cross-faded.
        beyond: Cells that are decoded around these and dropped.
        decode_time: Noise level the decoder is told, where it is told one (from version 0.9.1).
        decode_noise: Share of noise then mixed into the latents. It is the same for every latent
            frame, so that loops stay loops.
        disagreement: See `ring_vae.CausalCodec`.
    """

    vae: Any
    context: int = CONTEXT
    look_back: int = LOOK_BACK
    chunk: int = CHUNK
    tile_hw: tuple[int, int] = TILE_HW
    fade: int = FADE
    beyond: int = BEYOND
    decode_time: float = 0.05
    decode_noise: float = 0.025
    disagreement: float = 0.0

    @property
    def ratio_s(self) -> int:
        """Pixels per cell along a side."""
        return int(self.vae.spatial_compression_ratio)

    @property
    def ratio_t(self) -> int:
        """Frames per latent."""
        return int(self.vae.temporal_compression_ratio)

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, wraps: bool, loop: bool) -> Iterator[Tensor]:
        """``ratio_t * F`` frames ``[3, H, W]``, -1..1, of unscaled latents ``[C, F, h, w]``."""
        self.disagreement = 0.0
        latents = self._noisy(latents)
        height, width = latents.shape[-2:]
        picture = TiledPicture(
            plan_tiles(height, width, tile_hw=self.tile_hw, margin=self.fade),
            height=height,
            width=width,
            ratio=self.ratio_s,
        )
        for start in range(0, latents.shape[1], self.chunk):
            count = min(self.chunk, latents.shape[1] - start)
            seen = latents[:, _around(latents.shape[1], start, count, self.context, loop=loop)]
            if not wraps:
                yield from self._frames(seen, count).unbind(1)
                continue
            parts = [self._tile(seen, tile, count) for tile in picture.tiles]
            yield from picture.blend(parts).unbind(1)
            self.disagreement = picture.disagreement

    @torch.inference_mode()
    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Unscaled latents ``[C, F, h, w]`` of a loop of ``ratio_t * F`` frames ``[., 3, H, W]``.

        One frame is a loop that stands still: one latent.
        """
        look_back = self.look_back
        if len(frames) == 1:
            frames, look_back = frames.expand(self.ratio_t, -1, -1, -1), STILL_LOOK_BACK
        assert len(frames) % self.ratio_t == 0, (len(frames), self.ratio_t)
        video, count = frames.movedim(0, 1), len(frames) // self.ratio_t
        chunks = []
        for start in range(0, count, self.chunk):
            size = min(self.chunk, count - start)
            before = 1 + self.ratio_t * (look_back - 1)
            first = start * self.ratio_t
            places = range(first - before, first + size * self.ratio_t)
            seen = video[:, [place % video.shape[1] for place in places]]
            code = self._encoded_tiles(seen) if wraps else self._encoded(seen)
            chunks.append(code[:, look_back:])
        return torch.cat(chunks, dim=1)

    @torch.inference_mode()
    def encode_first(self, picture: Tensor) -> Tensor:
        """The latent ``[C, 1, h, w]`` that stands for a video's first picture ``[3, H, W]``."""
        vae = self.vae
        code = vae.encode(picture[None, :, None].to(vae.device, vae.dtype)).latent_dist.mode()[0]
        return code.to(picture.device, torch.float32)

    def _encoded_tiles(self, video: Tensor) -> Tensor:
        px = self.ratio_s
        height, width = (side // px for side in video.shape[-2:])
        out: list[tuple[Tile, Tensor]] = []
        edge = min(self.fade + self.beyond, height)
        for tile in plan_tiles(height, width, tile_hw=self.tile_hw, margin=1):
            rows, columns = (range(r.start * px, r.stop * px) for r in (tile.rows, tile.columns))
            part = self._encoded(with_margin(video, rows, columns, edge * px))
            out.append((tile, part[..., edge:-edge, edge:-edge]))
        latents = torch.empty(*out[0][1].shape[:2], height, width)
        for tile, part in out:
            rows, columns = tile.rows, tile.columns
            latents[..., rows.start : rows.stop, columns.start : columns.stop] = part
        return latents

    def _encoded(self, video: Tensor) -> Tensor:
        vae = self.vae
        code = vae.encode(video[None].to(vae.device, vae.dtype)).latent_dist.mode()[0]
        return code.to(video.device, torch.float32)

    def _frames(self, latents: Tensor, count: int) -> Tensor:
        """Frames ``[3, ratio_t * count, H, W]`` of the middle of latents with their context."""
        vae = self.vae
        told = None
        if vae.config.timestep_conditioning:
            told = torch.tensor([self.decode_time], device=vae.device, dtype=vae.dtype)
        with torch.random.fork_rng(devices=[]):  # the oldest decoder draws noise of its own
            torch.manual_seed(0)
            out = vae.decode(latents[None].to(vae.device, vae.dtype), told, return_dict=False)[0]
        first = 1 + self.ratio_t * (self.context - 1)
        out = out[0, :, first : first + self.ratio_t * count]
        return out.clamp(-1.0, 1.0).float().cpu()

    def _tile(self, latents: Tensor, tile: Tile, count: int) -> Tensor:
        """Frames of a tile and its fading border."""
        beyond = min(self.beyond, latents.shape[-2] - tile.margin)  # a pole is crossed once
        seen = with_margin(latents, tile.rows, tile.columns, tile.margin + beyond)
        cut = beyond * self.ratio_s
        frames = self._frames(seen, count)
        return frames[..., cut : frames.shape[-2] - cut, cut : frames.shape[-1] - cut]

    def _noisy(self, latents: Tensor) -> Tensor:
        if not self.vae.config.timestep_conditioning or self.decode_noise == 0:
            return latents
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(latents[:, :1].shape, generator=generator).to(latents)
        return (1 - self.decode_noise) * latents + self.decode_noise * noise


def _around(total: int, start: int, count: int, context: int, *, loop: bool) -> list[int]:
    """Latents of a chunk and of its context: round the ring, or the ends again and again."""
    places = range(start - context, start + count + context)
    return [place % total if loop else min(max(place, 0), total - 1) for place in places]


def reach(vae: Any) -> int:
    """Latents on either side of one that its frames depend on, at most."""
    decoder, rate = vae.decoder, 1
    beyond = 1.0 + 2 * len(decoder.mid_block.resnets)
    for block in decoder.up_blocks:
        if block.conv_in is not None:
            beyond += 2 / rate
        if block.upsamplers is not None:
            beyond += 1 / rate
            rate *= block.upsamplers[0].stride[0]
        beyond += 2 * len(block.resnets) / rate
    return math.ceil(beyond + 1 / rate)
