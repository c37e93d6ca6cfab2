"""A model call as data: what one window batch is evaluated on, in memory and on a line.

Tensors cross as safetensors, so that every bit arrives and nothing is unpickled. They are laid out
row by row on both sides of a line: a kernel may give other last bits for another layout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import safetensors.torch
from torch import Tensor

from ...shared.evaluation import Evaluate
from ..models.adapter import Cond, ViewGeometry

_CONTROL = "control."


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Arguments of `Adapter.denoised`; every tensor is laid out row by row.

    Attributes:
        x: Noisy windows, ``[N, C, f, h, w]``.
        sigma: Their noise level.
        cond: The encoded prompt.
        views: Where they lie.
    """

    x: Tensor
    sigma: float
    cond: Cond
    views: ViewGeometry

    @staticmethod
    def of(x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Call:
        """A call with its tensors laid out."""
        azimuth = views.azimuth_rad
        return Call(
            x=x.contiguous(),
            sigma=float(sigma),
            cond=replace(cond, tensors=_laid_out(cond.tensors)),
            views=replace(
                views,
                elevation_rad=views.elevation_rad.contiguous(),
                azimuth_rad=None if azimuth is None else azimuth.contiguous(),
                control=_laid_out(views.control),
            ),
        )

    def message(self, prompt: str) -> tuple[Evaluate, bytes]:
        """The request and its raw part; `prompt` is the hash of the encoded prompt."""
        views = self.views
        tensors = {"x": self.x, "elevation_rad": views.elevation_rad}
        if views.azimuth_rad is not None:
            tensors["azimuth_rad"] = views.azimuth_rad
        tensors |= {_CONTROL + name: tensor for name, tensor in views.control.items()}
        request = Evaluate(
            prompt=prompt,
            sigma=self.sigma,
            fov_deg=views.fov_deg,
            yaw_deg=views.yaw_deg,
            pitch_deg=views.pitch_deg,
            frames=views.frames,
            rings=views.rings,
            sigma_next=views.sigma_next,
        )
        return request, pack(tensors)

    @staticmethod
    def from_message(request: Evaluate, raw: bytes, cond: Cond) -> Call:
        """The call that `message` made a request of."""
        tensors = unpack(raw)
        control = {
            name.removeprefix(_CONTROL): tensor
            for name, tensor in tensors.items()
            if name.startswith(_CONTROL)
        }
        views = ViewGeometry(
            elevation_rad=tensors["elevation_rad"],
            fov_deg=request.fov_deg,
            azimuth_rad=tensors.get("azimuth_rad"),
            yaw_deg=request.yaw_deg,
            pitch_deg=request.pitch_deg,
            frames=request.frames,
            rings=request.rings,
            control=control,
            sigma_next=request.sigma_next,
        )
        return Call(x=tensors["x"], sigma=request.sigma, cond=cond, views=views)


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors of any device as safetensors."""
    return safetensors.torch.save({name: _whole(tensor) for name, tensor in tensors.items()})


def unpack(raw: bytes) -> dict[str, Tensor]:
    """Named tensors on the CPU."""
    return safetensors.torch.load(raw)


def hash_of(raw: bytes) -> str:
    """The name under which an encoded prompt is kept."""
    return hashlib.sha256(raw).hexdigest()


def _laid_out(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _whole(tensor: Tensor) -> Tensor:
    """With a memory of its own: the format refuses parts of a shared one."""
    plain = tensor.detach().cpu().contiguous()
    return plain if plain.untyped_storage().nbytes() == plain.nbytes else plain.clone()
