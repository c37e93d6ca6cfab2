"""What a loop with a sun sheds on a white card: the sun in the picture, left to a lamp, left out.

known_sun.py FOLDER PICTURE_FIRST LAMP_FIRST LAMP_SIDECAR YAW_DEG PITCH_DEG
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy  # first: it brings mathutils
import numpy as np
from mathutils import Matrix, Vector
from stage import render, run, small_scene

SAMPLES = 256
CARD_M, AWAY_M = 2.0, 3.0


def white_card(scene: bpy.types.Scene, normal: Vector) -> bpy.types.Object:
    """A card around the origin that faces `normal`, and the camera in front of it."""
    turn = normal.to_track_quat("Z", "Y").to_matrix().to_4x4()
    half = CARD_M / 2
    mesh = bpy.data.meshes.new("card")
    corners = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    material = bpy.data.materials.new("white")
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    white, end = tree.nodes.new("ShaderNodeBsdfDiffuse"), tree.nodes.new("ShaderNodeOutputMaterial")
    white.inputs["Color"].default_value = (1, 1, 1, 1)
    tree.links.new(white.outputs[0], end.inputs["Surface"])
    mesh.materials.append(material)
    card = bpy.data.objects.new("card", mesh)
    card.matrix_world = turn
    scene.collection.objects.link(card)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 0.5
    scene.camera.matrix_world = turn @ Matrix.Translation((0, 0, AWAY_M))
    return card


def main(folder: str, picture: str, lamp: str, sidecar: str, yaw: str, pitch: str) -> object:
    scene = small_scene(samples=SAMPLES)
    scene.panoloom.show_as = "FINAL"
    upright = Matrix.Rotation(math.pi / 2, 4, "X")  # looks along +y: ahead
    yaw_rad, pitch_rad = math.radians(float(yaw)), math.radians(float(pitch))
    flat = math.cos(pitch_rad)
    to_sun = Vector((flat * math.sin(yaw_rad), flat * math.cos(yaw_rad), math.sin(pitch_rad)))
    aside = to_sun.cross(Vector((0, 0, 1))).normalized()
    tilted = Matrix.Rotation(math.radians(60), 3, aside) @ to_sun
    found: dict[str, list[float]] = {}

    def measure(name: str) -> None:
        """What falls on a white card: its luminance times pi, facing the sun and turned aside."""
        found[name] = []
        for normal in (to_sun, tilted):
            card = white_card(scene, normal)
            pixels = render(scene, Path(folder) / "card.exr")
            found[name].append(float(np.mean(pixels[..., :3] @ LUMA)) * math.pi)
            bpy.data.objects.remove(card)

    for name, first in (("picture", picture), ("none", lamp)):
        scene.camera.data.type, scene.camera.matrix_world = "PERSP", upright
        bpy.ops.panoloom.load_loop(filepath=first)
        measure(name)
    bpy.ops.panoloom.place_sun(filepath=sidecar)
    measure("lamp")
    return found


LUMA = np.array([0.2126, 0.7152, 0.0722])

if __name__ == "__main__":
    run(main)
