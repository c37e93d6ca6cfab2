"""The last part of the `fused` method: fixed views, each painting its own part without resampling.

Reading a picture into moving views and writing it back loses what is finer than a view's cells, and
what the channels of a latent cell say of the pixels inside it, at every step. So once the noise
level is low enough for the layout to stand, the views stop moving and each keeps its own state. Of
`denoised` a view keeps the cells that are its own; the rest of what it sees it reads from the views
that own it, so that all agree along their borders. Windows in time go on moving: nothing is
resampled in time. The finished latents are those of the views; the panorama's are fused from them.

Source: the view-wise refinement in the last steps of LF-MultiDiffusion (2026). Differs in: views
see their neighbours' picture around their own at every step, so that it may begin early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..panorama.tables import LookupTable, View
from ..panorama.views import ViewPlan
from .fuse import fuse_pictures, read_noise, read_picture
from .fused import FusedMethod, require_finite
from .keep import Keep

FINISH_SIGMA = 0.86
"""Noise level from which on the views stand still. Measured: see docs/method.md."""
OPEN_BELOW = 1e-5
"""A mask read bicubically is 1 but for its last bits where it is 1 all around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLatents:
    """Latents of the views of a finished panorama, each as its view painted it.

    Attributes:
        latents: ``[V, C, F, h, w]``.
        views: Where they look; together they cover the sphere.
    """

    latents: Tensor
    views: tuple[View, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a method leaves.

    Attributes:
        latents: The panorama, ``[C, F, H, W]``: what is stored, and what a finer stage starts from.
        views: The same picture view by view where the method has it: sharper, what is decoded.
    """

    latents: Tensor
    views: ViewLatents | None = None

    @staticmethod
    def of(result: Tensor | Finished) -> Finished:
        """What a method returned: latents alone, or with views."""
        return Finished(latents=result) if isinstance(result, Tensor) else result


def finish_step(sigmas: Sequence[float], finish_sigma: float) -> int:
    """The step from which on the views stand still; at 0 it is the number of steps: never.

    Otherwise the last step at least is made so.
    """
    num_steps = len(sigmas) - 1
    if finish_sigma <= 0:
        return num_steps
    low = [step for step in range(num_steps) if sigmas[step] <= finish_sigma]
    return low[0] if low else num_steps - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFinish:
    """`denoised` of fixed views in agreement; states are packed, ``[C, F, V * h, w]``.

    Attributes:
        method: The model and the windows in time.
        table: Where the views look.
        noise: Packed noise of unit variance.
        needed: Indices of the views that own anything but given cells; the others are not
            evaluated, and show their neighbours what is given.
        keep: Given part of the picture, packed.
    """

    method: FusedMethod
    table: LookupTable
    noise: Tensor
    needed: tuple[int, ...]
    keep: Keep | None = None

    @staticmethod
    def of(method: FusedMethod, channels: int) -> ViewFinish:
        """The finish of a method's stage."""
        table = method.plan.fixed_table()
        noise = read_noise(method.noise, table, channels=channels)
        keep = _read_keep(method.keep, table)
        return ViewFinish(
            method=method,
            table=table,
            noise=packed(noise),
            needed=_views_with_open_cells(keep, table),
            keep=keep,
        )

    def enter(self, state: Tensor) -> Tensor:
        """A state of the panorama, ``[n, F, H, W]``, as the views see it: ``[n, F, V * h, w]``."""
        return packed(read_picture(state, self.table))

    def denoised(self, q: Tensor, *, sigma: float, step: int) -> Tensor:
        """The estimate of x0 of the state ``q + sigma * noise``, packed.

        Raises:
            Cancelled, GenerationFailed: See `FusedMethod.denoised`.
        """
        method, table = self.method, self.table
        views = unpacked(q + sigma * self.noise, table)
        windows = method.time_windows(q.shape[1], step)
        alone = torch.empty_like(views)
        for window, stack in method.predictions(views, table, windows, self.needed, sigma):
            alone[:, :, list(window.owned)] = stack[:, :, window.own_start : window.own_stop]
        if self.keep is not None and len(self.needed) < len(views):
            given = unpacked(self.keep.latents, table).expand_as(alone)
            others = [k for k in range(len(views)) if k not in self.needed]
            alone[others] = given[others]
        require_finite(alone, sigma=sigma, step=step)
        around = read_picture(fuse_pictures(alone, table), table)
        return packed(torch.where(table.own[:, None, None], alone, around))

    def panorama(self, state: Tensor) -> Tensor:
        """A packed picture as a panorama, ``[C, F, H, W]``."""
        return fuse_pictures(unpacked(state, self.table), self.table)

    def finished(self, state: Tensor) -> Finished:
        """The result of a packed picture."""
        latents, keep = self.panorama(state), self.method.keep
        return Finished(
            latents=latents if keep is None else keep.apply(latents),
            views=ViewLatents(latents=unpacked(state, self.table), views=self.table.views),
        )


def views_of(state: Tensor, plan: ViewPlan, *, channels: int) -> ViewLatents | None:
    """The views' `denoised` in a packed state ``[(1 + n) C, F, rows, columns]`` of a stage.

    None while the views move: the state is the panorama's.
    """
    if state.shape[2:] == (plan.latent_height, plan.latent_width):
        return None
    table = plan.fixed_table()
    return ViewLatents(latents=unpacked(state[channels : 2 * channels], table), views=table.views)


def packed(views: Tensor) -> Tensor:
    """``[V, C, F, h, w]`` as ``[C, F, V * h, w]``: frames where a panorama has them."""
    return views.permute(1, 2, 0, 3, 4).flatten(2, 3)


def unpacked(state: Tensor, table: LookupTable) -> Tensor:
    """``[C, F, V * h, w]`` as ``[V, C, F, h, w]``."""
    return state.unflatten(2, (len(table.views), -1)).permute(2, 0, 1, 3, 4)


def _read_keep(keep: Keep | None, table: LookupTable) -> Keep | None:
    if keep is None:
        return None

    def seen(share: Tensor) -> Tensor:
        share = share.reshape(*[1] * (4 - share.ndim), *share.shape)
        share = share.expand(*share.shape[:2], table.height, table.width)
        return packed(read_picture(share.to(keep.latents.dtype), table)).clamp(0, 1)

    views = (
        read_picture(keep.latents, table) if keep.in_views is None else keep.in_views(table.views)
    )
    return Keep(
        latents=packed(views),
        mask=seen(keep.mask),
        hold=None if keep.hold is None else seen(keep.hold),
    )


def _views_with_open_cells(keep: Keep | None, table: LookupTable) -> tuple[int, ...]:
    """Indices of the views whose own cells are not all given."""
    if keep is None or keep.hold is not None:
        return tuple(range(len(table.views)))
    is_open = unpacked(keep.mask, table) < 1 - OPEN_BELOW
    own = table.own[:, None, None]
    return tuple(torch.nonzero((is_open & own).flatten(1).any(1)).flatten().tolist())
