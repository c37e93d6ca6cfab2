"""The buttons of an export: start, cancel, show the file; and the timer that listens to it."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ..shared.errors import EngineUnreachable, PanoloomError
from . import export, preferences, runtime, timer, world
from .button import Button

LOOK_S = 0.3


class PANOLOOM_OT_export(Button):
    """Make a file of the loop in the World that this player takes, in the background"""

    bl_idname = "panoloom.export"
    bl_label = "Export"

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        return why_not(context.scene)

    def act(self, context: bpy.types.Context) -> None:
        program, wish = preferences.program(), wish_of(context.scene)
        if program is None or wish is None:
            raise EngineUnreachable(why_not(context.scene) or "There is nothing to export.")
        export.current.start(program, wish, preferences.own_folder() / "export.log")
        context.scene.panoloom.export_replace = False  # a tick is for one time
        bpy.app.timers.register(look, first_interval=LOOK_S, persistent=True)


class PANOLOOM_OT_cancel_export(Button):
    """Stop the export; what was begun of it is taken away"""

    bl_idname = "panoloom.cancel_export"
    bl_label = "Cancel the Export"

    @staticmethod
    def why_not_here(_context: bpy.types.Context) -> str:
        if not export.current.is_running:
            return "No export is being made"
        return "It is being cancelled" if export.current.is_cancelling else ""

    def act(self, _context: bpy.types.Context) -> None:
        export.current.cancel()


class PANOLOOM_OT_reveal_export(Button):
    """Open the folder with what was exported"""

    bl_idname = "panoloom.reveal_export"
    bl_label = "Show the File"

    @staticmethod
    def why_not_here(_context: bpy.types.Context) -> str:
        made = export.current.made
        if made is None:
            return "Nothing was exported yet"
        return "" if made.exists() else f"{made.name} is no longer there"

    def act(self, _context: bpy.types.Context) -> None:
        made = export.current.made
        if made is not None:
            bpy.ops.wm.path_open(filepath=str(made if made.is_dir() else made.parent))


def why_not(scene: bpy.types.Scene) -> str:
    """Why the scene's loop cannot be exported now; empty when it can."""
    return export.why_not(
        world.folder_of(scene.world),
        has_program=preferences.program() is not None,
        is_running=export.current.is_running,
    )


def out_of(scene: bpy.types.Scene) -> Path | None:
    """The folder an export of the scene's loop goes to; None while there is no loop."""
    wished, folder = scene.panoloom.export_folder, world.folder_of(scene.world)
    if folder is None:
        return None
    if wished:
        return Path(bpy.path.abspath(wished))
    return export.default_out(folder, bpy.data.filepath)


def wish_of(scene: bpy.types.Scene) -> export.ExportWish | None:
    """What the panel asks for; None while there is no loop."""
    mine, folder, out = scene.panoloom, world.folder_of(scene.world), out_of(scene)
    if folder is None or out is None:
        return None
    return export.ExportWish(
        folder=folder,
        preset=mine.export_preset,
        out=out,
        seconds=mine.export_seconds,
        yaw_deg=math.degrees(mine.export_yaw),
        codec=chosen(mine.export_codec),
        size=chosen(mine.export_size),
        sun=chosen(mine.export_sun),
        fit=mine.export_fit,
        replace=mine.export_replace,
    )


def chosen(item: str) -> str:
    """What was chosen of a menu whose first item leaves it to the engine; empty for that."""
    return "" if item == "ANY" else item


def look() -> float | None:
    """Listen to the export; the seconds until the next time."""
    goes_on = False
    try:
        goes_on = export.current.poll()
    except PanoloomError as error:
        runtime.state().report(error)
    timer.redraw()
    return LOOK_S if goes_on else None


def close() -> None:
    """Stop the export and listening."""
    export.current.let_go()
    if bpy.app.timers.is_registered(look):
        bpy.app.timers.unregister(look)


CLASSES = (PANOLOOM_OT_export, PANOLOOM_OT_cancel_export, PANOLOOM_OT_reveal_export)
