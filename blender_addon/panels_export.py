"""The part of the panel about exports. Reads alone."""

from __future__ import annotations

import bpy

from . import export, operators_export
from .estimate import time_left
from .layout import fields, sentences


def draw(layout: bpy.types.UILayout, context: bpy.types.Context, width: int) -> None:
    """The sub-panel of the sidebar, closed at first."""
    header, body = layout.panel("panoloom_export", default_closed=True)
    header.label(text="Export for a Headset")
    if body is None:
        return
    if export.current.is_running:
        _draw_progress(body)
        return
    _draw_wish(body, context.scene, width)
    _draw_outcome(body, width)


def _draw_wish(layout: bpy.types.UILayout, scene: bpy.types.Scene, width: int) -> None:
    settings = scene.panoloom
    preset = export.preset_of(settings.export_preset)
    rows = fields(layout)
    rows.prop(settings, "export_preset")
    sentences(layout, [f"{preset.about}."], width)
    rows = fields(layout)
    if preset.plays_on:
        rows.prop(settings, "export_seconds")
        rows.prop(settings, "export_codec")
    rows.prop(settings, "export_size")
    if preset.has_light:
        rows.prop(settings, "export_sun")
    rows.prop(settings, "export_yaw")
    rows.prop(settings, "export_folder")
    rows.prop(settings, "export_fit")
    rows.prop(settings, "export_replace")
    out = operators_export.out_of(scene)
    if out is not None and not settings.export_folder:
        sentences(layout, [f"Into {out}."], width)
    layout.operator("panoloom.export", icon="EXPORT")
    why = operators_export.why_not(scene)
    if why:
        sentences(layout, [f"{why}."], width)


def _draw_progress(layout: bpy.types.UILayout) -> None:
    step, words = export.current.step, "Starting"
    if export.current.is_cancelling:
        words = "Cancelling"
    elif step is not None:
        left = time_left(step.left_s if step.done < step.total else None)
        words = ", ".join(filter(None, (f"{step.what.capitalize()} {step.fraction:.0%}", left)))
    row = layout.row(align=True)
    row.progress(factor=step.fraction if step else 0.0, type="BAR", text=words)
    row.operator("panoloom.cancel_export", text="", icon="X")


def _draw_outcome(layout: bpy.types.UILayout, width: int) -> None:
    done = export.current
    if done.was_cancelled:
        sentences(layout, ["The export was cancelled; nothing of it is left."], width)
    if done.made is None:
        return
    sentences(layout, [f"{done.made.name} is there."], width, icon="CHECKMARK")
    sentences(layout, done.notes, width)
    layout.operator("panoloom.reveal_export", icon="FILE_FOLDER")
