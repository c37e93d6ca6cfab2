"""Start the engine with the panel's button and stop it with the other.

start_stop.py PROGRAM LIBRARY
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from stage import MODULE, part, run, small_scene

PATIENCE_S = 60


def main(program: str, library: str) -> dict[str, object]:
    small_scene()
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.engine_program = "no-such-program"
    state, tick = part("blender_addon.runtime").state(), part("blender_addon.timer").tick
    facts = {"offered_without_a_program": bpy.ops.panoloom.start_engine.poll()}
    preferences.engine_program, preferences.library = program, library
    end = time.monotonic() + PATIENCE_S

    def pump(until) -> None:
        while not until():
            assert time.monotonic() < end, state.shown_problems()
            tick()
            time.sleep(0.005)

    blend = str(Path(library).with_name("opened.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    bpy.ops.wm.open_mainfile(filepath=blend)
    for _ in range(20):
        tick()
    status = bpy.context.window_manager.panoloom.status
    facts["after_opening_a_file"] = [status, state.engine is not None]
    bpy.ops.panoloom.start_engine()
    facts["starting"] = bpy.context.window_manager.panoloom.status
    pump(lambda: state.session.state.value == "connected")
    tick()
    facts["connected"] = bpy.context.window_manager.panoloom.status
    facts["can_generate"] = bpy.ops.panoloom.generate.poll()
    process = state.engine._process
    bpy.ops.panoloom.stop_engine()
    pump(lambda: process.poll() is not None)
    tick()
    facts["stopped"] = bpy.context.window_manager.panoloom.status
    preferences.engine_program = "false"
    bpy.ops.panoloom.start_engine()
    pump(lambda: bool(state.shown_problems()))
    facts["failed"] = str(state.shown_problems()[0])
    return facts


run(main)
