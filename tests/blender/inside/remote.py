"""An engine by address and key file, from the preferences to a rendered World.

remote.py FOLDER LIBRARY ADDRESS TUNNEL KEY_FILE

ADDRESS is another computer to the extension, TUNNEL the same engine at an address of this one.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import bpy
from look_and_time import all_around
from stage import MODULE, part, render, run, small_scene

PATIENCE_S = 200


def pump(until) -> None:
    tick = part("blender_addon.timer").tick
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, part("blender_addon.runtime").state().shown_problems()
        tick()
        time.sleep(0.005)


def told(state) -> dict[str, object]:
    """What the panel says now."""
    facts = part("blender_addon.gather").facts(bpy.context.scene)
    model = part("blender_addon.panel_model").panel_model(facts)
    remedies = [row.remedy.action for row in model.errors if row.remedy is not None]
    return {
        "status": [model.status, model.status_detail],
        "errors": [row.text for row in model.errors],
        "remedies": remedies,
        "link": state.session.state.value,
    }


def press_connect() -> None:
    with contextlib.suppress(RuntimeError):  # how an operator's report reaches a script
        bpy.ops.panoloom.connect()


def make_a_loop(scene, state, folder: Path) -> dict[str, object]:
    """Generate there; the World here shows the files that were fetched."""
    scene.panoloom.prompt, scene.panoloom.steps = "a painted sea", 3
    scene.render.fps, scene.panoloom.seconds = 4, 1.0
    bpy.ops.panoloom.generate()
    job, seen = state.job, set()

    def done() -> bool:
        seen.add(job.view.progress.phase if job.view.progress else "")
        return job.is_done or not (job.is_active or job.artifact)

    pump(done)
    shown = scene.world.node_tree.nodes["Panoloom Environment"].image
    all_around(scene)
    scene.render.resolution_x, scene.render.resolution_y = 64, 32
    pixels = render(scene, folder / "seen.exr")[16]  # level, all around
    return {
        "state": str(job.view.state),
        "phases": sorted(seen),
        "file": bpy.path.abspath(shown.filepath),
        "seen": [[round(float(v), 3) for v in pixels[x, :3]] for x in (32, 48, 0, 16)],
    }


def main(folder: str, library: str, address: str, tunnel: str, key: str) -> dict[str, object]:
    scene = small_scene()
    network = bpy.context.preferences.system
    chosen = bpy.context.preferences.addons[MODULE].preferences
    chosen.library, chosen.remote_address, chosen.remote_key = library, address, key
    state = part("blender_addon.runtime").state()
    network.use_online_access = False
    press_connect()
    facts = {"refused": told(state)}
    state.dismiss()
    network.use_online_access = True
    for _ in range(20):
        part("blender_addon.timer").tick()
    facts["by_itself"] = told(state)["link"]
    chosen.remote_key = str(Path(folder, "no-such.key"))
    press_connect()
    facts["without_a_key"] = told(state)
    bpy.ops.panoloom.disconnect()
    state.dismiss()
    chosen.remote_key = key
    press_connect()
    pump(lambda: state.session.state.value == "connected")
    facts["connected"] = told(state)
    facts |= make_a_loop(scene, state, Path(folder))
    bpy.ops.panoloom.disconnect()
    network.use_online_access = False
    chosen.remote_address = tunnel
    press_connect()
    pump(lambda: state.session.state.value == "connected")
    facts["through_a_tunnel"] = told(state)["link"]
    return facts


run(main)
