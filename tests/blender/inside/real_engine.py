"""Tell every story of `stories` in a Blender without a window: the faults of each, and what changed
in the extension's own folder.

real_engine.py FOLDER LIBRARY
"""

from __future__ import annotations

import time
from pathlib import Path

from stage import enable, part, run
from stories import STORIES, Place

PATIENCE_S = 200.0


def main(folder: str, library: str) -> dict[str, object]:
    enable()
    place = Place(Path(folder), Path(library))
    own, found = own_files(), {}
    for story in STORIES:
        place.told.clear()
        place.wrong.clear()
        for fact in story(place):
            pump(place, fact)
        found[story.__name__] = {"told": len(place.told), "wrong": list(place.wrong)}
    return {"stories": found, "written": sorted(own_files() ^ own)}


def own_files() -> set[tuple[str, int]]:
    """Every file of the installed extension and its age; Python's own cache apart."""
    root = Path(part("blender_addon.world").__file__).parents[1]
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {(str(path), path.stat().st_mtime_ns) for path in files}


def pump(place: Place, fact) -> None:
    """Tick as Blender's timer would: until the fact is so, or for a moment."""
    end = time.monotonic() + PATIENCE_S
    for _ in range(3):
        place.tick()
    while fact is not None and not fact():
        assert time.monotonic() < end, (place.told[-3:], place.state.shown_problems())
        place.tick()
        time.sleep(0.005)


run(main)
