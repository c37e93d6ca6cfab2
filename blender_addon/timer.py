"""The one timer: a tick that moves the running state on and repaints what changed.

Blender calls `tick`; where its timers do not run (background, tests) anyone may.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import bpy

from ..shared.errors import PanoloomError
from . import gather, modes, runtime, showing, thumbnails, travel, world
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
    model = panel_model(gather.facts(bpy.context.scene))
    if _drawn == [model]:
        return
    _drawn[:] = [model]
    manager = bpy.context.window_manager
    job = runtime.state().job
    manager.panoloom.status = model.status
    manager.panoloom.job_state = job.view.state if job else ""
    manager.panoloom.fraction = model.progress.fraction if model.progress else 0.0
    redraw()


def redraw() -> None:
    """Repaint the sidebars."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PROPERTIES"):
                area.tag_redraw()


@bpy.app.handlers.persistent
def on_load(_path: object) -> None:
    """After a file was loaded: a job whose World is in it belongs to the scene that has it now."""
    _drawn.clear()
    showing.claim_scenes(runtime.state().queue)


@bpy.app.handlers.persistent
def on_save(path: object) -> None:
    """Before a file is saved: it is to hold the final loop, and what is kept with it."""
    if runtime.is_rendering():
        return
    try:
        travel.before_save(path if isinstance(path, str) else "")
    except PanoloomError as error:
        runtime.state().report(error)


@bpy.app.handlers.persistent
def on_saved(path: object) -> None:
    """After a file was saved: show what the switch says, and note which loops the file uses."""
    state = runtime.state()
    try:
        blend = Path(path if isinstance(path, str) and path else bpy.data.filepath)
        library = state.history.library
        used = [folder.name for folder in world.loops_shown() if folder.parent == library]
        if used or str(blend) in state.history.notes.used_by:
            state.history.remember_use(blend, used)
        if not runtime.is_rendering():
            travel.after_save()
            if modes.held_by() and any(world.job_of(s.world) for s in bpy.data.scenes):
                state.showing.undo_step = "Panoloom loop in a saved file"
    except PanoloomError as error:
        state.report(error)


@bpy.app.handlers.persistent
def on_render(_scene: object, *_: object) -> None:
    """When a render begins: it needs the card more than weights that rest."""
    runtime.state().session.free_weights()


HANDLERS = (
    ("load_post", on_load),
    ("save_pre", on_save),
    ("save_post", on_saved),
    ("render_init", on_render),
)


def attach() -> None:
    """Start the timer, and listen for files that are loaded and saved."""
    thumbnails.attach()
    for name, handler in HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)
    bpy.app.timers.register(tick, first_interval=FIRST_S, persistent=True)


def detach() -> None:
    """Stop all of it and let go of the engine."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    for name, handler in HANDLERS:
        listening = getattr(bpy.app.handlers, name)
        if handler in listening:
            listening.remove(handler)
    _drawn.clear()
    runtime.close()
    thumbnails.detach()
