"""Render a reference around a camera with coloured balls ahead, to the right and overhead.

Then another, out of the middle of a large ball.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from stage import part, run, small_scene

BALLS = {
    "ahead": ((0, 5, 0), (1, 0, 0)),
    "right": ((5, 0, 0), (0, 1, 0)),
    "up": ((0, 0, 5), (0, 0, 1)),
}


def glowing_ball(scene, place, colour) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1, location=place)
    material = bpy.data.materials.new("glow")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    emission, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    emission.inputs["Color"].default_value = (*colour, 1)
    material.node_tree.links.new(emission.outputs[0], output.inputs["Surface"])
    bpy.context.object.data.materials.append(material)


def facts(scene) -> str:
    """What must not change: names, settings, and how much there is."""
    return json.dumps(
        [
            scene.camera.name,
            scene.render.engine,
            scene.render.film_transparent,
            scene.render.filepath,
            [scene.render.resolution_x, scene.render.resolution_y],
            scene.view_settings.view_transform,
            sorted(o.name for o in scene.objects),
            [len(bpy.data.cameras), len(bpy.data.scenes), len(bpy.data.images)],
        ]
    )


def wait_for(render):
    while (picture := render.poll()) is None:
        time.sleep(0.05)
    return picture


def main(folder: str) -> dict[str, object]:
    scene = small_scene()
    scene.render.engine = "BLENDER_WORKBENCH"
    for place, colour in BALLS.values():
        glowing_ball(scene, place, colour)
    scene.camera.matrix_world = Matrix.Rotation(
        math.radians(70), 4, "X"
    )  # looks along +y, down a bit
    before = facts(scene)
    reference = part("blender_addon.reference")
    reference.copy(scene, Path(folder), width=128, height=64)
    render = reference.start(Path(folder))
    first = render.poll()
    picture = wait_for(render)
    after = facts(scene)
    image = bpy.data.images.load(str(picture.picture))
    pixels = np.array(image.pixels[:]).reshape(64, 128, 4)[::-1]
    glowing_ball(scene, (0, 0, 0), (0, 0, 1))
    reference.copy(scene, Path(folder) / "inside", width=128, height=64)
    inside = reference.start(Path(folder) / "inside")
    at = {"ahead": (32, 64), "right": (32, 96), "up": (1, 20), "behind": (32, 2), "down": (62, 64)}
    return {
        "waited": first is not None,
        "unchanged": before == after,
        "is_opaque": {"among": picture.is_opaque, "inside": wait_for(inside).is_opaque},
        "pixels": {name: [round(float(v), 3) for v in pixels[r, c]] for name, (r, c) in at.items()},
    }


run(main)
