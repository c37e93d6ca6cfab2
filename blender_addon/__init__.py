"""The Blender side: the ordered list of what is registered, and nothing else."""

from __future__ import annotations


def register() -> None:
    """Register every class, then hang properties, the timer and the handlers on Blender."""
    import bpy

    from . import properties, timer

    for cls in _classes():
        bpy.utils.register_class(cls)
    properties.attach()
    timer.attach()


def unregister() -> None:
    """Take everything back in reverse order."""
    import bpy

    from . import headset_page, operators_export, properties, timer, vr

    vr.leave()
    headset_page.page.stop()
    operators_export.close()
    timer.detach()
    properties.detach()
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)


def _classes() -> tuple[type, ...]:
    from . import (
        operators,
        operators_export,
        operators_history,
        operators_light,
        operators_vr,
        operators_world,
        panels,
        preferences,
        properties,
    )

    parts = (
        operators,
        operators_world,
        operators_history,
        operators_light,
        operators_export,
        operators_vr,
    )
    buttons = [button for part in parts for button in part.CLASSES]
    return (*preferences.CLASSES, *properties.CLASSES, *buttons, *panels.CLASSES)
