"""What the panel and the buttons depend on, read from Blender and the running state."""

from __future__ import annotations

import bpy

from ..shared.remote import RemoteEngine
from . import modes, preferences, runtime, thumbnails, world
from .panel_model import Facts
from .properties import settings_of
from .session import LinkState


def _elsewhere(state: runtime.Runtime) -> str:
    """Address of the engine on another computer: the one connected to, else the one chosen."""
    if state.session.state is LinkState.OFF:
        chosen = preferences.remote_engine()
    else:
        chosen = state.place if isinstance(state.place, RemoteEngine) else None
    return chosen.address if chosen is not None else ""


def facts(scene: bpy.types.Scene | None) -> Facts:
    """The facts for this scene; reads alone."""
    state = runtime.state()
    session = state.session
    settings = scene.panoloom if scene is not None else None
    history = state.history
    return Facts(
        link=session.state,
        status=session.status,
        is_starting=state.starting_since is not None,
        has_program=preferences.program() is not None,
        elsewhere=_elsewhere(state),
        started_here=state.engine is not None and state.engine.is_running,
        job=state.newest(scene),
        jobs=tuple(state.queue.open),
        problems=tuple(state.shown_problems()),
        has_words=scene is not None and settings_of(scene).has_words,
        wants_reference=bool(settings and settings.use_reference),
        wants_depth=scene is not None and state.follows_depth(settings_of(scene)),
        has_camera=scene is not None and scene.camera is not None,
        can_restore=scene is not None and world.can_restore(scene),
        is_rendering=runtime.is_rendering(),
        held_by=modes.held_by(),
        is_trying=scene is not None and world.is_trying(scene),
        num_loops=len(history.entries),
        loops_bytes=history.num_bytes,
        num_thumbnails=thumbnails.count(),
    )
