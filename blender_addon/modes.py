"""Modes whose undo is their own, in which nothing may come into Blender's data unasked.

Undo in Sculpt Mode keeps a scene as it is and yet takes away data made since the last step of the
whole file: a World or an image that came in meanwhile is gone, the scene still points at it, and
Blender crashes (seen without this extension in 4.2, 4.5 and 5.0). With a step of the whole file
after the change it does not.
"""

from __future__ import annotations

import bpy

WHOLE_FILE = ("OBJECT", "EDIT", "POSE")
"""Modes in which undo was seen to bring back, or leave, all that a scene points at."""


def held_by() -> str:
    """Name of a mode that makes the World wait, such as "Sculpt Mode"; empty for none."""
    for window in bpy.context.window_manager.windows:
        active = window.view_layer.objects.active
        if active is not None and active.mode not in WHOLE_FILE:
            return active.bl_rna.properties["mode"].enum_items[active.mode].name
    return ""
