"""Render the World in six directions at several frames, for three camera headings.

At the very pole Cycles blends the first with the last row, within half a pixel of the picture; the
corners of a 20 degree view stay clear of it.
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy  # noqa: F401  (first: it brings mathutils)
import numpy as np
from mathutils import Matrix
from stage import part, render, run, small_scene, write_exr

NUM_FRAMES = 4
HEIGHT = 64
DIRECTIONS = {  # name -> (yaw_deg to the right of the camera, pitch_deg up)
    "ahead": (0, 0),
    "right": (90, 0),
    "behind": (180, 0),
    "left": (-90, 0),
    "up": (0, 90),
    "down": (0, -90),
}


def erp(frame: int) -> np.ndarray:
    """Six directions, six colours; blue tells the frame. Row 0 is the zenith."""
    rows = (np.arange(HEIGHT) + 0.5) / HEIGHT
    columns = (np.arange(2 * HEIGHT) + 0.5) / (2 * HEIGHT)
    yaw, pitch = np.meshgrid((columns - 0.5) * 360, 90 - rows * 180)
    picture = np.empty((HEIGHT, 2 * HEIGHT, 3), np.float32)
    picture[..., 0] = 0.1 + 0.1 * (np.round(yaw / 90) % 4)  # 0 ahead, 1 right, 2 behind, 3 left
    picture[..., 1] = 0.2 + 0.2 * np.round(pitch / 90)  # 0 down, 0.2 level, 0.4 up
    picture[..., 2] = 0.1 * frame
    return picture


def aim(camera, heading: float, yaw_deg: float, pitch_deg: float) -> None:
    """Turn the camera to the right and up from a heading (radians from +x, to the left)."""
    turn = Matrix.Rotation(heading - math.radians(yaw_deg) - math.pi / 2, 4, "Z")
    camera.matrix_world = turn @ Matrix.Rotation(math.radians(90 + pitch_deg), 4, "X")


def main(folder: str) -> dict[str, object]:
    loop = Path(folder) / "loop" / "frames"
    scene = small_scene()
    for index in range(NUM_FRAMES):
        write_exr(loop / f"loop_{index + 1:04d}.exr", erp(index))
    world = part("blender_addon.world")
    scene.camera.data.angle = math.radians(20)
    seen = {}
    for heading_deg in (90, 0, 37):
        aim(scene.camera, math.radians(heading_deg), 0, 20)  # looks up a bit: pitch must not matter
        mine = world.create(scene, f"{heading_deg:032d}", world.camera_heading(scene), "test")
        world.show_loop(mine, loop.parent, NUM_FRAMES, final=False)
        frames = (-1, 0, 1, 2, 4, 5, 8, 9) if heading_deg == 90 else (1,)
        for frame in frames:
            scene.frame_set(frame)
            for name, (yaw, pitch) in DIRECTIONS.items():
                aim(scene.camera, math.radians(heading_deg), yaw, pitch)
                pixels = render(scene, Path(folder) / "shot.exr")
                border = pixels[[0, 0, -1, -1], [0, -1, 0, -1], :3]  # see the note on the poles
                assert np.ptp(border[:, 1:], axis=0).max() < 2e-3, (heading_deg, frame, name)
                seen[f"{heading_deg}/{frame}/{name}"] = [round(float(v), 4) for v in border[0]]
    return {"seen": seen, "num_frames": NUM_FRAMES}


run(main)
