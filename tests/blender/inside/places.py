"""Where the add-on looks for the engine and its library, with places relative to the .blend.

places.py FOLDER        FOLDER holds tools/panoloom, a program
"""

from __future__ import annotations

from pathlib import Path

import bpy
from stage import MODULE, part, run, small_scene


def main(folder: str) -> dict[str, object]:
    small_scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "scene.blend"))
    found, state = part("blender_addon.preferences"), part("blender_addon.runtime").state()
    usual = found.library()
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.engine_program, preferences.library = "//tools/panoloom", "//results"
    bpy.ops.panoloom.connect(place="//elsewhere")
    return {
        "usual_library": str(usual),
        "program": found.program(),
        "library": str(found.library()),
        "connected_to": str(state.place),
    }


run(main)
