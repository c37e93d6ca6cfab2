"""Render the same frame from its EXR and from its movie, in Blender's own colours or a studio's.

colours.py FOLDER
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from look_and_time import all_around
from stage import part, render, run, small_scene


def values(scene, folder: Path) -> np.ndarray:
    """What is rendered through the view amid 4 x 8 patches, 0 to 255, [4, 8, 3]."""
    return np.rint(render(scene, folder / "shot.png")[4::8, 4::8, :3] * 255)


def main(place: str) -> dict[str, object]:
    folder = Path(place)
    scene = small_scene(size=(64, 32))
    all_around(scene)
    scene.render.dither_intensity = 0.0
    written = scene.render.image_settings
    if hasattr(written, "media_type"):
        written.media_type = "IMAGE"
    written.file_format, written.color_depth = "PNG", "8"
    found, shown = {}, {}
    for kind, path in (("exr", "frames/loop_0001.exr"), ("movie", "loop.mp4")):
        bpy.ops.panoloom.load_loop(filepath=str(folder / path))
        shown[kind] = values(scene, folder)
        image = scene.world.node_tree.nodes["Panoloom Environment"].image
        found[kind] = image.colorspace_settings.name
    state = part("blender_addon.runtime").state()
    return {
        "spaces": found,
        "difference": float(np.abs(shown["exr"] - shown["movie"]).max()),
        "range": [float(np.ptp(shown[kind])) for kind in ("exr", "movie")],
        "told": [str(problem) for problem in state.shown_problems()],
    }


run(main)
