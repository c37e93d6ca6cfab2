"""What a device holds does not grow with the panorama: windows and tiles, never the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from panoloom.engine_server.denoise.finish import Finished
from panoloom.engine_server.denoise.loop import denoise_panorama
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models import tiles
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.models.tiles import decode_in_tiles, encode_in_tiles
from panoloom.engine_server.panorama.tables import View
from panoloom.engine_server.panorama.views import plan_views
from panoloom.engine_server.worker.decoding import (
    decoded_flat,
    decoded_panorama,
    decoded_views,
    encoded_flat,
    encoded_views,
)

RATIO = 8
SMALL, LARGE = (128, 53.0), (1024, 7.1)
"""Columns of latents, and field of view, of 1024x512 and 8192x4096 pixels."""


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
    encode_bytes: int = 0

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond()

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        with Allocations() as made:
            out = (x - sigma * x.mean()).clone()
        given = [x.untyped_storage().nbytes(), views.elevation_rad.untyped_storage().nbytes()]
        self.denoise_bytes = max(self.denoise_bytes, made.largest, *given)
        return out

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        if not wraps:
            return torch.stack([self.cells(frame) for frame in frames], dim=1)
        made = [encode_in_tiles(frame, self.cells, ratio=RATIO, margin=4) for frame in frames]
        return torch.stack(made, dim=1)

    def cells(self, picture: Tensor) -> Tensor:
        with Allocations() as made:
            out = torch.nn.functional.avg_pool2d(picture[:1] + 0, RATIO)
        given = picture.numel() * picture.element_size()
        self.encode_bytes = max(self.encode_bytes, made.largest, given)
        return out

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


def made(
    size: tuple[int, float], *, frames: int = 1, **options: bool
) -> tuple[CountingAdapter, Finished]:
    width, fov_deg = size
    adapter = CountingAdapter()
    out = denoise_panorama(
        None,
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(2),
        shape=(1, frames, width // 2, width),
        seed=1,
        plan=plan_views(latent_width=width, latent_height=width // 2, fov_deg=fov_deg),
        **options,
    )
    return adapter, out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_evaluation_and_a_views_decode_hold_as_much_at_8192x4096_as_at_1024x512():
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


def test_an_evaluation_holds_as_much_in_a_long_film_as_in_a_short_one():
    short, long = (made((64, 90.0), frames=n, loop=False)[0].denoise_bytes for n in (2, 20))
    assert short == long


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_flat", [False, True])
def test_a_picture_s_coding_holds_as_much_at_8192x4096_as_at_1024x512(is_flat):
    """References are encoded, and panoramas without views and flat pictures decoded, in tiles."""
    peaks = []
    for width in (SMALL[0], LARGE[0]):
        adapter, size = CountingAdapter(), (3, width // 2 * RATIO, width * RATIO)
        cells, pixels = torch.zeros(1, 1, width // 2, width), torch.zeros(1, *size)
        if is_flat:
            picture = next(decoded_flat(adapter, cells, ring=True))
            latents = encoded_flat(adapter, pixels, ring=True)
        else:
            picture = next(decoded_panorama(adapter, cells, size=(size[2], size[1])))
            latents = adapter.encode(pixels, wraps=True)
        assert picture.shape == (*size[1:], 3)
        assert latents.shape == cells.shape
        peaks.append((adapter.decode_bytes, adapter.encode_bytes))
    for small, large in zip(*peaks, strict=True):
        assert large <= 1.05 * small


def test_what_a_reference_shows_views_is_encoded_view_by_view():
    peaks = []
    for width, fov_deg in (SMALL, LARGE):
        adapter = CountingAdapter()
        views = tuple(
            View(yaw_deg=40.0 * k, pitch_deg=0.0, fov_deg=fov_deg, height=16, width=16)
            for k in range(3)
        )
        panorama = torch.zeros(1).expand(3, width // 4, width // 2)
        assert encoded_views(adapter, panorama, views).shape == (3, 1, 1, 16, 16)
        peaks.append(adapter.encode_bytes)
    assert peaks[0] == peaks[1] == 3 * 128 * 128 * 4


@pytest.mark.parametrize("ring", [True, False])
def test_a_flat_picture_in_tiles_is_the_picture_in_one(ring, monkeypatch):
    """Also where the picture ends: the network sees the edge, not a margin beyond it."""
    adapter = SeeingAdapter()
    cells = torch.randn(1, 2, 40, 56, generator=torch.Generator().manual_seed(0))
    pixels = torch.randn(2, 3, 320, 448, generator=torch.Generator().manual_seed(1))
    whole = list(decoded_flat(adapter, cells, ring=ring)), encoded_flat(adapter, pixels, ring=ring)
    monkeypatch.setattr(tiles, "TILE_HW", (24, 24))
    parts = list(decoded_flat(adapter, cells, ring=ring)), encoded_flat(adapter, pixels, ring=ring)
    np.testing.assert_allclose(np.stack(parts[0]), np.stack(whole[0]), atol=1e-6)
    torch.testing.assert_close(parts[1], whole[1])


class SeeingAdapter(CountingAdapter):
    """Its decoder and encoder see the cells next to each."""

    def picture(self, cells: Tensor) -> Tensor:
        return super().picture(0.3 * blurred(cells))

    def cells(self, picture: Tensor) -> Tensor:
        return blurred(super().cells(picture))


def blurred(cells: Tensor) -> Tensor:
    around = torch.nn.functional.pad(cells[None], (1, 1, 1, 1), mode="replicate")
    return torch.nn.functional.avg_pool2d(around, 3, stride=1)[0]


def test_tiles_fit_exactly_whatever_the_decoder_sees_within_its_margin():
    cells = torch.randn(2, 80, 160, generator=torch.Generator().manual_seed(0))

    def smooth(part: Tensor) -> Tensor:
        rows = part.roll(1, -2) + part + part.roll(-1, -2)
        all_round = rows.roll(1, -1) + rows + rows.roll(-1, -1)
        return all_round[:1].expand(3, -1, -1)

    tiled = decode_in_tiles(cells, smooth, ratio=1, margin=1)
    inner = smooth(cells)[:, 1:-1]
    assert torch.allclose(tiled[:, 1:-1], inner, atol=1e-5)
