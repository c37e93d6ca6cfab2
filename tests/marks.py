"""A panorama with six marked directions, for everything that shows one to agree on.

    loop = marked_loop(tmp_path)          # a finished result; export it, show it, then look:
    for name, (yaw_deg, pitch_deg, colour) in MARKS.items(): ...

Each mark is a face of a cube around the viewer, in one colour. `colour` is what a screen shows,
0..255; none is so bright that an HDR export would stretch it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.panorama.erp import cell_directions
from panoloom.shared.jobs import JobSpec

MARKS: dict[str, tuple[float, float, tuple[int, int, int]]] = {
    "ahead": (0, 0, (200, 30, 30)),
    "right": (90, 0, (30, 150, 30)),
    "behind": (180, 0, (40, 40, 210)),
    "left": (-90, 0, (170, 150, 30)),
    "up": (0, 90, (30, 150, 160)),
    "down": (0, -90, (160, 40, 160)),
}
"""Name to degrees to the right, degrees up, colour."""
HEIGHT, NUM_FRAMES, FPS = 128, 4, 8.0
DIMMED = 0.6
"""Of every other frame, in linear light: so that frames are told apart."""


def marked(height: int = HEIGHT) -> np.ndarray:
    """The panorama [H, 2 H, 3], linear light; its middle is ahead, its right half to the right."""
    yaw, pitch = np.radians([mark[:2] for mark in MARKS.values()]).T
    axes = np.stack([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    nearest = np.argmax(cell_directions(height, 2 * height) @ axes, axis=-1)
    return np.array([linear(mark[2]) for mark in MARKS.values()], np.float32)[nearest]


def linear(colour: tuple[int, int, int]) -> tuple[float, ...]:
    """What a screen's colour is in linear light (IEC 61966-2-1)."""
    shares = (value / 255 for value in colour)
    return tuple(s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)


def marked_loop(library: Path) -> Path:
    """The folder of a finished loop; its odd frames are dimmed."""
    spec = JobSpec(
        prompt="marks",
        width=2 * HEIGHT,
        height=HEIGHT,
        num_frames=NUM_FRAMES,
        fps=FPS,
        model_revision="r1",
    )
    encoded = to_screen(marked()), to_screen(marked() * DIMMED)
    with ArtifactWriter(library, spec, "a" * 32, made_with={}) as writer:
        writer.write(encoded[index % 2] for index in range(NUM_FRAMES))
        return library / writer.finish().folder


def to_screen(light: np.ndarray) -> np.ndarray:
    """sRGB-encoded, 0..1."""
    low = light <= 0.0031308
    return np.where(low, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
