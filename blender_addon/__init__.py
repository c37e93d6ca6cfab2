"""The Blender side: the ordered list of what is registered, and nothing else."""

from __future__ import annotations


def register() -> None:
    """Register every class, then hang properties, handlers and the timer."""
    import bpy

    from . import properties

    for cls in _classes():
        bpy.utils.register_class(cls)
    properties.attach()


def unregister() -> None:
    """Take everything back in reverse order."""
    import bpy

    from . import properties

    properties.detach()
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)


def _classes() -> tuple[type, ...]:
    from . import properties

    return (*properties.CLASSES,)
