"""A model that counts: how often it is asked, what it sees, and how long it takes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..models.adapter import Adapter, Cond, ViewGeometry
from ..models.passing_on import PassesOn
from ..panorama.erp import angles_to_directions


@dataclass
class CountingAdapter(PassesOn):
    """An `Adapter` around another that keeps count of `denoised`.

    Attributes:
        adapter: The model that does the work.
        evaluations: Windows it was asked for, those in time and for guidance counted.
        cells: Latent cells of all of them: a large window costs more than a small one.
        seen_sr: Solid angle of all of them times their frames, steradian.
        wall_s, cpu_s: Time spent inside the model: by the clock, and of all threads.
        device: Where its results lie: "cpu", "cuda".
    """

    adapter: Adapter
    evaluations: int = 0
    cells: int = 0
    seen_sr: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    device: str = "cpu"
    solid_angles: dict[tuple[float, ...], float] = field(default_factory=dict)

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate; counted."""
        self.evaluations += len(x)
        self.cells += x[:, 0].numel()
        if views.azimuth_rad is not None:
            pairs = zip(views.azimuth_rad, views.elevation_rad, strict=True)
            self.seen_sr += x.shape[2] * sum(self._solid_angle(*pair) for pair in pairs)
        wall, cpu = time.perf_counter(), time.process_time()
        result = self.adapter.denoised(x, sigma, cond, views)
        self.device = result.device.type
        if result.is_cuda:
            torch.cuda.synchronize()
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu
        return result

    def _solid_angle(self, azimuth_rad: Tensor, elevation_rad: Tensor) -> float:
        row = elevation_rad[:, elevation_rad.shape[1] // 2].tolist()
        key = (*(round(angle, 5) for angle in row), *elevation_rad.shape)
        if key not in self.solid_angles:
            self.solid_angles[key] = solid_angle(azimuth_rad, elevation_rad)
        return self.solid_angles[key]


def solid_angle(azimuth_rad: Tensor, elevation_rad: Tensor) -> float:
    """Steradian of a window, from the angles of its cells ``[h, w]``: parallelograms between them.

    For a perspective view of 16 x 16 cells within 1 % of the exact value.
    """
    angles = (azimuth_rad.double().cpu().numpy(), elevation_rad.double().cpu().numpy())
    directions = angles_to_directions(*angles)
    down, across = np.gradient(directions, axis=(0, 1))
    return float(np.linalg.norm(np.cross(down, across), axis=-1).sum())


def redundancy(counted: CountingAdapter, *, num_frames: int, num_steps: int, passes: int) -> float:
    """How many times over a step looks at the sphere and at all frames, on average: 1 is once."""
    return counted.seen_sr / (4 * math.pi * num_frames * num_steps * passes)
