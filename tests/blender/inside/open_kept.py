"""Open a moved .blend without the extension and tell what its World shows.

open_kept.py BLEND
"""

from __future__ import annotations

from pathlib import Path

import bpy
from stage import MODULE, render, run


def rendered(folder: Path) -> list[float]:
    """The darkest and the brightest red of frames 1, 2 and 6."""
    scene = bpy.context.scene
    found = []
    for frame in (1, 2, 6):
        scene.frame_set(frame)
        red = render(scene, folder / "shot.exr")[..., 0]
        found += [round(float(red.min()), 3), round(float(red.max()), 3)]
    return found


def main(blend: str) -> dict[str, object]:
    bpy.ops.wm.open_mainfile(filepath=blend)
    world = bpy.context.scene.world
    node = world.node_tree.nodes["Panoloom Environment"]
    image, user = node.image, node.image_user
    path = Path(bpy.path.abspath(image.filepath))
    return {
        "extension": MODULE in bpy.context.preferences.addons,
        "inside": path.is_file() and Path(blend).parent in path.parents,
        "source": image.source,
        "rendered": rendered(Path(blend).parent),
        "frames": [user.frame_duration, user.use_cyclic],
        "map": [world.cycles.sampling_method, world.cycles.sample_map_resolution],
        "text": any(text.name.endswith(".json") for text in bpy.data.texts),
    }


run(main)
