"""Known truths to test against: moving functions on the sphere and models that know them.

`moving_sphere` is a smooth function of direction and of the phase of the loop; `OracleAdapter` is a
"model" that returns its true view whatever the noise, so that a correct method must come out as the
function itself. `white_gaussian` is the exact denoiser of white data; `FieldAdapter` is that of a
smooth Gaussian random field on the sphere, as a model that sees one window at a time has it;
`TorusAdapter` is that of a field on a torus, where a window as large as the torus makes it a Wiener
filter. With them every method is linear in its noise: `propagated` is that line written down a
second time, as matrices, and `Deviation` says how far a covariance lies from the true one.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

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

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
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


_ONE_AT_A_TIME = threading.Lock()
"""Adapters evaluate in threads of their own; the linear algebra of numpy has pools that may not."""


@functools.cache
def field_modes(fov_deg: float, frames: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Modes of a view in space, modes in time, variance of each ``[frames, cells]``."""
    seen = erp.view_directions(
        yaw_deg=0, pitch_deg=0, fov_deg=fov_deg, height=size, width=size
    ).reshape(-1, 3)
    in_space = np.linalg.eigh(field_covariance(np.clip(seen @ seen.T, -1, 1)))
    lag = np.subtract.outer(np.arange(frames), np.arange(frames)) / 3
    in_time = np.linalg.eigh(np.exp(-(lag**2) / 2))
    variance = np.maximum(np.multiply.outer(in_time[0], in_space[0]), 0)
    space, time, both = (
        torch.from_numpy(array.astype(np.float32)) for array in (in_space[1], in_time[1], variance)
    )
    return space, time, both


@dataclass
class FieldAdapter(OracleAdapter):
    """The exact denoiser of an isotropic Gaussian field that changes slowly, window by window.

    Usage: ``FieldAdapter(num_frames=8, spec=LatentSpec(channels=16, ratio_s=8, ratio_t=1))``; every
    channel is a field of its own.
    """

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        with _ONE_AT_A_TIME:
            in_space, in_time, variance = field_modes(views.fov_deg, x.shape[2], x.shape[3])
        modes = in_time.T @ (x.flatten(3) @ in_space)
        kept = (1 - sigma) * variance / ((1 - sigma) ** 2 * variance + sigma**2)
        return (in_time @ (modes * kept) @ in_space.T).view(x.shape)


@dataclass
class PlaceAdapter(OracleAdapter):
    """`OracleAdapter` for windows of any shape: it goes by the angles of every cell.

    Usage: as `OracleAdapter`; the truth is `moving_sphere` at the cells' angles.
    """

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        self.batch_sizes.append(len(x))
        assert views.azimuth_rad is not None
        angles = (views.azimuth_rad.double().numpy(), views.elevation_rad.double().numpy())
        directions = erp.angles_to_directions(*angles)
        phases = [np.array(frames) / self.num_frames for frames in views.frames]
        return torch.stack(
            [moving_sphere(seen, phase) for seen, phase in zip(directions, phases, strict=True)]
        )


def ring_covariance(length: int, width: float) -> NDArray[np.float64]:
    """A Gaussian bump of `width` cells wound around a ring, ``[length, length]``, 1 on top."""
    lag = np.subtract.outer(np.arange(length), np.arange(length)).astype(float)
    turns = np.arange(-6, 7) * length
    bump = np.exp(-((lag[..., None] + turns) ** 2) / (2 * width**2)).sum(axis=-1)
    return bump / bump[0, 0]


