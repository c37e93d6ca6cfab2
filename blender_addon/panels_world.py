"""The part of the panel about the World: what it shows, how strong, which way. Reads alone."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from . import look, travel, world, world_nodes, world_time
from .layout import icon_beside, sentences
from .panel_model import Facts


def draw(
    layout: bpy.types.UILayout,
    scene: bpy.types.Scene,
    notes: Sequence[str],
    width: int,
    *,
    facts: Facts,
) -> None:
    """The sub-panel of the sidebar: remarks on the newest job, then the World."""
    header, body = layout.panel("panoloom_world")
    header.label(text="World")
    if body is None:
        return
    sentences(body, notes, width)
    if facts.job is not None and facts.job.left_why and facts.job.artifact is not None:
        body.operator("panoloom.apply", icon="CHECKMARK")
    if world.job_of(scene.world) is not None:
        body.operator("panoloom.show_world", icon="SHADING_TEXTURE")
    draw_controls(body, scene, width, facts=facts)
    row = body.row(align=True)
    icon = icon_beside("FILE_MOVIE", width)
    row.operator("panoloom.load_loop", text="Load Video", icon=icon)
    row.operator("panoloom.load_sample", text="Sample")


def draw_controls(
    layout: bpy.types.UILayout, scene: bpy.types.Scene, width: int, *, facts: Facts
) -> None:
    """What both panels have: switch, yaw, strengths, keeping, Restore."""
    settings = scene.panoloom
    if world.job_of(scene.world) is None:
        sentences(layout, ["The scene shows your own World."], width)
        return
    if facts.is_trying:
        sentences(layout, ["A loop of the history, to look at."], width)
        layout.operator("panoloom.end_preview", icon="LOOP_BACK")
    if facts.held_by:  # each of them would put in an image: see `modes`
        waits = f"Preview, Final and Look wait for the end of {facts.held_by}."
        sentences(layout, [waits], width)
    else:
        layout.row().prop(settings, "show_as", expand=True)
        layout.row().prop(settings, "look", expand=True)
    told = look.remark(scene.world, scene)
    if told:
        sentences(layout, [told], width)
    rate = world_time.ratio(scene.world, scene)
    if rate != 1.0:
        fps = scene.world[world_time.FPS_TAG]
        layout.prop(settings, "keep_seconds", text=f"Keep its seconds (made for {fps:g} fps)")
    column = layout.column(align=True)
    column.prop(settings, "yaw")
    for socket, text in world_nodes.strengths(scene.world):
        column.prop(socket, "default_value", text=text)
    layout.operator("panoloom.place_sun", icon="LIGHT_SUN")
    _draw_keeping(layout, scene, width)
    layout.operator("panoloom.restore_world", icon="LOOP_BACK")


def _draw_keeping(layout: bpy.types.UILayout, scene: bpy.types.Scene, width: int) -> None:
    if world.bundle_of(scene.world) is None:
        return
    if travel.is_kept(scene):
        sentences(layout, ["The loop lies beside this file."], width, icon="FILE_TICK")
    elif scene.panoloom.keep_with_file and not bpy.data.filepath:
        sentences(layout, ["It will be kept when you save the file."], width, icon="FILE_TICK")
    else:
        layout.operator("panoloom.keep", icon="FILE_TICK")
