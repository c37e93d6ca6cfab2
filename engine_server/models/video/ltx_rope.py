"""Ring-RoPE for LTX: its places are seconds and pixels, not cells; see `ring_rope`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .ring_rope import RingEmbedding

AXES = ("time", "height", "width")


class LtxRingRope(RingEmbedding):
    """Stands in for `LTXVideoRotaryPosEmbed`."""

    def forward(
        self,
        hidden_states: Tensor,
        num_frames: int,
        height: int,
        width: int,
        rope_interpolation_scale: tuple[float, float, float],
        video_coords: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``[N, tokens, dim]`` for tokens ``[N, tokens, D]``."""
        stock = self.stock
        if not self.rings:
            return stock(
                hidden_states, num_frames, height, width, rope_interpolation_scale, video_coords
            )
        sides = (num_frames, height, width)
        patches = (stock.patch_size_t, stock.patch_size, stock.patch_size)
        bases = (stock.base_num_frames, stock.base_height, stock.base_width)
        count = stock.dim // 6
        frequencies = math.pi / 2 * stock.theta ** torch.linspace(0, 1, count, dtype=torch.float64)
        angles = torch.empty(*sides, count, 3, dtype=torch.float64)
        for axis, name in enumerate(AXES):
            place = rope_interpolation_scale[axis] * patches[axis] / bases[axis]
            turns = 2 * frequencies * place
            if name in self.rings:
                whole = 2 * math.pi / sides[axis]
                turns = torch.round(turns / whole) * whole
            shape = [1, 1, 1, count]
            shape[axis] = sides[axis]
            along = torch.arange(sides[axis], dtype=torch.float64)[:, None] * turns - frequencies
            angles[..., axis] = along.view(shape)
        flat = angles.flatten(3).flatten(0, 2).repeat_interleave(2, dim=-1)
        pad = stock.dim - flat.shape[-1]
        flat = torch.cat((flat.new_zeros(len(flat), pad), flat), dim=-1)
        flat = flat.expand(len(hidden_states), -1, -1).to(hidden_states.device)
        return flat.cos().float(), flat.sin().float()


def install(transformer: Any) -> None:
    """Put an `LtxRingRope` in place of a transformer's own embedding; stock until asked."""
    if not isinstance(transformer.rope, LtxRingRope):
        transformer.rope = LtxRingRope(transformer.rope)
