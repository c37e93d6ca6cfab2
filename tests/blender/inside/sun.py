"""The sun of an export is placed; a camera that looks to where it shines from sees the World's own.

sun.py FOLDER
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import bpy  # first: it brings mathutils
import numpy as np
from mathutils import Matrix, Vector
from stage import part, render, run, small_scene, write_exr

HEIGHT = 64
YAW_DEG, PITCH_DEG, HEADING_DEG = 60.0, 30.0, 37.0


def erp() -> np.ndarray:
    """Black, with a spot 8 degrees in radius where the sun is."""
    rows = 90 - (np.arange(HEIGHT) + 0.5) / HEIGHT * 180
    columns = (np.arange(2 * HEIGHT) + 0.5) / (2 * HEIGHT) * 360 - 180
    yaw, pitch = np.radians(np.meshgrid(columns, rows))
    at_yaw, at_pitch = math.radians(YAW_DEG), math.radians(PITCH_DEG)
    facing = np.sin(pitch) * math.sin(at_pitch) + np.cos(pitch) * math.cos(at_pitch) * np.cos(
        yaw - at_yaw
    )
    spot = (facing > math.cos(math.radians(8))).astype(np.float32)
    return np.repeat(spot[..., None], 3, axis=-1)


def main(folder: str) -> dict[str, object]:
    loop = Path(folder) / "loop" / "frames"
    for number in (1, 2):
        write_exr(loop / f"loop_{number:04d}.exr", erp())
    yaw, pitch = math.radians(YAW_DEG), math.radians(PITCH_DEG)
    flat = math.cos(pitch)
    sun = {
        "direction": [flat * math.cos(yaw), flat * math.sin(yaw), math.sin(pitch)],
        "colour": [1.0, 0.5, 0.25],
        "angle_deg": 0.526,
        "illuminance": 3.0,
        "lamp_strength": 2.0,
    }
    sidecar = Path(folder) / "loop.json"
    sidecar.write_text(json.dumps({"format": "panoloom.export", "hdr": {"sun": sun}}))
    scene, world = small_scene(), part("blender_addon.world")
    scene.camera.data.angle = math.radians(4)
    turn = Matrix.Rotation(math.radians(HEADING_DEG) - math.pi / 2, 4, "Z")
    scene.camera.matrix_world = turn @ Matrix.Rotation(math.pi / 2, 4, "X")
    mine = world.create(scene, f"{7:032d}", world.camera_heading(scene), "test")
    world.show_loop(mine, loop.parent, 2, final=True)
    for _ in range(2):  # the second time it is moved, not doubled
        bpy.ops.panoloom.place_sun(filepath=str(sidecar))
    manifest = {"format": "panoloom.artifact", "sun": sun | {"lamp_strength": 1.5}}
    (loop.parent / "manifest.json").write_text(json.dumps(manifest))
    asked = bpy.ops.panoloom.place_sun()
    own = [list(asked), scene.objects["Panoloom Sun"].data.energy]
    bpy.ops.panoloom.place_sun(filepath=str(sidecar))
    lamps = [each for each in scene.objects if each.type == "LIGHT"]
    bpy.context.view_layer.update()
    towards = lamps[0].matrix_world.to_3x3() @ Vector((0, 0, 1))
    lamps[0].hide_render = True
    scene.camera.matrix_world = towards.to_track_quat("-Z", "Y").to_matrix().to_4x4()
    seen = float(np.mean(render(scene, Path(folder) / "seen.exr")[..., 0]))
    scene.camera.matrix_world = (-towards).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    behind = float(np.mean(render(scene, Path(folder) / "seen.exr")[..., 0]))
    return {
        "num_lamps": len(lamps),
        "own": own,
        "energy": lamps[0].data.energy,
        "colour": list(lamps[0].data.color),
        "seen": seen,
        "behind": behind,
    }


if __name__ == "__main__":
    run(main)
