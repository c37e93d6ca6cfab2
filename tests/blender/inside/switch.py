"""Switch the extension off and on again."""

from __future__ import annotations

import bpy
from stage import MODULE, enable, run


def main() -> dict[str, object]:
    enable()
    bpy.ops.preferences.addon_disable(module=MODULE)
    left = [name for name in dir(bpy.types) if name.startswith("PANOLOOM")]
    off = not hasattr(bpy.context.scene, "panoloom")
    enable()
    return {"off": off, "classes_left": left, "on": hasattr(bpy.context.scene, "panoloom")}


run(main)
