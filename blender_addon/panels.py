"""The panel in the 3D View's sidebar. Drawing reads; it changes nothing and waits for nothing."""

from __future__ import annotations

import textwrap

import bpy

from . import runtime, world
from .core import frames_of_loop
from .panel_model import PanelModel, panel_model

WORD_PX = 6.0  # mean width of a letter at a scale of 1, for wrapping sentences


class PANOLOOM_PT_main(bpy.types.Panel):
    """Top to bottom: engine, words, Generate and its progress, World."""

    bl_idname = "PANOLOOM_PT_main"
    bl_label = "Panoloom"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Panoloom"

    def draw(self, context: bpy.types.Context) -> None:
        facts = runtime.facts(context.scene)
        model = panel_model(facts)
        width = _letters(context)
        _draw_engine(self.layout, model, width, started_here=facts.started_here)
        _draw_words(self.layout, context.scene)
        _draw_generate(self.layout, model, width)
        _draw_errors(self.layout, model, width)
        _draw_world(self.layout, context.scene, model, width, has_loop=_has_loop(facts.job))


def _has_loop(job: object) -> bool:
    return job is not None and job.artifact is not None


def _draw_engine(
    layout: bpy.types.UILayout, model: PanelModel, width: int, *, started_here: bool
) -> None:
    box = layout.box()
    row = box.row(align=True)
    row.label(text=model.status, icon=model.status_icon)
    if model.is_connected:
        if started_here:
            row.operator("panoloom.stop_engine", text="", icon="QUIT")
        if model.status_detail:
            detail = box.row()
            detail.scale_y = 0.7
            detail.label(text=model.status_detail)
        return
    if model.hint:
        _sentences(box, [model.hint], width - 2)
        box.operator("panoloom.open_preferences", icon="PREFERENCES")
    buttons = box.row(align=True)
    buttons.operator("panoloom.start_engine", icon="PLAY")
    buttons.operator("panoloom.connect", icon="LINKED")


def _draw_words(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    settings = scene.panoloom
    column = layout.column()
    column.label(text="Prompt")
    if hasattr(column, "textbox"):  # Blender 5.2
        column.textbox(settings, "prompt", initial_visible_lines=3)
    else:
        column.prop(settings, "prompt", text="")
    column.prop(settings, "use_reference")
    if settings.use_reference:
        column.prop(settings, "strength", slider=True)
    fields = layout.column()
    fields.use_property_split = True
    fields.use_property_decorate = False
    fields.prop(settings, "size")
    fields.prop(settings, "seconds")
    fps = scene.render.fps / scene.render.fps_base
    frames = frames_of_loop(settings.seconds, fps)
    row = fields.row(align=True)
    row.prop(settings, "seed")
    row.operator("panoloom.random_seed", text="", icon="FILE_REFRESH")
    fields.label(text=f"{frames} frames at {fps:g} a second")
    header, body = layout.panel("panoloom_more", default_closed=True)
    header.label(text="More")
    if body is not None:
        body.use_property_split = True
        body.use_property_decorate = False
        for name in ("negative_prompt", "steps", "guidance_scale", "show_as"):
            body.prop(settings, name)


def _draw_generate(layout: bpy.types.UILayout, model: PanelModel, width: int) -> None:
    row = layout.row()
    row.scale_y = 1.5
    row.operator("panoloom.generate", icon="WORLD")
    progress = model.progress
    if progress is None:
        return
    row = layout.row(align=True)
    row.progress(factor=progress.fraction, type="BAR", text=progress.text)
    row.operator("panoloom.cancel", text="", icon="X")
    _sentences(layout, [progress.detail], width)


def _draw_errors(layout: bpy.types.UILayout, model: PanelModel, width: int) -> None:
    if not model.errors:
        return
    box = layout.box()
    box.alert = True
    _sentences(box, model.errors, width - 4, icon="ERROR")
    row = box.row(align=True)
    row.alert = False
    row.operator("panoloom.copy_error", icon="COPYDOWN")
    row.operator("panoloom.dismiss_error", icon="CHECKMARK")


def _draw_world(
    layout: bpy.types.UILayout,
    scene: bpy.types.Scene,
    model: PanelModel,
    width: int,
    *,
    has_loop: bool,
) -> None:
    header, body = layout.panel("panoloom_world")
    header.label(text="World")
    if body is None:
        return
    _sentences(body, model.notes, width)
    if has_loop:
        row = body.row(align=True)
        row.operator("panoloom.apply", icon="CHECKMARK")
        row.operator("panoloom.open_folder", text="", icon="FILE_FOLDER")
    ours = world.job_of(scene.world) is not None
    if ours:
        body.operator("panoloom.show_world", icon="SHADING_TEXTURE")
        column = body.column(align=True)
        column.prop(scene.panoloom, "yaw")
        for node, text in world.strengths(scene.world):
            column.prop(node, "default_value", text=text)
    body.operator("panoloom.restore_world", icon="LOOP_BACK")


def _letters(context: bpy.types.Context) -> int:
    """About how many letters fit into the sidebar."""
    scale = context.preferences.system.ui_scale
    return max(16, int((context.region.width - 40 * scale) / (WORD_PX * scale)))


def _sentences(
    layout: bpy.types.UILayout, sentences: object, width: int, icon: str = "NONE"
) -> None:
    """Whole sentences, wrapped: a label of Blender's is cut off at the edge."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for sentence in sentences:
        for number, line in enumerate(textwrap.wrap(sentence, width)):
            column.label(text=line, icon=icon if number == 0 else "NONE")


CLASSES = (PANOLOOM_PT_main,)
