"""The buttons of the history: choose a loop, look at it, apply, reuse, reveal, star, delete."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from ..shared.errors import PanoloomError
from . import loops, panel_model, preferences, properties, runtime, world
from .button import Button
from .history import Entry


class PANOLOOM_OT_select_loop(Button):
    """Choose this loop"""

    bl_idname = "panoloom.select_loop"
    bl_label = "Choose"

    loop: StringProperty(name="Loop", options={"SKIP_SAVE"})

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: object) -> str:
        """The tooltip: the words of the loop."""
        entry = runtime.state().history.find(properties.loop)
        return entry.title if entry is not None else "A loop that is gone"

    def act(self, context: bpy.types.Context) -> None:
        status = context.window_manager.panoloom
        status.selected = "" if status.selected == self.loop else self.loop


class PANOLOOM_OT_turn_page(Button):
    """Show other loops of the history"""

    bl_idname = "panoloom.turn_page"
    bl_label = "Page"

    by: IntProperty(name="By", default=1, min=-1, max=1, options={"SKIP_SAVE"})

    def act(self, context: bpy.types.Context) -> None:
        status = context.window_manager.panoloom
        status.page = max(0, status.page + self.by)


class _OfLoop(Button):
    """A button for the chosen loop."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_change)

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        return "" if chosen(context) is not None else "Choose a loop in the history first"

    def act(self, context: bpy.types.Context) -> None:
        entry = chosen(context)
        if entry is None:
            raise PanoloomError("There is no such loop in the history any more.")
        self.act_on(context, entry)

    def act_on(self, context: bpy.types.Context, entry: Entry) -> None:
        """Do it to this loop."""
        raise NotImplementedError


class PANOLOOM_OT_preview_loop(_OfLoop):
    """Look at this loop in the World for a moment; Back brings back what was there"""

    bl_idname = "panoloom.preview_loop"
    bl_label = "Preview"

    def act_on(self, context: bpy.types.Context, entry: Entry) -> None:
        loops.loop_file(entry.folder)
        made = world.begin_trial(context.scene, entry.name, entry.title)
        _tell(world.show_loop(made, entry.folder, entry.num_frames, final=False))


class PANOLOOM_OT_end_preview(Button):
    """Bring back the World from before the preview"""

    bl_idname = "panoloom.end_preview"
    bl_label = "Back"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_back)

    def act(self, context: bpy.types.Context) -> None:
        world.end_trial(context.scene)


class PANOLOOM_OT_apply_loop(_OfLoop):
    """Show this loop in the scene's World; your own World is kept"""

    bl_idname = "panoloom.apply_loop"
    bl_label = "Apply"

    def act_on(self, context: bpy.types.Context, entry: Entry) -> None:
        loops.loop_file(entry.folder)
        scene = context.scene
        made = world.apply_loop(scene, entry.name, entry.title)
        final = scene.panoloom.show_as == "FINAL"
        _tell(world.show_loop(made, entry.folder, entry.num_frames, final=final))


class PANOLOOM_OT_reuse_loop(_OfLoop):
    """Put this loop's words, seed and sizes into the panel"""

    bl_idname = "panoloom.reuse_loop"
    bl_label = "Reuse Settings"

    def act_on(self, context: bpy.types.Context, entry: Entry) -> None:
        properties.reuse(context.scene, entry.spec)


class PANOLOOM_OT_reveal_loop(_OfLoop):
    """Open the folder with this loop's files"""

    bl_idname = "panoloom.reveal_loop"
    bl_label = "Reveal Files"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def act_on(self, _context: bpy.types.Context, entry: Entry) -> None:
        bpy.ops.wm.path_open(filepath=str(entry.folder))


class PANOLOOM_OT_star_loop(_OfLoop):
    """Put a star on this loop, or take it off; one with a star is never pruned"""

    bl_idname = "panoloom.star_loop"
    bl_label = "Star"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    def act_on(self, _context: bpy.types.Context, entry: Entry) -> None:
        history = runtime.state().history
        history.star(entry.name, not history.is_starred(entry.name))


class PANOLOOM_OT_delete_loop(_OfLoop):
    """Delete this loop's files"""

    bl_idname = "panoloom.delete_loop"
    bl_label = "Delete"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        entry = chosen(context)
        if entry is None:
            return "Choose a loop in the history first"
        state = runtime.state()
        return state.history.why_not_delete(entry.name, state.shown_loops())

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first: there is no way back."""
        return context.window_manager.invoke_confirm(self, event)

    def act_on(self, context: bpy.types.Context, entry: Entry) -> None:
        state = runtime.state()
        state.history.delete(entry.name, state.shown_loops())
        context.window_manager.panoloom.selected = ""


class PANOLOOM_OT_make_room(Button):
    """Delete the oldest loops beyond the limit; never one with a star or in use"""

    bl_idname = "panoloom.make_room"
    bl_label = "Make Room"

    @staticmethod
    def why_not_here(_context: bpy.types.Context) -> str:
        limit = preferences.limit_bytes()
        if not limit:
            return "The library has no limit: set one in the preferences"
        if runtime.state().history.num_bytes <= limit:
            return "The library is within its limit"
        return ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first: there is no way back."""
        return context.window_manager.invoke_confirm(self, event)

    def act(self, _context: bpy.types.Context) -> None:
        gone = runtime.state().prune()
        if not gone:
            raise PanoloomError("All that is left has a star or is in use.")


def chosen(context: bpy.types.Context) -> Entry | None:
    """The loop that is chosen in the history, None when there is none."""
    return runtime.state().history.find(context.window_manager.panoloom.selected)


def _tell(remark: str) -> None:
    if remark:
        runtime.state().report(PanoloomError(remark))


CLASSES = (
    PANOLOOM_OT_select_loop,
    PANOLOOM_OT_turn_page,
    PANOLOOM_OT_preview_loop,
    PANOLOOM_OT_end_preview,
    PANOLOOM_OT_apply_loop,
    PANOLOOM_OT_reuse_loop,
    PANOLOOM_OT_reveal_loop,
    PANOLOOM_OT_star_loop,
    PANOLOOM_OT_delete_loop,
    PANOLOOM_OT_make_room,
)
