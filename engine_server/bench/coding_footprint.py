"""What coding pictures takes with a large autoencoder, counted without a card and without weights.

    python -m panoloom.engine_server.bench.coding_footprint [KIND ...]

The real autoencoder is built on tensors that have shapes and no memory (see `footprint`), and the
codec of its family decodes and encodes with it as a job does: a window, and a tile of a panorama
with its margin. Tensors that the codec puts into main memory count too, so a peak is a little high.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..models.tiles import tile_side
from .footprint import GIB, Held

_WAN_22 = {"base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "in_channels": 12,
           "out_channels": 12, "is_residual": True, "patch_size": 2, "scale_factor_spatial": 16,
           "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48}  # fmt: skip
_SD = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
       "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}  # fmt: skip
NUM_LATENTS = 2
"""Latents of the loop that is coded, where an autoencoder looks back in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An autoencoder as models ship it.

    Attributes:
        name: Its class in the diffusers library.
        config: What is not the library's own.
        dtype: In which the engine runs it.
        window, margin: Cells across a window, and those around a tile of a panorama.
    """

    name: str
    config: Mapping[str, Any]
    dtype: torch.dtype
    window: int
    margin: int

    @property
    def tile(self) -> int:
        """Cells across a tile with its margin."""
        return tile_side(self.window, self.margin) + 2 * self.margin


KINDS = {
    "wan": Kind(
        name="AutoencoderKLWan", config={}, dtype=torch.float32, window=64, margin=8
    ),
    "wan2.2-5b": Kind(
        name="AutoencoderKLWan", config=_WAN_22, dtype=torch.float32, window=44, margin=8
    ),
    "ltx": Kind(
        name="AutoencoderKLLTXVideo", config={}, dtype=torch.bfloat16, window=16, margin=8
    ),
    "animatediff": Kind(
        name="AutoencoderKL", config=_SD, dtype=torch.float32, window=64, margin=8
    ),
}  # fmt: skip
"""Autoencoder -> how it is built; the margins are those of its family's codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingFootprint:
    """Counted for one autoencoder.

    Attributes:
        params: Its weights.
        window_bytes: Most that is held at once besides them, decoding a window.
        tile_bytes: The same for a tile of a panorama, decoding it or encoding a still picture.
    """

    params: int
    window_bytes: int
    tile_bytes: int


def coding_footprint(kind: Kind) -> CodingFootprint:
    """Counts one window and one tile."""
    library: Any = importlib.import_module("diffusers")
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind.dtype)
    try:
        with FakeTensorMode(), torch.no_grad():
            vae = getattr(library, kind.name)(**kind.config).eval()
            decode, encode = _coder(kind, vae)
            return CodingFootprint(
                params=sum(parameter.numel() for parameter in vae.parameters()),
                window_bytes=_peak(decode, kind.window),
                tile_bytes=max(_peak(work, kind.tile) for work in (decode, encode)),
            )
    finally:
        torch.set_default_dtype(before)


def _peak(work: Callable[[int], None], cells: int) -> int:
    with Held() as held:
        work(cells)
    return held.peak


def _coder(kind: Kind, vae: Any) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """(decoding, encoding) of so many cells square, as the family's codec does it."""
    from ..models.video.ltx_codec import CHUNK, LtxCodec
    from ..models.video.ring_vae import CausalCodec

    if kind.name == "AutoencoderKL":
        ratio = 2 ** (len(kind.config["block_out_channels"]) - 1)
        return (
            lambda cells: vae.decode(torch.empty(1, vae.config.latent_channels, cells, cells)),
            lambda cells: vae.encode(torch.empty(1, 3, ratio * cells, ratio * cells)),
        )
    is_ltx = kind.name == "AutoencoderKLLTXVideo"
    codec = LtxCodec(vae=vae) if is_ltx else CausalCodec(vae, ghosts=1)
    channels = vae.config.latent_channels if is_ltx else vae.config.z_dim
    latents = CHUNK if is_ltx else NUM_LATENTS

    def decode(cells: int) -> None:
        for _ in codec.decode(torch.empty(channels, latents, cells, cells), wraps=False, loop=True):
            pass

    def encode(cells: int) -> None:
        side = codec.ratio_s * cells
        codec.encode(torch.empty(1, 3, side, side), wraps=False)

    return decode, encode


if __name__ == "__main__":
    for name in sys.argv[1:] or KINDS:
        found = coding_footprint(KINDS[name])
        print(
            f"{name}: {found.params / 1e6:.1f} million weights, a window "
            f"{found.window_bytes / GIB:.2f} GiB, a tile {found.tile_bytes / GIB:.2f} GiB",
            flush=True,
        )
