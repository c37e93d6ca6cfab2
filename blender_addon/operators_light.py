"""The button that places the sun that a loop or an export suggests."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
from bpy.props import StringProperty
from mathutils import Vector

from ..shared.errors import InvalidJob
from . import panel_model, sun, world, world_nodes
from .button import Button
from .loops import MANIFEST

NAME = "Panoloom Sun"


class PANOLOOM_OT_place_sun(Button):
    """Add the Sun lamp that this loop suggests, where the World has its sun; else ask for a file"""

    bl_idname = "panoloom.place_sun"
    bl_label = "Place the Sun"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_change)

    filepath: StringProperty(
        name="File",
        description="The .json of an export, or the manifest.json of a loop",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Take what the World's own loop suggests, or ask for the file."""
        if self.filepath or _own(context.scene) is not None:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: bpy.types.Context) -> None:
        chosen = Path(bpy.path.abspath(self.filepath)) if self.filepath else _own(context.scene)
        if chosen is None:
            raise InvalidJob("The World's loop knows of no sun; choose an export's .json.")
        place(context.scene, sun.read_sun(chosen))


def _own(scene: bpy.types.Scene) -> Path | None:
    """The manifest of the loop in the World, where it suggests a sun."""
    folder = world.folder_of(scene.world)
    found = folder / MANIFEST if folder is not None else None
    return found if found is not None and sun.is_known(found) else None


def place(scene: bpy.types.Scene, found: sun.Sun) -> bpy.types.Object:
    """The lamp in the scene; one that was placed before is moved instead of doubled."""
    lamp = scene.objects.get(NAME)
    if lamp is None or lamp.type != "LIGHT" or lamp.data.type != "SUN":
        lamp = bpy.data.objects.new(NAME, bpy.data.lights.new(NAME, "SUN"))
        scene.collection.objects.link(lamp)
    mapping = world_nodes.node(scene.world, world_nodes.MAPPING)
    turn = mapping.inputs["Rotation"].default_value[2] if mapping is not None else -math.pi / 2
    lamp.rotation_mode = "XYZ"
    lamp.rotation_euler = (
        Vector(sun.towards(found.direction, turn)).to_track_quat("Z", "Y").to_euler()
    )
    lamp.data.energy, lamp.data.color = found.strength, found.colour
    lamp.data.angle = math.radians(found.angle_deg)
    return lamp


CLASSES = (PANOLOOM_OT_place_sun,)