@dataclass(frozen=True)
class Torus:
    """A Gaussian field on frames x rows x columns, each a ring: broad and finer shapes, variance 1.

    Usage: ``Torus(1, 16, 24).covariance()`` is its ``[N, N]``, cells counted frame, row, column.
    """

    frames: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames, self.height, self.width

    def covariance(self) -> NDArray[np.float64]:
        in_time = ring_covariance(self.frames, 2.0)
        parts = (
            share * np.kron(ring_covariance(self.height, size), ring_covariance(self.width, size))
            for share, size in ((0.6, 4.0), (0.4, 1.2))
        )
        return np.kron(in_time, sum(parts))

    def cells(self, frames: Sequence[int], rows: Sequence[int], columns: Sequence[int]) -> Any:
        """Numbers of a window's cells, in the order of the window."""
        grid = np.arange(np.prod(self.shape)).reshape(self.shape)
        return grid[np.ix_(frames, rows, columns)].reshape(-1)


def posterior(covariance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """E[x0 | x] as a matrix, for x = (1 - sigma) x0 + sigma e. A Wiener filter on a whole ring."""
    share = 1 - sigma
    noisy = share**2 * covariance + sigma**2 * np.eye(len(covariance))
    return share * np.linalg.solve(noisy, covariance).T


@dataclass
class TorusAdapter(OracleAdapter):
    """The exact denoiser of a `Torus`, window by window; every channel is a field of its own.

    Usage: ``TorusAdapter(num_frames=1, torus=Torus(1, 16, 24), spec=LatentSpec(...))``.
    """

    torus: Torus = field(default_factory=lambda: Torus(1, 16, 24))
    filters: dict[Any, Tensor] = field(default_factory=dict)

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        size = tuple(x.shape[2:])
        if (size, sigma) not in self.filters:
            cells = self.torus.cells(*(range(n) for n in size))
            matrix = posterior(self.torus.covariance()[np.ix_(cells, cells)], sigma)
            self.filters[size, sigma] = torch.from_numpy(matrix.astype(np.float32))
        return (x.flatten(2) @ self.filters[size, sigma].T).view(x.shape)


def propagated(
    denoisers: Sequence[NDArray[np.float64]], sigmas: Sequence[float]
) -> NDArray[np.float64]:
    """The finished picture as a matrix of the first noise, for a linear `denoised` of each step.

    The second-order step is written down from its formula, not taken from the code.
    """
    x = sigmas[0] * np.eye(len(denoisers[0]), denoisers[0].shape[1])
    previous = None
    for step, matrix in enumerate(denoisers):
        s, t = sigmas[step], sigmas[step + 1]
        estimate = matrix @ x
        aim = estimate
        if previous is not None and t > 0:
            weight = 1 - np.log(s / t) / (s / t - 1)
            aim = estimate + (estimate - previous) * s / (sigmas[step - 1] - s) * weight
        x, previous = aim + (t / s) * (x - aim), estimate
    return x


@dataclass(frozen=True)
class Deviation:
    """How far a covariance ``[N, N]`` lies from the true one of the same cells.

    Attributes:
        variance: Mean variance over the true one.
        least, most: Smallest and largest variance of a cell.
        spectrum: Power over the true power in four bands, from broad to fine.
        step: Mean square difference of neighbours over the true one.
        worst_step: The same of the pair of columns where it is largest.
    """

    variance: float
    least: float
    most: float
    spectrum: tuple[float, ...]
    step: float
    worst_step: float

    @staticmethod
    def on_torus(found: NDArray[np.float64], torus: Torus) -> Deviation:
        true = torus.covariance()
        waves = np.fft.fftn(np.eye(len(true)).reshape(-1, *torus.shape), axes=(1, 2, 3))
        waves = waves.reshape(len(true), -1) / np.sqrt(len(true))
        power = [(waves.conj() * (c @ waves)).sum(axis=0).real for c in (found, true)]
        frequency = np.hypot(
            *np.meshgrid(np.fft.fftfreq(torus.height), np.fft.fftfreq(torus.width), indexing="ij")
        )
        band = np.digitize(np.tile(frequency.ravel(), torus.frames), (0.06, 0.13, 0.25))
        numbers = np.arange(len(true)).reshape(torus.shape)
        here, there = numbers.reshape(-1), np.roll(numbers, -1, axis=2).reshape(-1)
        steps = [c[here, here] + c[there, there] - 2 * c[here, there] for c in (found, true)]
        by_column = (steps[0] / steps[1]).reshape(torus.shape).mean(axis=(0, 1))
        return Deviation(
            variance=float(np.trace(found) / np.trace(true)),
            least=float(np.diag(found).min()),
            most=float(np.diag(found).max()),
            spectrum=tuple(
                float(power[0][band == k].sum() / power[1][band == k].sum()) for k in range(4)
            ),
            step=float(by_column.mean()),
            worst_step=float(by_column.max()),
        )


@dataclass
class SphereAdapter(FieldAdapter):
    """`FieldAdapter` for a model that knows panoramas: exact for cells wherever they look.

    Usage: as `FieldAdapter`, for windows of one frame; each window's own angles are used.
    """

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.calls += 1
        assert views.azimuth_rad is not None
        angles = (views.azimuth_rad.double().numpy(), views.elevation_rad.double().numpy())
        out = torch.empty_like(x)
        for k, seen in enumerate(erp.angles_to_directions(*angles)):
            flat = seen.reshape(-1, 3)
            covariance = field_covariance(np.clip(flat @ flat.T, -1, 1))
            matrix = torch.from_numpy(posterior(covariance, sigma).astype(np.float32))
            out[k] = (x[k].flatten(2) @ matrix.T).view(x[k].shape)
        return out


@dataclass(frozen=True)
class SphereDeviation:
    """How far a covariance of ERP cells lies from that of the field on the sphere.

    Attributes:
        variance: Mean over the sphere, over the true one.
        least, most: Of a row's mean variance.
        spectrum: Power over the true power, degrees 0-2, 3-6, 7-11 and 12-16.
        step: Mean square difference of neighbours in a row over the true one; an eighth of the rows
            at either pole left out.
        worst_step: Largest of any pair of neighbours in those rows.
        seam, poles: The same of the pairs across the seam, and across both poles.
    """

    variance: float
    least: float
    most: float
    spectrum: tuple[float, ...]
    step: float
    worst_step: float
    seam: float
    poles: float

    @staticmethod
    def of(found: NDArray[np.float64], height: int) -> SphereDeviation:
        shape = (height, 2 * height)
        seen = erp.cell_directions(*shape).reshape(-1, 3)
        cosine = np.clip(seen @ seen.T, -1, 1)
        true = field_covariance(cosine)
        areas = erp.cell_areas(*shape).reshape(-1)
        pair = np.outer(areas, areas)
        power = np.zeros((2, 17))
        for degree in range(17):
            wave = np.polynomial.legendre.legval(cosine, np.eye(17)[degree]) * pair
            power[:, degree] = [(c * wave).sum() for c in (found, true)]
        bands = ((0, 3), (3, 7), (7, 12), (12, 17))
        numbers = np.arange(len(true)).reshape(shape)

        def steps(here: Any, there: Any) -> NDArray[np.float64]:
            a, b = here.reshape(-1), there.reshape(-1)
            apart = [c[a, a] + c[b, b] - 2 * c[a, b] for c in (found, true)]
            return (apart[0] / apart[1]).reshape(here.shape)

        across = steps(numbers, np.roll(numbers, -1, axis=1))
        ends = numbers[[0, -1]]
        rows = np.diag(found).reshape(shape).mean(axis=1)
        inner = slice(height // 8, height - height // 8)
        return SphereDeviation(
            variance=float((np.diag(found) * areas).sum() / areas.sum()),
            least=float(rows.min()),
            most=float(rows.max()),
            spectrum=tuple(float(power[0, a:b].sum() / power[1, a:b].sum()) for a, b in bands),
            step=float(across[inner].mean()),
            worst_step=float(across[inner].max()),
            seam=float(across[inner, -1].mean()),
            poles=float(steps(ends, np.roll(ends, height, axis=1)).mean()),
        )
