"""The part of the panel that says what to make: words, reference, loop. Reads alone."""

from __future__ import annotations

import bpy

from . import core, estimate, runtime, thumbnails
from .layout import fields, sentences
from .properties import settings_of

LINES_SHOWN = 8


def draw(layout: bpy.types.UILayout, scene: bpy.types.Scene, width: int) -> None:
    """Prompt, reference and loop."""
    settings = scene.panoloom
    _draw_prompt(layout, settings, width)
    column = layout.column()
    column.prop(settings, "use_reference")
    if settings.use_reference:
        column.prop(settings, "strength", slider=True)
        _draw_surroundings(column, scene)
    _draw_depth(column, settings, width)
    _draw_loop(layout, scene, width)
    _draw_more(layout, settings)


def _draw_surroundings(column: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """The picture of the scene that the last loop began with."""
    picture = runtime.state().surroundings.get(scene.session_uid)
    if picture is not None:
        column.label(text="Your scene, as the last loop saw it")
        column.template_icon(thumbnails.icon(picture), scale=5.0)


def _draw_depth(column: bpy.types.UILayout, settings: bpy.types.PropertyGroup, width: int) -> None:
    """Whether to follow the scene's depth; where that cannot be done, why."""
    models = runtime.state().models
    why = core.why_no_depth(settings.model, models)
    if not why:
        column.prop(settings, "follow_depth")
    elif models or settings.follow_depth:
        sentences(column, [f"Depth of the scene: {why}"], width)


def _draw_prompt(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, width: int) -> None:
    column = layout.column()
    row = column.row(align=True)
    row.label(text="Prompt")
    has_textbox = hasattr(column, "textbox")  # Blender 5.2
    if settings.prompt_text is not None:
        row.operator("panoloom.write_prompt", text="", icon="GREASEPENCIL")
        row.operator("panoloom.single_line", text="", icon="X")
        box = column.box()
        lines = [line.body for line in settings.prompt_text.lines[:LINES_SHOWN]]
        sentences(box, lines if any(lines) else ["An empty text."], width - 2)
        if len(settings.prompt_text.lines) > LINES_SHOWN:
            box.label(text="…")
    elif has_textbox:
        column.textbox(settings, "prompt", initial_visible_lines=3)
    else:
        row.operator("panoloom.write_prompt", text="", icon="TEXT")
        column.prop(settings, "prompt", text="")
    column.prop(settings, "style")
    header, body = layout.panel("panoloom_directions", default_closed=True)
    header.label(text="By direction")
    if body is not None:
        rows = fields(body)
        for name in ("sky", "horizon", "ground"):
            rows.prop(settings, name)


def _draw_loop(layout: bpy.types.UILayout, scene: bpy.types.Scene, width: int) -> None:
    settings = scene.panoloom
    rows = fields(layout)
    _draw_model(layout, settings)
    rows.prop(settings, "seconds")
    rows.prop(settings, "size")
    rows.prop(settings, "quality")
    if settings.quality == core.CUSTOM:
        rows.prop(settings, "steps")
    row = rows.row(align=True)
    row.prop(settings, "seed")
    row.operator("panoloom.random_seed", text="", icon="FILE_REFRESH")
    words = settings_of(scene)
    frames = core.frames_of_loop(words.seconds, words.scene_fps)
    taking = estimate.estimate(
        width=core.SIZES[words.size][0],
        num_frames=frames,
        seconds=words.seconds,
        steps=words.steps,
        guided=words.guidance_scale != 1,
        model=words.model,
        paces=runtime.state().history.notes.paces,
    )
    sentences(layout, [f"{frames} frames at {words.scene_fps:g} a second", taking.text], width)


def _draw_model(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    """The engine's models, where one runs; else only a choice that is not the usual one."""
    if not runtime.state().models and settings.model == core.DEFAULT_MODEL:
        return
    row = layout.split(factor=0.4)
    name = row.column()
    name.alignment = "RIGHT"
    name.label(text="Model")
    row.operator_menu_enum("panoloom.choose_model", "model", text=settings.model)


def _draw_more(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    header, body = layout.panel("panoloom_more", default_closed=True)
    header.label(text="More")
    if body is not None:
        rows = fields(body)
        for name in ("negative_prompt", "steps", "guidance_scale"):
            rows.prop(settings, name)
