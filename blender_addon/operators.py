"""The buttons: gather, ask the runtime, report. None of them waits."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..shared.errors import PanoloomError
from . import panel_model, runtime, timer, world
from .core import loop_file
from .preferences import EXTENSION


class _Button(bpy.types.Operator):
    """What all buttons share: a reason when off, and errors that end in the panel."""

    bl_options = {"INTERNAL"}  # noqa: RUF012  (Blender reads a plain set)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        why = cls.why_not(runtime.facts(context.scene))
        if why:
            cls.poll_message_set(why)
        return not why

    @staticmethod
    def why_not(_facts: panel_model.Facts) -> str:
        return ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self.act(context)
        except PanoloomError as error:
            runtime.state().report(error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            timer.redraw_if_changed()
        return {"FINISHED"}

    def act(self, context: bpy.types.Context) -> None:
        raise NotImplementedError


class PANOLOOM_OT_start_engine(_Button):
    """Start the engine on this computer"""

    bl_idname = "panoloom.start_engine"
    bl_label = "Start"
    why_not = staticmethod(panel_model.why_not_start)

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().start_engine()


class PANOLOOM_OT_stop_engine(_Button):
    """End the engine; a loop in the making goes on at its next start"""

    bl_idname = "panoloom.stop_engine"
    bl_label = "Stop Engine"

    @staticmethod
    def why_not(facts: panel_model.Facts) -> str:
        return "" if facts.started_here else "The engine was not started by this Blender"

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().stop_engine()


class PANOLOOM_OT_connect(_Button):
    """Connect to an engine that runs already"""

    bl_idname = "panoloom.connect"
    bl_label = "Connect"
    why_not = staticmethod(panel_model.why_not_connect)

    place: StringProperty(
        name="Place",
        description="A library folder or a connection file; empty: the library in use",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().connect(Path(bpy.path.abspath(self.place)) if self.place else None)


class PANOLOOM_OT_generate(_Button):
    """Make a loop in these words and show it in the World while it grows"""

    bl_idname = "panoloom.generate"
    bl_label = "Generate"
    why_not = staticmethod(panel_model.why_not_generate)

    def act(self, context: bpy.types.Context) -> None:
        runtime.state().generate(context.scene)


class PANOLOOM_OT_cancel(_Button):
    """Stop making this loop; the World keeps what it shows"""

    bl_idname = "panoloom.cancel"
    bl_label = "Cancel"
    why_not = staticmethod(panel_model.why_not_cancel)

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().cancel()


class PANOLOOM_OT_apply(_Button):
    """Show the finished loop in this scene's World; your own World is kept"""

    bl_idname = "panoloom.apply"
    bl_label = "Apply"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_apply)

    def act(self, context: bpy.types.Context) -> None:
        runtime.state().apply(context.scene)


class PANOLOOM_OT_restore_world(_Button):
    """Give the scene the World back that it had before"""

    bl_idname = "panoloom.restore_world"
    bl_label = "Restore my World"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_restore)

    def act(self, context: bpy.types.Context) -> None:
        world.restore(context.scene)


class PANOLOOM_OT_random_seed(_Button):
    """Another seed, for another loop in the same words"""

    bl_idname = "panoloom.random_seed"
    bl_label = "Another Seed"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: bpy.types.Context) -> None:
        import random

        context.scene.panoloom.seed = random.randrange(2**31)


class PANOLOOM_OT_show_world(_Button):
    """Let this viewport show the scene's World"""

    bl_idname = "panoloom.show_world"
    bl_label = "See it here"

    def act(self, context: bpy.types.Context) -> None:
        shading = getattr(context.space_data, "shading", None)
        if shading is None:
            raise PanoloomError("Press this in a 3D viewport.")
        if shading.type == "RENDERED":
            shading.use_scene_world_render = True
        else:
            shading.type = "MATERIAL"
            shading.use_scene_world = True
            shading.use_scene_lights = True


class PANOLOOM_OT_open_folder(_Button):
    """Open the folder with the loop's files"""

    bl_idname = "panoloom.open_folder"
    bl_label = "Open Folder"
    why_not = staticmethod(panel_model.why_not_apply)

    def act(self, _context: bpy.types.Context) -> None:
        artifact = runtime.state().job.artifact
        loop_file(artifact.folder)  # says so when the files are elsewhere
        bpy.ops.wm.path_open(filepath=artifact.folder)


class PANOLOOM_OT_open_preferences(_Button):
    """Open this add-on's preferences, to choose the engine and the library"""

    bl_idname = "panoloom.open_preferences"
    bl_label = "Preferences"

    def act(self, _context: bpy.types.Context) -> None:
        bpy.ops.preferences.addon_show(module=EXTENSION)


class PANOLOOM_OT_copy_error(_Button):
    """Copy the error, with its details"""

    bl_idname = "panoloom.copy_error"
    bl_label = "Copy"

    def act(self, context: bpy.types.Context) -> None:
        lines = []
        for problem in runtime.state().shown_problems():
            lines.append(f"{problem} [{problem.code}]")
            lines.extend(f"  {key}: {value}" for key, value in problem.details.items())
        context.window_manager.clipboard = "\n".join(lines)


class PANOLOOM_OT_dismiss_error(_Button):
    """Take the error off the panel"""

    bl_idname = "panoloom.dismiss_error"
    bl_label = "Dismiss"

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().dismiss()


CLASSES = (
    PANOLOOM_OT_start_engine,
    PANOLOOM_OT_stop_engine,
    PANOLOOM_OT_connect,
    PANOLOOM_OT_generate,
    PANOLOOM_OT_cancel,
    PANOLOOM_OT_apply,
    PANOLOOM_OT_restore_world,
    PANOLOOM_OT_random_seed,
    PANOLOOM_OT_show_world,
    PANOLOOM_OT_open_folder,
    PANOLOOM_OT_open_preferences,
    PANOLOOM_OT_copy_error,
    PANOLOOM_OT_dismiss_error,
)
