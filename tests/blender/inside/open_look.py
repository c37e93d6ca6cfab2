"""Open moved files without the extension and tell what their Worlds show.

open_look.py FOLDER
"""

from __future__ import annotations

from pathlib import Path

import bpy
from look_and_time import shown, times
from stage import MODULE, run


def main(place: str) -> dict[str, object]:
    folder = Path(place)
    facts: dict[str, object] = {}
    for name in ("movie", "sequence", "sample", "look"):
        bpy.ops.wm.open_mainfile(filepath=str(folder / f"{name}.blend"))
        scene = bpy.context.scene
        image = scene.world.node_tree.nodes["Panoloom Environment"].image
        path = Path(bpy.path.abspath(image.filepath))
        facts[f"{name} is here"] = path.is_file() and folder in path.parents
        if name in ("movie", "sequence"):
            facts[name] = times(scene, folder)
        if name == "look":
            facts[name] = shown(scene, folder)
    return facts | {"extension": MODULE in bpy.context.preferences.addons}


if __name__ == "__main__":
    run(main)
