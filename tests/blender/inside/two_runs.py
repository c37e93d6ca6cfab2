"""Blender is closed in mid-job; the next start finds the engine and the job by itself.

two_runs.py leave|return FOLDER LIBRARY
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from stage import MODULE, enable, run
from stories import PREVIEW, Place, here

PATIENCE_S = 200.0


def main(what: str, folder: str, library: str) -> dict[str, object]:
    enable()
    place = Place(Path(folder), Path(library))
    bpy.context.preferences.addons[MODULE].preferences.library = library
    blend = str(place.folder / "shot.blend")
    if what == "leave":
        place.fresh()
        until(place, lambda: place.state.session.state.value == "connected")
        job = place.ask()
        until(place, place.until_preview(job))
        bpy.ops.wm.save_as_mainfile(filepath=blend)
        return {"seen": place.seen(here()), "active": job.is_active}  # and this Blender ends
    bpy.ops.wm.open_mainfile(filepath=blend)
    opened = place.seen(here())
    until(place, lambda: place.state.job is not None and place.state.job.is_done)
    here().frame_set(3)
    return {
        "opened": opened == PREVIEW,
        "seen": place.seen(here()),
        "left": place.state.job.left_why,
    }


def until(place: Place, fact) -> None:
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end, place.state.shown_problems()
        place.tick()
        time.sleep(0.005)


run(main)
