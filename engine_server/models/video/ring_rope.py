"""Ring-RoPE: a window that goes all round, in time or in width, without a first and a last place.

Rotary position embeddings turn every channel pair by (place x frequency). Where each frequency is
brought to the nearest whole number of turns a ring, place n is place 0: the network is equivariant
under rolls and a window is periodic. With no ring asked for the library's own embedding is used
as it is.

Source: SpheRoPE (2026) does so for the width of panoramas; here also for time. What pictures it
makes with released weights is not measured.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

AXES = ("time", "width")
_THETA = 10000.0


def ring_frequencies(dim: int, length: int, *, is_ring: bool) -> Tensor:
    """Radians a place, float64 ``[dim / 2]``: rounded to whole turns over `length` on a ring."""
    even = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    frequencies = 1.0 / _THETA**even
    if not is_ring:
        return frequencies
    turn = 2 * math.pi / length
    return torch.round(frequencies / turn) * turn


def ring_angles(sides: Sequence[int], dims: Sequence[int], rings: Collection[str]) -> Tensor:
    """Radians by which every channel pair of every token is turned, float64 ``[*sides, pairs]``.

    Args:
        sides: Tokens along time, height and width.
        dims: Channels that tell the place along each of them.
        rings: Which of "time", "height" and "width" go all round.
    """
    angles = []
    for axis, (name, dim) in enumerate(zip(("time", "height", "width"), dims, strict=True)):
        turns = ring_frequencies(dim, sides[axis], is_ring=name in rings)
        places = torch.arange(sides[axis], dtype=torch.float64)
        shape = [1, 1, 1, len(turns)]
        shape[axis] = sides[axis]
        angles.append((places[:, None] * turns).view(shape).expand(*sides, len(turns)))
    return torch.cat(angles, dim=-1)


class RingEmbedding(nn.Module):
    """Stands in for an embedding of the library, and is that one until rings are asked for.

    Attributes:
        stock: The library's.
        rings: Axes that go all round.
    """

    def __init__(self, stock: Any) -> None:
        super().__init__()
        self.stock = stock
        self.rings: frozenset[str] = frozenset()


class WanRingRope(RingEmbedding):
    """Stands in for `WanRotaryPosEmbed`."""

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``[1, tokens, 1, dim]`` for windows ``[N, C, F, h, w]``."""
        stock = self.stock
        if not self.rings:
            return stock(hidden_states)
        sides = [
            side // patch
            for side, patch in zip(hidden_states.shape[2:], stock.patch_size, strict=True)
        ]
        angle = ring_angles(sides, (stock.t_dim, stock.h_dim, stock.w_dim), self.rings)
        angle = angle.flatten(0, 2).repeat_interleave(2, dim=-1)[None, :, None]
        device = hidden_states.device
        return angle.cos().float().to(device), angle.sin().float().to(device)


class AnyFlowRingRope(RingEmbedding):
    """Stands in for `AnyFlowRotaryPosEmbed`, which tells turns as complex numbers."""

    def forward(self, layout_cfg: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
        """Unit complex numbers ``[1, 1, tokens, dim / 2]`` of queries and keys."""
        if not self.rings:
            return self.stock(layout_cfg=layout_cfg, device=device)
        side = 2 * (self.stock.attention_head_dim // 6)
        dims = (self.stock.attention_head_dim - 2 * side, side, side)
        sides = (layout_cfg["total_frames"], *layout_cfg["full_frame_shape"])
        angle = ring_angles(sides, dims, self.rings).flatten(0, 2)[None, None].to(device)
        turns = torch.polar(torch.ones_like(angle), angle)
        return {"query": turns, "key": turns}


def install(transformer: Any) -> None:
    """Put a ring's embedding into a transformer in place of its own; stock until asked."""
    kinds = {"WanRotaryPosEmbed": WanRingRope, "AnyFlowRotaryPosEmbed": AnyFlowRingRope}
    kind = kinds.get(type(transformer.rope).__name__)
    if kind is not None:  # else it is there already
        transformer.rope = kind(transformer.rope)


@contextmanager
def rings_of(transformer: Any, rings: Collection[str]) -> Iterator[None]:
    """`transformer` with these axes as rings, while the context lasts."""
    rope = transformer.rope
    if not rings:
        yield
        return
    rope.rings = frozenset(rings)
    try:
        yield
    finally:
        rope.rings = frozenset()
