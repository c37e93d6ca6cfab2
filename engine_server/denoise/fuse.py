"""Windows out of a panorama's state, and the fused panorama back out of their predictions.

The state at noise level sigma is kept as two parts, ``x = q + sigma * noise``: `q` is smooth enough
to be interpolated, and the noise is a fixed white field on the sphere that every view sums over its
own cells, so that all views of all steps see one and the same noise. Only `denoised` comes back,
read inside the one view that owns a cell: fusing raw noise or velocity would mix cells whose noise
differs and leave it behind.

Source: the noise of a view as an integral of white noise over its cells is that of "How I Warped
Your Noise" (Chang et al. 2024), here on the sphere.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ..panorama.tables import NOISE_FINENESS, LookupTable
from .noise import normal_noise
from .time_ring import TimeWindow


def cell_rows(field: Tensor) -> Tensor:
    """A field ``[C, F, H, W]`` as contiguous rows ``[H * W, F * C]``, one for each cell."""
    return field.permute(2, 3, 1, 0).flatten(2).flatten(0, 1).contiguous()


def noise_rows(shape: tuple[int, ...], *, seed: int, stage: int) -> Tensor:
    """The noise of a stage for a panorama of `shape` ``[C, F, H, W]``: rows of its finer grid."""
    channels, frames, height, width = shape
    fine = (channels, frames, height * NOISE_FINENESS, width * NOISE_FINENESS)
    return cell_rows(normal_noise(fine, seed=seed, stage=stage))


def read_picture(q: Tensor, table: LookupTable) -> Tensor:
    """A picture ``[C, F, H, W]`` in all views, bicubic, ``[V, C, F, h, w]``."""
    rows = embedding_bag(
        table.reads, cell_rows(q), per_sample_weights=table.read_weights, mode="sum"
    )
    return _in_views(rows, table, channels=q.shape[0])


def read_noise(noise: Tensor, table: LookupTable, *, channels: int) -> Tensor:
    """Rows of `noise_rows` in all views, of unit variance there, ``[V, C, F, h, w]``."""
    rows = embedding_bag(
        table.noise_cells,
        noise,
        table.noise_starts,
        per_sample_weights=table.noise_weights,
        mode="sum",
    )
    return _in_views(rows, table, channels=channels)


def read_views(q: Tensor, noise: Tensor, sigma: float, table: LookupTable) -> Tensor:
    """The noisy state in all views and all frames, ``[V, C, F, h, w]``.

    Args:
        q: Smooth part of the state, ``[C, F, H, W]``.
        noise: Rows of `noise_rows`.
        sigma: Noise level.
        table: Table of this step.
    """
    grain = read_noise(noise, table, channels=q.shape[0])
    return read_picture(q, table).add_(grain, alpha=sigma)


def _in_views(rows: Tensor, table: LookupTable, *, channels: int) -> Tensor:
    """Rows of view cells ``[V * h * w, F * C]`` as ``[V, C, F, h, w]``."""
    view = table.views[0]
    cells = rows.view(len(table.views), view.height, view.width, -1, channels)
    return cells.permute(0, 4, 3, 1, 2)


def cut_windows(views: Tensor, items: list[tuple[TimeWindow, int]]) -> Tensor:
    """Windows ``[N, C, f, h, w]`` of (time window, view index) items out of ``[V, C, F, h, w]``."""
    return torch.stack([views[index][:, list(window.frames)] for window, index in items])


def fuse_views(predictions: Tensor, table: LookupTable, time_window: TimeWindow) -> Tensor:
    """The frames a time window owns, as a panorama ``[C, owned, H, W]``.

    Args:
        predictions: `denoised` of all views in this time window, ``[V, C, f, h, w]``.
        table: Table of this step.
        time_window: Its owned part is used, the rest of the window is context only.
    """
    return fuse_pictures(predictions[:, :, time_window.own_start : time_window.own_stop], table)


def fuse_pictures(views: Tensor, table: LookupTable) -> Tensor:
    """Pictures of all views ``[V, C, F, h, w]`` as a panorama ``[C, F, H, W]``."""
    channels, frames = views.shape[1:3]
    rows = views.permute(0, 3, 4, 2, 1).reshape(-1, frames * channels)
    fused = embedding_bag(table.taps, rows, per_sample_weights=table.weights, mode="sum")
    return fused.view(table.height, table.width, frames, channels).permute(3, 2, 0, 1)
