"""Tell every story of `stories` in a Blender without a window; one JSON list of faults a story.

real_engine.py FOLDER LIBRARY
"""

from __future__ import annotations

import time
from pathlib import Path

from stage import enable, run
from stories import STORIES, Place

PATIENCE_S = 200.0


def main(folder: str, library: str) -> dict[str, object]:
    enable()
    place = Place(Path(folder), Path(library))
    found = {}
    for story in STORIES:
        place.told.clear()
        place.wrong.clear()
        for fact in story(place):
            pump(place, fact)
        found[story.__name__] = {"told": len(place.told), "wrong": list(place.wrong)}
    return found


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
