"""Videos whose every figure is known beforehand, small enough to be measured in a moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from panoloom.engine_server.panorama.erp import cell_directions
from panoloom.engine_server.quality.report import Report, evaluate_frames

Frames = list[np.ndarray]
HEIGHT = 64


def texture(directions: np.ndarray) -> np.ndarray:
    """A smooth grey texture on the sphere, 30..225."""
    rng = np.random.default_rng(5)
    total = np.zeros(directions.shape[:-1])
    for _ in range(30):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        total += np.sin(rng.uniform(3, 14) * (directions @ axis) + rng.uniform(0, 6))
    return 127.5 + 97.5 * np.tanh(total / 5)


def turned(height: int, turn_deg: float, axis: int = 2) -> np.ndarray:
    """The texture turned about an axis (0 forward, 1 right, 2 up), [H, 2H, 3] uint8.

    About "up" the picture moves to the right for a positive angle.
    """
    turn = np.radians(turn_deg)
    c, s = np.cos(turn), np.sin(turn)
    one, two = [index for index in range(3) if index != axis]
    matrix = np.eye(3)
    matrix[one, one] = matrix[two, two] = c
    matrix[one, two], matrix[two, one] = (-s, s) if axis != 1 else (s, -s)
    grey = texture(cell_directions(height, 2 * height) @ matrix)
    return grey_frame(grey)


def grey_frame(grey: np.ndarray) -> np.ndarray:
    """[H, W] floats as a frame [H, W, 3] uint8."""
    return np.repeat(np.rint(np.clip(grey, 0, 255)).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.fixture(scope="session")
def turning() -> Callable[..., Frames]:
    """(count, step_deg, height, axis) -> the texture turning by `step_deg` a frame."""

    def make(count: int, step_deg: float, height: int = HEIGHT, axis: int = 2) -> Frames:
        return [turned(height, step_deg * index, axis) for index in range(count)]

    return make


@pytest.fixture(scope="session")
def perfect_loop() -> Frames:
    """24 frames seen from a point that goes once around a circle: the join is a pair like all."""
    count = 24
    phase = np.arange(count) / count * 2 * np.pi
    directions = cell_directions(HEIGHT, 2 * HEIGHT)
    away = np.stack([np.cos(phase), np.sin(phase), np.full(count, 1.3)], axis=-1) * 0.15
    return [grey_frame(texture(directions + offset)) for offset in away]


@pytest.fixture(scope="session")
def jumping_loop(perfect_loop: Frames) -> Frames:
    """The perfect loop without its last third: the join leads over eight missing frames."""
    return perfect_loop[:16]


@pytest.fixture(scope="session")
def perfect_report(perfect_loop: Frames) -> Report:
    """What is said of the perfect loop."""
    return evaluate_frames(perfect_loop, fps=8.0, source="<b>&")
