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
from collections.abc import Collection, Iterator
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


class RingRope(nn.Module):
    """Stands in for `WanRotaryPosEmbed`; its axes are time, height and width.

    Args:
        stock: The library's embedding.
    """

    def __init__(self, stock: Any) -> None:
        super().__init__()
        self.stock = stock
        self.rings: frozenset[str] = frozenset()

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``[1, tokens, 1, dim]`` for windows ``[N, C, F, h, w]``."""
        if not self.rings:
            return self.stock(hidden_states)
        sides = [
            side // patch
            for side, patch in zip(hidden_states.shape[2:], self.stock.patch_size, strict=True)
        ]
        angles = []
        for axis, (name, dim) in enumerate(
            (("time", self.stock.t_dim), ("height", self.stock.h_dim), ("width", self.stock.w_dim))
        ):
            turns = ring_frequencies(dim, sides[axis], is_ring=name in self.rings)
            places = torch.arange(sides[axis], dtype=torch.float64)
            angle = (places[:, None] * turns).repeat_interleave(2, dim=1)
            shape = [1, 1, 1, dim]
            shape[axis] = sides[axis]
            angles.append(angle.view(shape).expand(*sides, dim))
        angle = torch.cat(angles, dim=-1).reshape(1, math.prod(sides), 1, -1)
        device = hidden_states.device
        return angle.cos().float().to(device), angle.sin().float().to(device)


def install(transformer: Any) -> RingRope:
    """Put a `RingRope` into a transformer in place of its own embedding; stock until asked."""
    if not isinstance(transformer.rope, RingRope):
        transformer.rope = RingRope(transformer.rope)
    return transformer.rope


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
