"""A model whose windows are shown what their views see of the reference and of what to follow.

Views move with every step, so a picture is projected and coded for every place a view takes; the
last places are kept, because views that stand still come back to theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec
from ..models.adapter import Adapter, Cond, ViewGeometry, WindowPictures
from ..models.passing_on import PassesOn
from ..panorama.erp import erp_to_view

PERSPECTIVE_METHODS = ("fused", "still")
"""Methods all of whose windows are views through a lens."""
PLACES_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Panoramas that the windows of a job are shown; see `adapter.WindowPictures`.

    Attributes:
        picture, follow: ``[3, H, W]``, -1..1.
        is_open: ``[H, W]``, 0..1.
    """

    picture: Tensor | None = None
    follow: Tensor | None = None
    is_open: Tensor | None = None

    def seen(self, **view: Any) -> WindowPictures:
        """What a view (`erp_to_view`) sees of them."""

        def look(panorama: Tensor | None) -> Tensor | None:
            return None if panorama is None else erp_to_view(panorama, supersample=2, **view)

        is_open = None if self.is_open is None else look(self.is_open[None])
        return WindowPictures(
            picture=look(self.picture),
            follow=look(self.follow),
            is_open=None if is_open is None else (is_open[0] > 0.5).float(),
        )


NO_PICTURES = Pictures()


@dataclass(kw_only=True)
class ShownViews(PassesOn):
    """An `Adapter` that shows the windows of another one pictures.

    Attributes:
        adapter: The model, one of `adapter.Shown`.
        pictures: What it is shown.
    """

    adapter: Any
    pictures: Pictures
    _kept: dict[tuple[float, ...], Mapping[str, Tensor]] = field(default_factory=dict)
    _coding: threading.Lock = field(default_factory=threading.Lock)
    """Several chunks may be under way, and an autoencoder codes one picture at a time."""

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate of x0 for windows that are shown their pictures."""
        made = [
            self._control(yaw, pitch, views.fov_deg)
            for yaw, pitch in zip(views.yaw_deg, views.pitch_deg, strict=True)
        ]
        control = {name: torch.cat([one[name] for one in made]) for name in made[0]}
        return self.adapter.denoised(x, sigma, cond, replace(views, control=control))

    def _control(self, yaw_deg: float, pitch_deg: float, fov_deg: float) -> Mapping[str, Tensor]:
        place = (yaw_deg, pitch_deg, fov_deg)
        with self._coding:
            if place not in self._kept:
                size = tuple(cells * self.spec.ratio_s for cells in self.spec.window_hw)
                shown = self.pictures.seen(
                    yaw_deg=yaw_deg, pitch_deg=pitch_deg, fov_deg=fov_deg, size=size
                )
                while len(self._kept) >= PLACES_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[place] = self.adapter.view_control(shown)
            return self._kept[place]


def shown_views(spec: JobSpec, adapter: Adapter, pictures: Pictures) -> Adapter:
    """The model as this job shows it pictures: itself where it takes none or there are none.

    Raises:
        InvalidJob: It makes nothing without one, or the method's windows are no views.
    """
    if not hasattr(adapter, "view_control"):
        return adapter
    needs = bool(getattr(adapter, "needs_picture", False))
    if pictures.picture is None and pictures.follow is None:
        if needs:
            raise InvalidJob(
                f"Model '{spec.model}' brings a picture to life: give it a reference panorama, or "
                "take a model that needs none.",
                field="reference",
            )
        return adapter
    if spec.method not in PERSPECTIVE_METHODS:
        if needs or pictures.follow is not None:
            raise InvalidJob(
                f"Model '{spec.model}' is shown what each view sees of a picture; method "
                f"'{spec.method}' has windows that are no views. Take the method "
                f"{PERSPECTIVE_METHODS[0]}.",
                field="method",
                known=[PERSPECTIVE_METHODS[0]],
            )
        return adapter
    return ShownViews(adapter=adapter, pictures=pictures)
