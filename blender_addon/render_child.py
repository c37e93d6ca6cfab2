"""Run by a second Blender: render a snapshot all around, transparent where nothing stands.

Beside the picture it leaves `reference.json`, which says whether the picture has an open part.
Distances are Blender's depth pass, which a panoramic camera measures along each direction.

    blender --background --factory-startup --python render_child.py -- '{"snapshot": …}'

The words are those of `reference.Order`. Cycles, since EEVEE has no panoramas; the view transform
is Standard, since the engine's pictures are sRGB.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def load_scene(snapshot: str, name: str) -> bpy.types.Scene:
    """Append the scene out of the snapshot; its name may have changed on the way."""
    with bpy.data.libraries.load(snapshot, link=False) as (held, wanted):
        wanted.scenes = [name if name in held.scenes else held.scenes[0]]
    return wanted.scenes[0]


def place_camera(scene: bpy.types.Scene, location: list[float], heading: float) -> None:
    """A level panoramic camera whose picture has `heading` (radians from +x) in its centre."""
    camera = bpy.data.cameras.new("Panoloom Reference")
    camera.type = "PANO"
    camera.panorama_type = "EQUIRECTANGULAR"
    camera.clip_start, camera.clip_end = 0.01, 1e6
    holder = bpy.data.objects.new("Panoloom Reference", camera)
    holder.location = location
    holder.rotation_euler = (math.pi / 2, 0.0, heading - math.pi / 2)
    scene.collection.objects.link(holder)
    scene.camera = holder


def set_up_render(scene: bpy.types.Scene, width: int, height: int, samples: int) -> None:
    """Cycles, a transparent background, and nothing of the user's that would alter the picture."""
    render = scene.render
    render.engine = "CYCLES"
    render.film_transparent = True
    render.resolution_x, render.resolution_y = width, height
    render.resolution_percentage = 100
    render.dither_intensity = 0.0  # what is empty stays exactly empty
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    for name in (
        "use_border",
        "use_compositing",
        "use_sequencer",
        "use_multiview",
        "use_motion_blur",
    ):
        setattr(render, name, False)
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False  # it does not know that left and right edge meet
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    scene.view_settings.use_curve_mapping = False


def render_picture(scene: bpy.types.Scene, order: dict[str, Any]) -> None:
    """Render the picture, and write down whether it is opaque."""
    set_up_render(scene, order["width"], order["height"], order["samples"])
    write_as(scene, "IMAGE", "PNG", "8")
    picture = Path(order["picture"])
    scene.render.filepath = str(picture)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    facts = json.dumps({"is_opaque": is_opaque(picture)})
    picture.with_suffix(".json").write_text(facts, encoding="utf-8")


def render_depth(scene: bpy.types.Scene, order: dict[str, Any]) -> None:
    """Render distances alone: one ray straight through the middle of each pixel, and no light."""
    set_up_render(scene, order["depth_width"], order["depth_width"] // 2, 1)
    write_as(scene, "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER", "32")
    scene.render.image_settings.exr_codec = "ZIP"
    scene.cycles.max_bounces = 0
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    for layer in scene.view_layers:
        for name in (name for name in dir(layer) if name.startswith("use_pass_")):
            setattr(layer, name, name == "use_pass_z")
    scene.render.filepath = order["depth"]
    bpy.ops.render.render(write_still=True, scene=scene.name)


def write_as(scene: bpy.types.Scene, kind: str, file_format: str, depth: str) -> None:
    """Choose a kind of file with an alpha and so many bits a channel."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # from 5.0 on it decides which formats there are
        settings.media_type = kind
    settings.file_format = file_format
    settings.color_mode = "RGBA"
    settings.color_depth = depth


def is_opaque(picture: Path) -> bool:
    """Whether no pixel of a picture is transparent, not even a little."""
    image = bpy.data.images.load(str(picture))
    rgba = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(rgba)
    return bool(rgba[3::4].min() >= 1.0)


def main(order: dict[str, Any]) -> None:
    """Carry out an order: the fields of `reference.Order`."""
    scene = load_scene(order["snapshot"], order["scene"])
    place_camera(scene, order["location"], order["heading"])
    if order["picture"]:
        render_picture(scene, order)
    if order["depth"]:
        render_depth(scene, order)


if __name__ == "__main__":
    main(json.loads(sys.argv[sys.argv.index("--") + 1]))
