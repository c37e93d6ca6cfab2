"""What a device holds does not grow with the panorama: windows and tiles, never the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from panoloom.engine_server.denoise.finish import Finished
from panoloom.engine_server.denoise.loop import denoise_panorama
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.models.tiles import decode_in_tiles
from panoloom.engine_server.panorama.views import plan_views
from panoloom.engine_server.worker.decoding import decoded_views

RATIO = 8
SMALL, LARGE, LARGEST = (128, 53.0), (512, 14.0), 1024
"""Columns of latents, and field of view, of 1024x512 and 4096x2048 pixels; then of 8192x4096."""


class Allocations(TorchDispatchMode):
    """The largest tensor made, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel() * tensor.element_size())
        return out


@dataclass
class CountingAdapter:
    """A tiny model that counts what it is given, what it makes and what it gives back."""

    spec: LatentSpec = field(
        default_factory=lambda: LatentSpec(channels=1, ratio_s=RATIO, ratio_t=1, window_frames=1)
    )
    denoise_bytes: int = 0
    decode_bytes: int = 0

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond()

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        with Allocations() as made:
            out = (x - sigma * x.mean()).clone()
        given = [x.untyped_storage().nbytes(), views.elevation_rad.untyped_storage().nbytes()]
        self.denoise_bytes = max(self.denoise_bytes, made.largest, *given)
        return out

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        raise NotImplementedError

    def picture(self, cells: Tensor) -> Tensor:
        with Allocations() as made:
            out = cells[:1].expand(3, -1, -1)
            out = out.repeat_interleave(RATIO, dim=-1).repeat_interleave(RATIO, dim=-2)
        given = cells.numel() * cells.element_size()
        self.decode_bytes = max(self.decode_bytes, made.largest, given)
        return out

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        for index in range(latents.shape[1]):
            if wraps:
                yield decode_in_tiles(latents[:, index], self.picture, ratio=RATIO, margin=4)
            else:
                yield self.picture(latents[:, index])


def made(size: tuple[int, float]) -> tuple[CountingAdapter, Finished]:
    width, fov_deg = size
    adapter = CountingAdapter()
    out = denoise_panorama(
        None,
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(2),
        shape=(1, 1, width // 2, width),
        seed=1,
        plan=plan_views(latent_width=width, latent_height=width // 2, fov_deg=fov_deg),
    )
    return adapter, out


def test_an_evaluation_and_a_views_decode_hold_as_much_at_4096x2048_as_at_1024x512():
    peaks = []
    for size in (SMALL, LARGE):
        adapter, out = made(size)
        assert out.views is not None
        one = next(decoded_views(adapter, out.views, size=(128, 64)))
        assert one.shape == (64, 128, 3)
        peaks.append((adapter.denoise_bytes, adapter.decode_bytes))
    assert peaks[0] == peaks[1]
    assert peaks[0][0] == 6 * 16 * 16 * 4, "six windows of one channel and one frame"
    assert peaks[0][1] == 3 * 128 * 128 * 4, "one view's picture"


def test_a_panoramas_decode_holds_as_much_at_8192x4096_as_at_1024x512():
    peaks = []
    for width in (SMALL[0], LARGEST):
        adapter = CountingAdapter()
        picture = next(adapter.decode(torch.zeros(1, 1, width // 2, width), wraps=True))
        assert picture.shape == (3, width // 2 * RATIO, width * RATIO)
        peaks.append(adapter.decode_bytes)
    assert peaks[1] <= 1.05 * peaks[0]


def test_tiles_fit_exactly_whatever_the_decoder_sees_within_its_margin():
    cells = torch.randn(2, 80, 160, generator=torch.Generator().manual_seed(0))

    def smooth(part: Tensor) -> Tensor:
        rows = part.roll(1, -2) + part + part.roll(-1, -2)
        all_round = rows.roll(1, -1) + rows + rows.roll(-1, -1)
        return all_round[:1].expand(3, -1, -1)

    tiled = decode_in_tiles(cells, smooth, ratio=1, margin=1)
    inner = smooth(cells)[:, 1:-1]
    assert torch.allclose(tiled[:, 1:-1], inner, atol=1e-5)
