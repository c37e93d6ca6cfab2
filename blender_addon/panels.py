"""The panels: one in the 3D View's sidebar, a short one in the World tab.

Drawing reads; it changes nothing and waits for nothing.
"""

from __future__ import annotations

import bpy

from . import gather, panels_export, panels_history, panels_vr, panels_words, panels_world, runtime
from .job_queue import Place
from .layout import icon_beside, letters, sentences
from .panel_model import PanelModel, QueueRow, panel_model


class PANOLOOM_PT_main(bpy.types.Panel):
    """Top to bottom: engine, words, Generate and the queue, World, history, export, VR."""

    bl_idname = "PANOLOOM_PT_main"
    bl_label = "Panoloom"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Panoloom"

    def draw(self, context: bpy.types.Context) -> None:
        facts = gather.facts(context.scene)
        model = panel_model(facts)
        width = letters(context)
        _draw_engine(self.layout, model, width, started_here=facts.started_here)
        panels_words.draw(self.layout, context.scene, width)
        _draw_generate(self.layout, model, width)
        _draw_errors(self.layout, model, width)
        panels_world.draw(self.layout, context.scene, model.notes, width, facts=facts)
        panels_history.draw(self.layout, context, width)
        panels_export.draw(self.layout, context, width)
        panels_vr.draw(self.layout, context, width)


class PANOLOOM_PT_world(bpy.types.Panel):
    """The World's switches, where Blender keeps a World's settings."""

    bl_idname = "PANOLOOM_PT_world"
    bl_label = "Panoloom"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "world"

    def draw(self, context: bpy.types.Context) -> None:
        facts = gather.facts(context.scene)
        panels_world.draw_controls(self.layout, context.scene, letters(context), facts=facts)


def _draw_engine(
    layout: bpy.types.UILayout, model: PanelModel, width: int, *, started_here: bool
) -> None:
    box = layout.box()
    row = box.row(align=True)
    row.label(text=model.status, icon=icon_beside(model.status_icon, width))
    row.operator("panoloom.show_log", text="", icon="TEXT")
    if model.is_connected:
        if started_here:
            row.operator("panoloom.stop_engine", text="", icon="QUIT")
        else:
            row.operator("panoloom.disconnect", text="", icon="UNLINKED")
        if model.status_detail:
            detail = box.row()
            detail.scale_y = 0.7
            detail.label(text=model.status_detail)
        return
    if model.hint:
        sentences(box, model.hint, width - 2)
        row = box.row(align=True)
        row.operator("panoloom.copy_command", icon=icon_beside("COPYDOWN", width))
        row.operator("panoloom.open_preferences", icon=icon_beside("PREFERENCES", width))
        box.operator("panoloom.load_sample", text="Look at the Sample", icon="WORLD")
    buttons = box.row(align=True)
    buttons.operator("panoloom.start_engine", icon="PLAY")
    buttons.operator("panoloom.connect", icon="LINKED")


def _draw_generate(layout: bpy.types.UILayout, model: PanelModel, width: int) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.5
    row.operator("panoloom.generate", icon="WORLD", text="Add" if model.queue else "Generate")
    if model.queue:
        row.operator("panoloom.generate_at", text="Next").place = Place.NEXT.value
        row.operator("panoloom.generate_at", text="Instead").place = Place.REPLACE.value
    if model.why_not:
        sentences(layout, [f"{model.why_not}."], width)
    for row in model.queue:
        _draw_job(layout, row, width, alone=len(model.queue) == 1)


def _draw_moves(row: bpy.types.UILayout, job_id: str) -> None:
    queue = runtime.state().queue
    for by, icon in ((-1, "TRIA_UP"), (1, "TRIA_DOWN")):
        if queue.can_move(job_id, by):
            move = row.operator("panoloom.move_job", text="", icon=icon)
            move.job_id, move.by = job_id, by


def _draw_job(layout: bpy.types.UILayout, job: QueueRow, width: int, *, alone: bool) -> None:
    if job.bar is not None:
        if not alone:
            layout.label(text=job.title, icon="PLAY")
        row = layout.row(align=True)
        row.progress(factor=job.bar.fraction, type="BAR", text=job.bar.text)
        row.operator("panoloom.cancel", text="", icon="X").job_id = job.job_id
        if job.bar.detail:
            sentences(layout, [job.bar.detail], width)
        return
    row = layout.row(align=True)
    row.label(text=job.title, icon="TIME")
    _draw_moves(row, job.job_id)
    row.operator("panoloom.cancel", text="", icon="X").job_id = job.job_id
    sentences(layout, [job.words], width)


def _draw_errors(layout: bpy.types.UILayout, model: PanelModel, width: int) -> None:
    if not model.errors:
        return
    box = layout.box()
    for error in model.errors:
        told = box.column()
        told.alert = True
        sentences(told, [error.text], width - 4, icon="ERROR")
        if error.remedy is not None:
            mend = box.operator("panoloom.mend", text=error.remedy.text, icon="TOOL_SETTINGS")
            mend.action, mend.value = error.remedy.action, str(error.remedy.value)
    row = box.row(align=True)
    row.operator("panoloom.copy_error", icon="COPYDOWN")
    row.operator("panoloom.dismiss_error", icon="CHECKMARK")


CLASSES = (PANOLOOM_PT_main, PANOLOOM_PT_world)
