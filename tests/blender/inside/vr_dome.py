"""The dome of VR beside the World: both render the same, all around and turned; then it is gone.

vr_dome.py FOLDER
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from stage import part, render, run, small_scene, write_exr

SIZE = (32, 32)


def erp(frame: int) -> np.ndarray:
    """A smooth picture without symmetry [64, 128, 3]; blue tells the frame."""
    v, u = np.mgrid[0:64, 0:128] + 0.5
    yaw, pitch = (u / 128 - 0.5) * 2 * np.pi, (0.5 - v / 64) * np.pi
    along = 0.4 + 0.3 * np.cos(pitch) * np.sin(yaw), 0.4 + 0.3 * np.sin(pitch)
    return np.stack((*along, np.full_like(yaw, 0.2 + 0.2 * frame)), -1).astype(np.float32)


def main(folder: str) -> dict[str, object]:
    loop = Path(folder) / "loop" / "frames"
    for index in range(2):
        write_exr(loop / f"loop_{index + 1:04d}.exr", erp(index))
    scene = small_scene(size=SIZE)
    scene.camera.data.angle = math.radians(70)
    scene.camera.data.clip_end = 10_000
    world, nodes = part("blender_addon.world"), part("blender_addon.world_nodes")
    dome = part("blender_addon.vr_dome")
    mine = world.create(scene, "f" * 32, math.radians(37), "test")
    world.show_loop(mine, loop.parent, 2, final=True)
    world.turn(mine, 0.4)
    place = (3.0, -2.0, 1.5)
    before = [len(bpy.data.meshes), len(bpy.data.materials)]
    worst = 0.0
    for frame in (1, 2):
        for turn, tilt in ((0, 90), (100, 60), (210, 130)):
            scene.frame_set(frame)
            scene.camera.matrix_world = (
                Matrix.Translation(place)
                @ Matrix.Rotation(math.radians(turn), 4, "Z")
                @ Matrix.Rotation(math.radians(tilt), 4, "X")
            )
            seen = render(scene, Path(folder) / "picture.exr")
            made = dome.raise_dome(scene, place)
            made.hide_render = False
            nodes.node(mine, nodes.VISIBLE).inputs["Strength"].default_value = 0.0
            inside = render(scene, Path(folder) / "picture.exr")
            nodes.node(mine, nodes.VISIBLE).inputs["Strength"].default_value = 1.0
            dome.lower_dome()
            worst = max(worst, float(np.abs(np.asarray(seen) - np.asarray(inside)).max()))
    after = [len(bpy.data.meshes), len(bpy.data.materials)]
    return {"worst": worst, "seen": float(np.asarray(seen).max()), "gone": before == after}


run(main)
