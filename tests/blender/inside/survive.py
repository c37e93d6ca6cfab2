"""A job whose engine goes away and comes back: the panel says so, and the loop still arrives.

survive.py FOLDER LIBRARY PROMPT        writes FOLDER/running once previews come,
                                        and FOLDER/lost once the engine is missed
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from stage import part, run, small_scene

PATIENCE_S = 100


def main(folder: str, library: str, prompt: str) -> dict[str, object]:
    scene = small_scene()
    scene.panoloom.prompt, scene.panoloom.steps, scene.panoloom.seconds = prompt, 6, 1.0
    scene.render.fps = 6
    state, tick = part("blender_addon.runtime").state(), part("blender_addon.timer").tick
    model = part("blender_addon.panel_model")
    end = time.monotonic() + PATIENCE_S

    def pump(until) -> None:
        while not until():
            assert time.monotonic() < end, state.shown_problems()
            tick()
            time.sleep(0.005)

    bpy.ops.panoloom.connect(place=library)
    pump(lambda: state.session.state.value == "connected")
    bpy.ops.panoloom.generate()
    job = state.job
    pump(lambda: job.shown_step >= 1)
    (Path(folder) / "running").touch()
    pump(lambda: state.session.state.value != "connected")
    told = model.panel_model(part("blender_addon.gather").facts(scene))
    (Path(folder) / "lost").touch()
    pump(lambda: job.is_done or not job.is_active)
    tick()
    return {
        "told": [told.status, *(error.text for error in told.errors)],
        "state": str(job.view.state),
        "notice": job.view.notice,
        "tagged": scene.world.get("panoloom_job") == job.job_id,
        "problems": [str(p) for p in state.shown_problems()],
    }


run(main)
