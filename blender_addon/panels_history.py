"""The part of the panel with the library's loops: a grid of pictures, and the chosen one's buttons.

Reads alone; the pictures are read by the timer.
"""

from __future__ import annotations

import bpy

from . import estimate, preferences, runtime, thumbnails
from .history import Entry, History
from .layout import sentences

ACROSS, DOWN = 3, 2
PAGE = ACROSS * DOWN
PICTURE_SCALE = 3.6


def draw(layout: bpy.types.UILayout, context: bpy.types.Context, width: int) -> None:
    """The sub-panel."""
    header, body = layout.panel("panoloom_history")
    header.label(text="History")
    if body is None:
        return
    history, status = runtime.state().history, context.window_manager.panoloom
    entries = [e for e in history.entries if not status.only_starred or history.is_starred(e.name)]
    if not entries:
        empty = "No loop has a star yet." if history.entries else "Loops you make are listed here."
        sentences(body, [empty], width)
    pages = max(1, -(-len(entries) // PAGE))
    page = min(status.page, pages - 1)
    _draw_grid(body, entries[page * PAGE : (page + 1) * PAGE], history, status.selected)
    if pages > 1:
        _draw_pages(body, page, pages)
    entry = history.find(status.selected)
    if entry is not None:
        _draw_chosen(body, entry, width, starred=history.is_starred(entry.name))
    _draw_size(body, history, status)


def _draw_grid(
    layout: bpy.types.UILayout, entries: list[Entry], history: History, selected: str
) -> None:
    grid = layout.grid_flow(row_major=True, columns=ACROSS, even_columns=True, align=True)
    for entry in entries:
        cell = grid.column(align=True)
        cell.template_icon(thumbnails.icon(entry.poster), scale=PICTURE_SCALE)
        starred = history.is_starred(entry.name)
        cell.operator(
            "panoloom.select_loop",
            text=entry.title,
            icon="SOLO_ON" if starred else "NONE",
            depress=entry.name == selected,
        ).loop = entry.name


def _draw_pages(layout: bpy.types.UILayout, page: int, pages: int) -> None:
    row = layout.row(align=True)
    if page > 0:
        row.operator("panoloom.turn_page", text="", icon="TRIA_LEFT").by = -1
    row.label(text=f"{page + 1} of {pages}")
    if page + 1 < pages:
        row.operator("panoloom.turn_page", text="", icon="TRIA_RIGHT").by = 1


def _draw_chosen(layout: bpy.types.UILayout, entry: Entry, width: int, *, starred: bool) -> None:
    box = layout.box()
    facts = f"{entry.width} x {entry.height}, {entry.num_frames} frames at {entry.fps:g}"
    words = [entry.title, f"{facts}, {estimate.size(entry.num_bytes)}, seed {entry.spec.seed}"]
    sentences(box, words, width - 4)
    row = box.row(align=True)
    row.operator("panoloom.apply_loop", icon="CHECKMARK")
    row.operator("panoloom.preview_loop", icon="HIDE_OFF")
    row = box.row(align=True)
    row.operator("panoloom.reuse_loop", text="Reuse")
    row.operator("panoloom.reveal_loop", text="", icon="FILE_FOLDER")
    row.operator("panoloom.star_loop", text="", icon="SOLO_ON" if starred else "SOLO_OFF")
    row.operator("panoloom.delete_loop", text="", icon="TRASH")


def _draw_size(
    layout: bpy.types.UILayout, history: History, status: bpy.types.PropertyGroup
) -> None:
    limit = preferences.limit_bytes()
    of = f" of {estimate.size(limit)}" if limit else ""
    row = layout.row(align=True)
    row.label(text=f"{len(history.entries)} loops, {estimate.size(history.num_bytes)}{of}")
    row.prop(status, "only_starred", text="", icon="SOLO_ON")
    row.operator("panoloom.make_room", text="", icon="BRUSH_DATA")
