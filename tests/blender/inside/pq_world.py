"""Light of a PQ film, frame by frame: what the camera sees of it, and what it sheds on a floor.

Words: the film, the number of its frames. Blender 5.0 or newer.
"""

from __future__ import annotations

import json
import sys
import tempfile
from math import pi
from pathlib import Path

import bpy

FILM, NUM_FRAMES = sys.argv[1], int(sys.argv[2])
ALBEDO, SUN = 0.5, 2.0


def rendered(scene: bpy.types.Scene, folder: Path) -> float:
    """Mean red of the picture."""
    scene.render.filepath = str(folder / "a.exr")
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(scene.render.filepath, check_existing=False)
    pixels = list(picture.pixels)
    bpy.data.images.remove(picture)
    return sum(pixels[0::4]) / (len(pixels) // 4)


bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 32
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = 8
scene.render.image_settings.file_format = "OPEN_EXR"
scene.render.image_settings.color_depth = "32"
scene.frame_end = NUM_FRAMES

world = scene.world = bpy.data.worlds.new("light")
tree = world.node_tree
tree.nodes.clear()
texture = tree.nodes.new("ShaderNodeTexEnvironment")
back = tree.nodes.new("ShaderNodeBackground")
out = tree.nodes.new("ShaderNodeOutputWorld")
tree.links.new(texture.outputs["Color"], back.inputs["Color"])
tree.links.new(back.outputs["Background"], out.inputs["Surface"])
texture.image = bpy.data.images.load(FILM)
texture.image_user.frame_duration = NUM_FRAMES
texture.image_user.frame_start = 1
texture.image_user.use_cyclic = texture.image_user.use_auto_refresh = True

camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.collection.objects.link(camera)
scene.camera = camera
camera.location = (0, 0, 1)  # looks down

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    seen = []
    for frame in range(1, NUM_FRAMES + 1):
        scene.frame_set(frame)
        seen.append(rendered(scene, folder))
    bpy.ops.mesh.primitive_plane_add(size=100)
    floor = bpy.context.object
    paint = bpy.data.materials.new("grey")
    paint.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*[ALBEDO] * 3, 1)
    paint.node_tree.nodes["Principled BSDF"].inputs["Specular IOR Level"].default_value = 0
    floor.data.materials.append(paint)
    shed = []
    for frame in range(1, NUM_FRAMES + 1):
        scene.frame_set(frame)
        shed.append(rendered(scene, folder) / ALBEDO)
    back.inputs["Strength"].default_value = 0
    lamp = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    lamp.data.energy = SUN
    scene.collection.objects.link(lamp)
    sun = rendered(scene, folder) / ALBEDO * pi / SUN
print(
    "RESULT "
    + json.dumps(
        {
            "version": bpy.app.version_string,
            "colour_space": texture.image.colorspace_settings.name,
            "seen": seen,
            "shed": shed,
            "sun": sun,
        }
    )
)
