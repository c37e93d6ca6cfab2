"""Open a .blend without the extension and tell whether its World's pictures are there.

open_moved.py BLEND
"""

from __future__ import annotations

from pathlib import Path

import bpy
from stage import run


def main(blend: str) -> dict[str, object]:
    bpy.ops.wm.open_mainfile(filepath=blend)
    scene = bpy.context.scene
    node = scene.world.node_tree.nodes["Panoloom Environment"]
    path = Path(bpy.path.abspath(node.image.filepath))
    return {
        "extension": "bl_ext.user_default.panoloom" in bpy.context.preferences.addons,
        "relative": node.image.filepath.startswith("//"),
        "found": path.is_file(),
        "inside": Path(blend).resolve().parent in path.resolve().parents,
        "duration": node.image_user.frame_duration,
        "frames": [scene.frame_start, scene.frame_end],
    }


run(main)
