"""The one timer: a tick that moves the running state on and repaints what changed.

Blender calls `tick`; where its timers do not run (background, tests) anyone may.
"""

from __future__ import annotations

import traceback

import bpy

from ..shared.errors import PanoloomError
from . import runtime, world
from .panel_model import PanelModel, panel_model

FIRST_S = 0.5
_drawn: list[PanelModel] = []


def tick() -> float:
    """One step; returns the seconds until the next. Errors end in the panel, never in the timer."""
    state = runtime.state()
    try:
        state.step()
    except PanoloomError as error:
        state.report(error)
    except Exception as error:  # Blender would drop the timer, and the panel would go silent
        traceback.print_exc()
        state.report(PanoloomError(f"Panoloom met an error of its own: {error!r}."))
    redraw_if_changed()
    return state.interval()


def redraw_if_changed() -> None:
    """Repaint the sidebars, and tell the window manager, when there is something new."""
    model = panel_model(runtime.facts(bpy.context.scene))
    if _drawn == [model]:
        return
    _drawn[:] = [model]
    manager = bpy.context.window_manager
    job = runtime.state().job
    manager.panoloom.status = model.status
    manager.panoloom.job_state = job.view.state if job else ""
    manager.panoloom.fraction = model.progress.fraction if model.progress else 0.0
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


@bpy.app.handlers.persistent
def on_load(_path: object) -> None:
    """After a file was loaded: a job whose World is in it belongs to the scene that has it now."""
    _drawn.clear()
    job = runtime.state().job
    if job is None:
        return
    for scene in bpy.data.scenes:
        if world.job_of(scene.world) == job.job_id:
            job.scene_uid = scene.session_uid


def attach() -> None:
    """Start the timer and listen for loaded files."""
    bpy.app.handlers.load_post.append(on_load)
    bpy.app.timers.register(tick, first_interval=FIRST_S, persistent=True)


def detach() -> None:
    """Stop both and let go of the engine."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if on_load in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(on_load)
    _drawn.clear()
    runtime.close()
