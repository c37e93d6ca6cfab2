"""What the scripts share: the extension switched on, tiny renders, and an honest exit."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # of the tests
from programs import write_program  # noqa: F401  (for the scripts)

MODULE = "bl_ext.user_default.panoloom"


def enable() -> None:
    """Switch the installed extension on in this process."""
    bpy.ops.preferences.addon_enable(module=MODULE)
    assert MODULE in bpy.context.preferences.addons, "the extension is not installed"


def part(name: str) -> Any:
    """A module of the installed extension: `part("blender_addon.world")`."""
    return importlib.import_module(f"{MODULE}.{name}")


def run(main: Callable[..., Any]) -> None:
    """Call `main(*words)`, print its result for the test and leave without Blender's exit code."""
    code = 0
    try:
        print("RESULT " + json.dumps(main(*sys.argv[1:])))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # some versions of bpy crash in their own exit


def write_exr(path: Path, pixels: np.ndarray) -> None:
    """Scene-linear [H, W, 3] floats, row 0 at the top, as an EXR that holds them unchanged."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new("test", width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels[::-1]
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw = str(path)
    image.file_format = "OPEN_EXR"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save()
    bpy.data.images.remove(image)


def small_scene(*, samples: int = 1, size: tuple[int, int] = (8, 8)) -> Any:
    """The only scene left, with a camera and nothing else, rendered by Cycles to linear floats."""
    if MODULE not in bpy.context.preferences.addons:
        enable()
    scene = bpy.data.scenes.new("Scene")
    bpy.context.window.scene = scene
    for other in list(bpy.data.scenes):
        if other != scene:
            bpy.data.scenes.remove(other)
    for kind in (bpy.data.objects, bpy.data.worlds, bpy.data.images, bpy.data.cameras):
        for block in list(kind):
            kind.remove(block)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    return scene


def render(scene: Any, path: Path) -> np.ndarray:
    """Render the scene's current frame and return linear [H, W, 4] floats, row 0 at the top."""
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.is_data = True  # whatever the configuration calls it
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]
