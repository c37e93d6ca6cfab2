"""Windows out of a panorama latent and the fused panorama back out of their predictions.

Noisy states go out by nearest cell, which keeps their noise white and at full strength. Only
`denoised` comes back, read by bilinear interpolation inside the one view that owns a cell: fusing
raw noise or velocity would mix cells whose noise differs and leave it behind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..panorama.views import LookupTable
from .time_ring import TimeWindow


def panorama_rows(x: Tensor) -> Tensor:
    """A panorama ``[C, F, H, W]`` as contiguous rows ``[H * W, F, C]``, one for each cell."""
    return x.permute(2, 3, 1, 0).flatten(0, 1).contiguous()


def gather_windows(rows: Tensor, table: LookupTable, items: list[tuple[TimeWindow, int]]) -> Tensor:
    """Noisy windows ``[N, C, f, h, w]`` for (time window, view index) items, by nearest cell."""
    view = table.views[0]
    windows = []
    for time_window, index in items:
        cells = rows.index_select(0, table.gather[index])
        frames = torch.tensor(time_window.frames)
        cells = cells.index_select(1, frames)
        windows.append(cells.unflatten(0, (view.height, view.width)).permute(3, 2, 0, 1))
    return torch.stack(windows)


def fuse_views(predictions: Tensor, table: LookupTable, time_window: TimeWindow) -> Tensor:
    """The frames a time window owns, as a panorama ``[C, owned, H, W]``.

    Args:
        predictions: `denoised` of all views in this time window, ``[V, C, f, h, w]``.
        table: Table of this step.
        time_window: Its owned part is used, the rest of the window is context only.
    """
    owned = predictions[:, :, time_window.own_start : time_window.own_stop]
    channels, frames = owned.shape[1:3]
    rows = owned.permute(0, 3, 4, 2, 1).reshape(-1, frames * channels)
    fused = torch.nn.functional.embedding_bag(
        table.taps, rows, per_sample_weights=table.weights.to(rows.dtype), mode="sum"
    )
    return fused.view(table.height, table.width, frames, channels).permute(3, 2, 0, 1)
