"""Known truths to test against: moving functions on the sphere and models that know them.

`moving_sphere` is a smooth function of direction and of the phase of the loop; `OracleAdapter` is a
"model" that returns its true view whatever the noise, so that a correct method must come out as the
function itself. `white_gaussian` is the exact denoiser of white data; `FieldAdapter` is that of a
smooth Gaussian random field on the sphere, as a model that sees one window at a time has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.panorama import erp

CHANNELS = 3


def moving_sphere(directions: NDArray[np.float64], phase: NDArray[np.float64]) -> Tensor:
    """Values ``[3, F, *shape]`` at directions ``[*shape, 3]`` and loop phases ``[F]`` in 0..1.

    The three channels turn with time around three axes, one turn a loop: none is constant at the
    poles, at the seam or at the loop join. Band-limited to degree 2.
    """
    x, y, z = (axis[None] for axis in np.moveaxis(directions, -1, 0))
    turn = (2 * np.pi * np.asarray(phase)).reshape(-1, *[1] * (directions.ndim - 1))
    cos, sin = np.cos(turn), np.sin(turn)
    around_z = x * cos + y * sin
    around_x = y * cos + z * sin
    around_y = z * cos + x * sin
    values = (around_z + 0.3 * around_z * z, around_x, around_y + 0.4 * x * y)
    return torch.from_numpy(np.stack(values).astype(np.float32))


def moving_erp(height: int, num_frames: int) -> Tensor:
    """The moving function on an ERP grid, ``[3, F, height, 2 * height]``."""
    directions = erp.cell_directions(height, 2 * height)
    return moving_sphere(directions, np.arange(num_frames) / num_frames)


@dataclass
class OracleAdapter:
    """A model that knows the scene: `denoised` is its true view. Counts its calls.

    Usage: ``OracleAdapter(num_frames=16)``; the panorama must then have 16 latent frames.
    """

    num_frames: int
    spec: LatentSpec = field(
        default_factory=lambda: LatentSpec(channels=CHANNELS, ratio_s=8, ratio_t=1)
    )
    calls: int = 0
    batch_sizes: list[int] = field(default_factory=list)

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond(tensors={"texts": torch.zeros(len(texts), 1)})

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        self.batch_sizes.append(len(x))
        seen = []
        for k in range(len(x)):
            directions = erp.view_directions(
                yaw_deg=views.yaw_deg[k],
                pitch_deg=views.pitch_deg[k],
                fov_deg=views.fov_deg,
                height=x.shape[3],
                width=x.shape[4],
            )
            seen.append(moving_sphere(directions, np.array(views.frames[k]) / self.num_frames))
        return torch.stack(seen)

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor, *, wraps: bool) -> Iterator[Tensor]:
        raise NotImplementedError


@dataclass
class FunctionAdapter(OracleAdapter):
    """A model that is a plain function of (x, sigma, cond) and knows nothing of where it looks.

    Usage: ``FunctionAdapter(num_frames=8, function=lambda x, sigma, cond: 0 * x)``.
    """

    function: Callable[[Tensor, float, Cond], Tensor] = lambda x, sigma, cond: x

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        self.batch_sizes.append(len(x))
        return self.function(x, sigma, cond)


def white_gaussian(x: Tensor, sigma: float, cond: Cond) -> Tensor:
    """Exact `denoised` for unit white Gaussian data under x_sigma = (1 - sigma) x0 + sigma e."""
    return x * (1 - sigma) / ((1 - sigma) ** 2 + sigma**2)


def field_covariance(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance of the field over the cosine of an angle: broad and finer shapes, variance 1."""
    degree = np.arange(60)

    def heat(width_deg: float) -> NDArray[np.float64]:
        power = (2 * degree + 1) * np.exp(-degree * (degree + 1) * np.radians(width_deg) ** 2 / 4)
        return np.polynomial.legendre.legval(cosine, power / power.sum())

    return 0.6 * heat(45) + 0.4 * heat(12)


@dataclass
class FieldAdapter(OracleAdapter):
    """The exact denoiser of an isotropic Gaussian field that changes slowly, window by window.

    Usage: ``FieldAdapter(num_frames=8, spec=LatentSpec(channels=16, ratio_s=8, ratio_t=1))``; every
    channel is a field of its own.
    """

    modes: dict[float, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)

    def _modes(self, fov_deg: float, frames: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Modes in space, modes in time, variance of each ``[frames, cells]``."""
        if fov_deg not in self.modes:
            seen = erp.view_directions(
                yaw_deg=0, pitch_deg=0, fov_deg=fov_deg, height=size, width=size
            ).reshape(-1, 3)
            in_space = np.linalg.eigh(field_covariance(np.clip(seen @ seen.T, -1, 1)))
            lag = np.subtract.outer(np.arange(frames), np.arange(frames)) / 3
            in_time = np.linalg.eigh(np.exp(-(lag**2) / 2))
            variance = np.maximum(np.multiply.outer(in_time[0], in_space[0]), 0)
            self.modes[fov_deg] = tuple(
                torch.from_numpy(array.astype(np.float32))
                for array in (in_space[1], in_time[1], variance)
            )
        return self.modes[fov_deg]

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        in_space, in_time, variance = self._modes(views.fov_deg, x.shape[2], x.shape[3])
        modes = in_time.T @ (x.flatten(3) @ in_space)
        kept = (1 - sigma) * variance / ((1 - sigma) ** 2 * variance + sigma**2)
        return (in_time @ (modes * kept) @ in_space.T).view(x.shape)
