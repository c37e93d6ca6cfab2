"""Small pictures, of loops and of scenes, as Blender's previews: a few are read at each tick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy.utils.previews

READ_A_TICK = 2
MOST = 200
_previews: list[bpy.utils.previews.ImagePreviewCollection] = []


def attach() -> None:
    """Make room for the pictures."""
    _previews.append(bpy.utils.previews.new())


def detach() -> None:
    """Let go of them all."""
    while _previews:
        bpy.utils.previews.remove(_previews.pop())


def read(paths: Sequence[Path], limit: int = READ_A_TICK) -> None:
    """Read the first few of these that are not here yet; at most `MOST` are kept."""
    if not _previews:
        return
    pictures = _previews[0]
    new = [path for path in paths if str(path) not in pictures]
    for path in new[:limit]:
        if len(pictures) >= MOST:
            pictures.clear()
        if path.is_file():
            pictures.load(str(path), str(path), "IMAGE")


def icon(path: Path) -> int:
    """Blender's number of a picture, 0 while it was not read. For drawing: it reads nothing."""
    found = _previews[0].get(str(path)) if _previews else None
    return found.icon_id if found is not None else 0


def count() -> int:
    """Pictures that can be drawn."""
    return len(_previews[0]) if _previews else 0
