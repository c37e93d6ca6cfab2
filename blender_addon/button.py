"""What all buttons share: a reason when off, and errors that end in the panel."""

from __future__ import annotations

import bpy

from ..shared.errors import PanoloomError
from . import gather, panel_model, runtime, timer


class Button(bpy.types.Operator):
    """A button: `why_not` says why it is off, `act` does what it says."""

    bl_options = {"INTERNAL"}  # noqa: RUF012  (Blender reads a plain set)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        why = cls.why_not(gather.facts(context.scene)) or cls.why_not_here(context)
        if why:
            cls.poll_message_set(why)
        return not why

    @staticmethod
    def why_not(_facts: panel_model.Facts) -> str:
        return ""

    @staticmethod
    def why_not_here(_context: bpy.types.Context) -> str:
        """Why it is off in this place; empty when it is not."""
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
