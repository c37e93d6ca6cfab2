"""The buttons of VR: enter, leave, and look with the headset's own browser."""

from __future__ import annotations

import bpy

from . import headset_page, layout, panel_model, vr, vr_runtime, world
from .button import Button

WIDTH = 420  # of the question before entering, in Blender's pixels
LETTERS = 62  # that fit in a line of it


class PANOLOOM_OT_enter_vr(Button):
    """Look around inside the loop with a headset; everything is put back afterwards"""

    bl_idname = "panoloom.enter_vr"
    bl_label = "Enter VR"
    why_not = staticmethod(panel_model.why_not_change)

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        return vr.why_not(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Say first what the quality report found that may make one sick."""
        self._careful = vr_runtime.warnings(world.folder_of(context.scene.world))
        if not self._careful:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, title="Before You Enter", confirm_text="Enter All the Same"
        )

    def draw(self, _context: bpy.types.Context) -> None:
        """The warnings, in the question."""
        layout.sentences(self.layout, self._careful, LETTERS, icon="ERROR")

    def act(self, context: bpy.types.Context) -> None:
        vr.enter(context, dome=context.scene.panoloom.vr_dome)


class PANOLOOM_OT_leave_vr(Button):
    """End the VR session and put everything back as it was"""

    bl_idname = "panoloom.leave_vr"
    bl_label = "Leave VR"

    def act(self, _context: bpy.types.Context) -> None:
        vr.leave()


class PANOLOOM_OT_serve_page(Button):
    """Let a headset on this network open the loop in its own browser; the address is copied"""

    bl_idname = "panoloom.serve_page"
    bl_label = "Page for a Headset"

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        return headset_page.why_not(context.scene)

    def act(self, context: bpy.types.Context) -> None:
        headset_page.page.serve(world.folder_of(context.scene.world))


class PANOLOOM_OT_stop_page(Button):
    """Serve the page no longer"""

    bl_idname = "panoloom.stop_page"
    bl_label = "Stop the Page"

    def act(self, _context: bpy.types.Context) -> None:
        headset_page.page.stop()


CLASSES = (
    PANOLOOM_OT_enter_vr,
    PANOLOOM_OT_leave_vr,
    PANOLOOM_OT_serve_page,
    PANOLOOM_OT_stop_page,
)
