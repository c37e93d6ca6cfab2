"""Moving panoramas whose every moment is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from panoloom.engine_server.panorama.erp import cell_directions
from panoloom.shared.jobs import JobSpec

Scene = Callable[[int, float], np.ndarray]


def wavy(directions: np.ndarray) -> np.ndarray:
    """A smooth texture on the sphere, within 0.2..0.8."""
    rng = np.random.default_rng(1)
    total = np.zeros(directions.shape[:-1])
    for _ in range(24):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        total += np.sin(rng.uniform(4, 20) * (directions @ axis) + rng.uniform(0, 6))
    return 0.5 + 0.3 * np.tanh(total / 4)


@pytest.fixture
def turned_texture() -> Scene:
    """(height, turn_deg) -> the texture, turned about the vertical axis; grey [H, W, 3]."""

    def make(height: int, turn_deg: float) -> np.ndarray:
        turn = np.radians(turn_deg)
        c, s = np.cos(turn), np.sin(turn)
        turned = cell_directions(height, 2 * height) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return np.repeat(wavy(turned)[..., None], 3, axis=-1).astype(np.float32)

    return make


@pytest.fixture
def running_disc() -> Scene:
    """(height, yaw_deg) -> a yellow disc, 14 degrees in radius, over the still texture."""

    def make(height: int, yaw_deg: float) -> np.ndarray:
        directions = cell_directions(height, 2 * height)
        yaw, pitch = np.radians(yaw_deg), 0.3
        centre = [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
        away_deg = np.degrees(np.arccos(np.clip(directions @ np.array(centre), -1, 1)))
        disc = np.clip(14 - away_deg, 0, 1)[..., None]
        ground = wavy(directions)[..., None] * np.array([0.4, 0.5, 0.8])
        return (ground * (1 - disc) + disc * np.array([1.0, 0.8, 0.2])).astype(np.float32)

    return make


@pytest.fixture
def small_spec() -> JobSpec:
    """A loop that is written in a moment."""
    return JobSpec(
        prompt="a Calm sea, at night", width=64, height=32, num_frames=4, model_revision="r1"
    )


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(1 / max(np.mean((a - b) ** 2), 1e-12)))


@pytest.fixture
def psnr() -> Callable[[np.ndarray, np.ndarray], float]:
    """Peak signal-to-noise ratio in dB of pictures in 0..1."""
    return psnr_db
