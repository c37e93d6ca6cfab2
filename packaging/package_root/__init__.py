"""panoloom: living 360-degree worlds that loop without a seam, for Blender and VR."""


def register() -> None:
    """Blender's entry point. The add-on is imported here, so the engine never needs `bpy`."""
    from . import blender_addon

    blender_addon.register()


def unregister() -> None:
    """Blender's exit point."""
    from . import blender_addon

    blender_addon.unregister()
