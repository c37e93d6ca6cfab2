"""Load a numbered sequence as a World; what a camera sees in some directions and at some frames.

hdri.py FOLDER FIRST_PICTURE "[[yaw_deg, pitch_deg], ...]" "[frame, ...]"
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import bpy  # first: it brings mathutils
import numpy as np
from mathutils import Matrix
from stage import render, run, small_scene

HEADING_DEG = 37.0


def aim(camera: bpy.types.Object, yaw_deg: float, pitch_deg: float) -> None:
    """Turn the camera to the right and up of where it looked when the loop was loaded."""
    turn = Matrix.Rotation(math.radians(HEADING_DEG - yaw_deg) - math.pi / 2, 4, "Z")
    camera.matrix_world = turn @ Matrix.Rotation(math.radians(90 + pitch_deg), 4, "X")


def main(folder: str, first: str, directions: str, frames: str) -> dict[str, object]:
    scene = small_scene()
    scene.camera.data.angle = math.radians(20)
    aim(scene.camera, 0, 0)
    scene.panoloom.show_as = "FINAL"
    bpy.ops.panoloom.load_loop(filepath=first)

    def seen() -> list[float]:
        pixels = render(scene, Path(folder) / "seen.exr")[..., :3]
        return [float(value) for value in np.median(pixels.reshape(-1, 3), axis=0)]

    scene.frame_set(1)
    found = []
    for yaw_deg, pitch_deg in json.loads(directions):
        aim(scene.camera, yaw_deg, pitch_deg)
        found.append(seen())
    aim(scene.camera, 0, 0)
    over_time = []
    for frame in json.loads(frames):
        scene.frame_set(frame)
        over_time.append(seen())
    return {"seen": found, "over_time": over_time}


if __name__ == "__main__":
    run(main)
