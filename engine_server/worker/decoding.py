"""From latents to the frames of a panorama.

Where a method leaves the latents of its views, each view is decoded by itself, at the density and
the size that the model knows, and the pictures are blended. Else the panorama's own latents are
decoded, and a grid denser than the job's size is brought down to it by areas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from ..denoise.finish import Finished, ViewLatents
from ..models.adapter import Adapter
from ..models.tiles import FlatTile, flat_tiles
from ..panorama.blend import Picture, ViewBlend
from ..panorama.erp import erp_to_view, resize_erp
from ..panorama.tables import View

FLAT_MARGIN = 8
"""Most cells that a tile of a flat picture sees around itself."""


def decoded(
    adapter: Adapter, finished: Finished, *, largest: tuple[int, int], loop: bool = True
) -> Iterator[Picture]:
    """Frames ``[H, W, 3]`` float32, sRGB 0..1, one by one.

    Args:
        adapter: The model.
        finished: What a method left, or the first frames of it.
        largest: (width, height) of the job; a coarser stage has its own, smaller size.
        loop: Whether time is a ring.
    """
    height, width = (side * adapter.spec.ratio_s for side in finished.latents.shape[-2:])
    size = (min(width, largest[0]), min(height, largest[1]))
    if finished.views is not None:
        return decoded_views(adapter, finished.views, size=size, loop=loop)
    return decoded_panorama(adapter, finished.latents, size=size, loop=loop)


def decoded_panorama(
    adapter: Adapter, latents: Tensor, *, size: tuple[int, int], loop: bool = True
) -> Iterator[Picture]:
    """Frames of size (width, height) of a panorama's latents ``[C, F, H, W]``."""
    for frame in adapter.decode(latents, wraps=True, loop=loop):
        picture = _picture(frame)
        if picture.shape[1] > size[0]:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        yield np.asarray(picture, dtype=np.float32)


def decoded_flat(
    adapter: Adapter, latents: Tensor, *, ring: bool, loop: bool = True
) -> Iterator[Picture]:
    """Frames of a flat picture's latents ``[C, F, H, W]``; a ring goes on over its join.

    In tiles, with up to half a window around each: no decoder sees farther than its model.
    """
    ratio = adapter.spec.ratio_s
    height, width = latents.shape[-2:]
    tiles = list(_flat_tiles(adapter, height, width, ring=ring))
    streams = [adapter.decode(tile.read(latents), wraps=False, loop=loop) for tile in tiles]
    for frames in zip(*streams, strict=True):
        picture = torch.empty(3, height * ratio, width * ratio)
        for tile, frame in zip(tiles, frames, strict=True):
            tile.write(picture, frame, ratio)
        yield _picture(picture)


def encoded_flat(adapter: Adapter, pixels: Tensor, *, ring: bool) -> Tensor:
    """Latents ``[C, F, h, w]`` of flat pictures ``[F, 3, H, W]``, -1..1; as `decoded_flat`."""
    ratio = adapter.spec.ratio_s
    height, width = (side // ratio for side in pixels.shape[-2:])
    latents: Tensor | None = None
    for tile in _flat_tiles(adapter, height, width, ring=ring):
        part = adapter.encode(tile.read(pixels, ratio), wraps=False)
        if latents is None:
            latents = part.new_empty(*part.shape[:2], height, width)
        tile.write(latents, part)
    assert latents is not None
    return latents


def _flat_tiles(adapter: Adapter, height: int, width: int, *, ring: bool) -> Iterator[FlatTile]:
    spec = adapter.spec
    margin = min(FLAT_MARGIN, spec.window_hw[1] // 2)
    return flat_tiles(height, width, margin=margin, ring=ring, tile_hw=spec.tile_hw)


def decoded_views(
    adapter: Adapter, views: ViewLatents, *, size: tuple[int, int], loop: bool = True
) -> Iterator[Picture]:
    """Frames of size (width, height), blended from views that are decoded one by one."""
    ratio = adapter.spec.ratio_s
    view_px = (views.latents.shape[-2] * ratio, views.latents.shape[-1] * ratio)
    blend = _blend(views.views, view_px, size)
    streams = [adapter.decode(latents, wraps=False, loop=loop) for latents in views.latents]
    for frames in zip(*streams, strict=True):
        yield np.clip(blend([_picture(frame) for frame in frames]), 0.0, 1.0)


def encoded_views(adapter: Adapter, panorama: Tensor, views: Sequence[View]) -> Tensor:
    """Latents ``[V, C, 1, h, w]`` of a panorama ``[3, H, W]``, -1..1, as views see it."""
    ratio = adapter.spec.ratio_s
    around = math.pi * views[0].width * ratio / math.tan(math.radians(views[0].fov_deg) / 2)
    if panorama.shape[-1] > 2 * around:  # what is finer than the samples is averaged first
        height = math.ceil(around)
        panorama = resize_erp(panorama, size=(height, 2 * height))
    seen = [
        erp_to_view(
            panorama,
            yaw_deg=view.yaw_deg,
            pitch_deg=view.pitch_deg,
            fov_deg=view.fov_deg,
            size=(view.height * ratio, view.width * ratio),
            supersample=2,
        )
        for view in views
    ]
    return torch.stack([adapter.encode(picture[None], wraps=False) for picture in seen])


@lru_cache(maxsize=2)
def _blend(views: tuple[View, ...], view_px: tuple[int, int], size: tuple[int, int]) -> ViewBlend:
    return ViewBlend(views, view_px=view_px, width=size[0], height=size[1])


def _picture(frame: Tensor) -> Picture:
    """A decoded frame ``[3, H, W]``, -1..1, as ``[H, W, 3]``, 0..1."""
    picture = np.moveaxis(frame.cpu().numpy(), 0, -1) * 0.5 + 0.5
    return np.ascontiguousarray(np.clip(picture, 0.0, 1.0), dtype=np.float32)
