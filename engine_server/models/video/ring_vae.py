"""Loops through a causal video autoencoder: exactly ratio_t frames a latent, streamed.

Such an autoencoder (Wan's) looks back in time alone, and its very first latent stands for one
frame. In a loop no latent is the first: the latents before the join are decoded once more in front
(ghosts) and what they give is dropped. With as many ghosts as the decoder looks back (`reach`) the
frames are those of an endless loop, and rolling the latents rolls the frames. The library's own
`decode` keeps its feature caches in the model, one video at a time, holds all frames, and its tiles
do not wrap; so its decoder and encoder are called chunk by chunk here, with caches of our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..tiles import with_margin
from .tiled import TiledPicture, plan_tiles

OPEN_GHOSTS = 2
"""Times a video that is no loop shows its first latent to the decoder before it begins."""
MARGIN = 8
"""Cells that a tile sees beyond its own; half of the overlap of two tiles.

The decoder's attention looks at a whole tile, so that no margin makes tiles agree exactly; they are
cross-faded over the overlap, and by how much they disagree is measured.
"""
TILE_HW = (64, 128)


class CausalCodec:
    """A causal autoencoder of the diffusers library as the adapters use it.

    Args:
        vae: `AutoencoderKLWan`, or one with the same decoder, encoder and caches.
        ghosts: Latents shown before a loop's first; None takes `reach(vae)`, which is exact.
        tile_hw: Cells (height, width) of the largest tile of a panorama.
        margin: Cells a tile sees beyond its own.

    Attributes:
        disagreement: Mean difference, on -1..1, between a tile and what was made of its overlaps,
            in the last panorama that was decoded: the cross-check at the seam and between tiles.
            0 after anything else was decoded.
    """

    def __init__(
        self,
        vae: Any,
        *,
        ghosts: int | None = None,
        tile_hw: tuple[int, int] = TILE_HW,
        margin: int = MARGIN,
    ) -> None:
        self.vae = vae
        self.ghosts = reach(vae) if ghosts is None else ghosts
        self.ratio_s = int(vae.config.scale_factor_spatial)
        self.ratio_t = int(vae.config.scale_factor_temporal)
        self._tile_hw, self._margin = tile_hw, margin
        self._resident: _DecoderStream | None = None
        self.disagreement = 0.0

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, wraps: bool, loop: bool) -> Iterator[Tensor]:
        """``ratio_t * F`` frames ``[3, H, W]``, -1..1, of unscaled latents ``[C, F, h, w]``.

        Nothing longer than a chunk of ratio_t frames is held; several may be decoded in turn.
        """
        order = loop_order(latents.shape[1], self.ghosts) if loop else open_order(latents.shape[1])
        self.disagreement = 0.0
        if wraps:
            yield from self._decode_tiles(latents, order)
            return
        stream = _DecoderStream(self)
        for place, index in enumerate(order):
            chunk = stream.push(latents[:, index : index + 1])
            if place >= len(order) - latents.shape[1]:
                yield from chunk.unbind(1)

    @torch.inference_mode()
    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Unscaled latents ``[C, F, h, w]`` of a loop of ``ratio_t * F`` frames ``[., 3, H, W]``.

        One frame is a loop that stands still: one latent.
        """
        if len(frames) == 1:
            frames = frames.expand(self.ratio_t, -1, -1, -1)
        assert len(frames) % self.ratio_t == 0, (len(frames), self.ratio_t)
        video = frames.movedim(0, 1)
        if not wraps:
            return self._encode(video)
        height, width = (side // self.ratio_s for side in video.shape[-2:])
        tiles = plan_tiles(height, width, tile_hw=self._tile_hw, margin=self._margin)
        out: Tensor | None = None
        px = self.ratio_s
        for tile in tiles:
            rows, columns = (range(r.start * px, r.stop * px) for r in (tile.rows, tile.columns))
            seen = with_margin(video, rows, columns, tile.margin * px)
            part = self._encode(seen)
            inner = part[..., tile.margin : -tile.margin, tile.margin : -tile.margin]
            if out is None:
                out = torch.empty(*part.shape[:2], height, width)
            top, left = tile.rows.start, tile.columns.start
            out[..., top : tile.rows.stop, left : tile.columns.stop] = inner
        assert out is not None
        return out

    @torch.inference_mode()
    def encode_window(self, video: Tensor) -> Tensor:
        """Latents ``[C, F, h, w]`` of ``1 + ratio_t * (F - 1)`` frames ``[3, T, H, W]``.

        As the library encodes a video by itself, whose first latent stands for one frame: what
        a window is told to follow, since its network was trained on such.
        """
        count = 1 + (video.shape[1] - 1) // self.ratio_t
        assert video.shape[1] == 1 + self.ratio_t * (count - 1), video.shape
        begins = [0, *(1 + self.ratio_t * place for place in range(count))]
        return self._coded(video[:, a:b] for a, b in pairwise(begins))

    def _decode_tiles(self, latents: Tensor, order: list[int]) -> Iterator[Tensor]:
        height, width = latents.shape[-2:]
        picture = TiledPicture(
            plan_tiles(height, width, tile_hw=self._tile_hw, margin=self._margin),
            height=height,
            width=width,
            ratio=self.ratio_s,
        )
        streams = [_DecoderStream(self) for _ in picture.tiles]
        for place, index in enumerate(order):
            cells = latents[:, index : index + 1]
            chunks = [
                stream.push(with_margin(cells, tile.rows, tile.columns, tile.margin))
                for tile, stream in zip(picture.tiles, streams, strict=True)
            ]
            if place >= len(order) - latents.shape[1]:
                yield from picture.blend(chunks).unbind(1)
                self.disagreement = picture.disagreement

    def _encode(self, video: Tensor) -> Tensor:
        """Latents of a loop ``[3, T, H, W]``."""
        count, ghosts = video.shape[1] // self.ratio_t, max(1, self.ghosts)
        chunks = [video[:, index * self.ratio_t :][:, : self.ratio_t] for index in range(count)]
        order = loop_order(count, ghosts)
        shown = (
            chunks[index][:, -1:] if n == 0 else chunks[index] for n, index in enumerate(order)
        )
        return self._coded(shown)[:, ghosts:]

    def _coded(self, chunks: Iterable[Tensor]) -> Tensor:
        """Latents of chunks ``[3, n, H, W]`` in turn: one frame first, then ratio_t each."""
        vae, caches = self.vae, _empty_caches(self.vae, "_enc_feat_map")
        out = []
        for chunk in chunks:
            x = chunk[None].to(vae.device, vae.dtype)
            if vae.config.patch_size is not None:
                x = _patches(x, vae.config.patch_size)
            code = vae.encoder(x, feat_cache=caches, feat_idx=[0])
            mean = vae.quant_conv(code).chunk(2, dim=1)[0]
            out.append(mean[0].to(chunk.device, torch.float32))
        return torch.cat(out, dim=1)


class _DecoderStream:
    """One video on its way through the decoder; its caches leave the device when another's come."""

    def __init__(self, codec: CausalCodec) -> None:
        self._codec = codec
        self._caches = _empty_caches(codec.vae, "_feat_map")
        self._is_first = True

    def push(self, latent: Tensor) -> Tensor:
        """Frames ``[3, n, H, W]`` of the next latent ``[C, 1, h, w]``: one of the first, else all.

        They lie on the CPU.
        """
        vae = self._codec.vae
        self._come()
        x = vae.post_quant_conv(latent[None].to(vae.device, vae.dtype))
        out = vae.decoder(x, feat_cache=self._caches, feat_idx=[0], first_chunk=self._is_first)
        self._is_first = False
        if vae.config.patch_size is not None:
            out = _pixels(out, vae.config.patch_size)
        return out[0].clamp(-1.0, 1.0).float().cpu()

    def _come(self) -> None:
        other = self._codec._resident  # pyright: ignore[reportPrivateUsage]
        if other is self:
            return
        if other is not None:
            other._move(torch.device("cpu"))
        self._move(self._codec.vae.device)
        self._codec._resident = self  # pyright: ignore[reportPrivateUsage]

    def _move(self, device: torch.device) -> None:
        for index, cache in enumerate(self._caches):
            if isinstance(cache, Tensor):  # some hold a word instead
                self._caches[index] = cache.to(device)


def loop_order(num_latents: int, ghosts: int) -> list[int]:
    """Latents in the order in which a loop is coded: `ghosts` of those before the join, then all.

    A ghost in front there always is: the one latent that stands for a single frame.
    """
    ghosts = max(1, ghosts)
    return [(place - ghosts) % num_latents for place in range(ghosts + num_latents)]


def open_order(num_latents: int) -> list[int]:
    """The same for a video that is no loop: its first latent again and again, then all."""
    return [0] * OPEN_GHOSTS + list(range(num_latents))


def reach(vae: Any) -> int:
    """Latents before one that its frames depend on, at most: exact loops need so many ghosts.

    A causal convolution of n frames looks n - 1 of its own frames back; after every doubling in
    time these are half as long.
    """
    doublings = list(vae.temperal_upsample)
    blocks = int(vae.config.num_res_blocks) + 1
    looks_back = 2.0 + 2 * 2 * 2  # the first convolution and two residual blocks in the middle
    frames = 1
    for level in range(len(doublings) + 1):
        looks_back += blocks * 2 * 2 / frames
        if level < len(doublings) and doublings[level]:
            looks_back += 2 / frames
            frames *= 2
    looks_back += 2 / frames
    return int(-(-looks_back // 1)) + 1


def _empty_caches(vae: Any, name: str) -> list[Any]:
    vae.clear_cache()
    return [None] * len(getattr(vae, name))


def _patches(x: Tensor, size: int) -> Tensor:
    from diffusers.models.autoencoders.autoencoder_kl_wan import patchify

    return patchify(x, patch_size=size)


def _pixels(x: Tensor, size: int) -> Tensor:
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    return unpatchify(x, patch_size=size)
