"""What every adapter around another adapter shares."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from .adapter import Adapter, Cond, LatentSpec


class PassesOn:
    """An `Adapter` around another, its attribute `adapter`: what a subclass does not change of it
    is passed on as it is."""

    __slots__ = ()

    adapter: Adapter

    @property
    def spec(self) -> LatentSpec:
        """What the model's latents are."""
        return self.adapter.spec

    def encode_prompt(self, texts: list[str]) -> Cond:
        """Encoded prompts."""
        return self.adapter.encode_prompt(texts)

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Pictures to latents."""
        return self.adapter.encode(frames, wraps=wraps)

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """Latents to pictures."""
        return self.adapter.decode(latents, wraps=wraps, loop=loop)
