"""A browser, and films whose every direction has a colour of its own."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from headless import CHROMIUM, Browser

from panoloom.engine_server.output.export.encodings import encoding_of
from panoloom.engine_server.output.export.presets import find_preset
from panoloom.engine_server.output.spherical import Spherical, write_spherical
from panoloom.engine_server.output.video import VideoWriter

NUM_FRAMES, FPS = 12, Fraction(12)
QUARTERS = {0: (220, 30, 30), 90: (30, 200, 30), 180: (40, 40, 220), -90: (210, 210, 30)}
"""Yaw to colour."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """A Chromium for the tests of a file; one left open would go on painting beside the rest."""
    if not CHROMIUM or os.name == "nt":
        pytest.skip("no Chromium on this machine")
    with Browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def quarters(*, dimmed: float = 1.0) -> np.ndarray:
    """A panorama with a colour for each quarter, ahead in the middle; the sky white."""
    frame = np.zeros((128, 256, 3), np.float32)
    for yaw_deg, colour in QUARTERS.items():
        columns = (np.arange(-32, 32) + 128 + round(yaw_deg / 360 * 256)) % 256
        frame[:, columns] = np.float32(colour) / 255 * dimmed
    frame[:16] = dimmed
    return frame


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory):
    """layout -> a one-second film; of the stereo one the right eye's half is dark."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def make(layout: str) -> Path:
        if layout not in made:
            path = folder / f"{layout}.mp4"
            frame = quarters()
            if layout == "top-bottom":
                frame = np.concatenate([frame, quarters(dimmed=0.3)])
            size = {"width": 256, "height": len(frame), "fps": FPS}
            encoding = encoding_of(find_preset("web-safe"), "h264", **size, num_frames=NUM_FRAMES)
            with VideoWriter(path, **size, encoding=encoding) as video:
                for _ in range(NUM_FRAMES):
                    video.add(frame)
            write_spherical(path, Spherical(layout=layout))  # type: ignore[arg-type]
            made[layout] = path
        return made[layout]

    return make


@pytest.fixture(scope="session")
def counted_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-second film whose frames get brighter, so that each tells its number."""
    path = tmp_path_factory.mktemp("counted") / "loop.mp4"
    size = {"width": 256, "height": 128, "fps": FPS}
    encoding = encoding_of(find_preset("web-safe"), "h264", **size, num_frames=NUM_FRAMES)
    with VideoWriter(path, **size, encoding=encoding) as video:
        for index in range(NUM_FRAMES):
            video.add(np.full((128, 256, 3), 0.2 + 0.05 * index, np.float32))
    write_spherical(path, Spherical())
    return path


@pytest.fixture(scope="session")
def colours():
    """Yaw in degrees to the colour that stands there."""
    return QUARTERS
