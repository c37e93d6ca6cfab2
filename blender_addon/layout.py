"""Small things that every part of the panel draws alike."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import bpy

WORD_PX = 6.0  # mean width of a letter at a scale of 1, for wrapping sentences
LEAST_LETTERS = 16
NARROW = 25  # letters; a sidebar that was pulled narrower has no room for icons beside words


def letters(context: bpy.types.Context) -> int:
    """About how many letters fit into the region."""
    scale = context.preferences.system.ui_scale
    return max(LEAST_LETTERS, int((context.region.width - 40 * scale) / (WORD_PX * scale)))


def icon_beside(icon: str, width: int) -> str:
    """The icon beside a word that would be cut off for it in a narrow region."""
    return icon if width >= NARROW else "NONE"


def sentences(
    layout: bpy.types.UILayout, texts: Iterable[str], width: int, icon: str = "NONE"
) -> None:
    """Whole sentences, wrapped: a label of Blender's is cut off at the edge."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for text in texts:
        for number, line in enumerate(textwrap.wrap(text, width)):
            column.label(text=line, icon=icon if number == 0 else "NONE")


def fields(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column of named settings, without dots for keyframes."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column
