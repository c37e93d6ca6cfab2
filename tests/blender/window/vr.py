"""Run by a Blender with a window: into VR and back, without a runtime and with a simulated headset.

    blender -P tests/blender/window/vr.py -- OUT.json [monado-service]

Without a second word no runtime is named: the button has to say so and leave all as it was. With
it, that program is started as a simulated headset that turns: the session has to run, the head and
the loop's frames to go on, and the end to put everything back. What its eyes would see is not
looked at: the null compositor shows nothing. OUT.json gets what was found.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

MODULE = "bl_ext.user_default.panoloom"
OUT, *SERVICE = sys.argv[sys.argv.index("--") + 1 :]
WATCH = 8  # looks, one a second
END_S = 1800  # of the simulated headset
MANIFEST = "/usr/share/openxr/1/openxr_monado.json"
bpy.context.preferences.view.show_splash = False
found: dict[str, Any] = {"version": bpy.app.version_string}


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{MODULE}.{name}")


def start_headset(program: str) -> subprocess.Popen[bytes]:
    folder = tempfile.mkdtemp(prefix="xr")  # short: a socket lies in it
    simulated = {"SIMULATED_ENABLE": "1", "SIMULATED_ROTATE": "1", "XRT_COMPOSITOR_NULL": "1"}
    simulated |= {"SIMULATED_LEFT": "simple", "SIMULATED_RIGHT": "simple", "XRT_NO_STDIN": "1"}
    os.environ.update(XDG_RUNTIME_DIR=folder, XR_RUNTIME_JSON=MANIFEST)
    with Path(folder, "log").open("wb") as log:
        command = ["timeout", str(END_S), program]  # also where Blender is killed
        return subprocess.Popen(command, env=os.environ | simulated, stdout=log, stderr=log)


def place() -> dict[str, Any]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return {"window": window, "area": area, "region": region}


def plain(value: object) -> object:
    return (
        [round(v, 5) for v in value]
        if hasattr(value, "__len__") and not isinstance(value, str)
        else value
    )


def settings() -> dict[str, object]:
    """Everything that a visit may change."""
    where, scene = place(), bpy.context.scene
    xr = bpy.context.window_manager.xr_session_settings
    shading = where["area"].spaces.active.shading
    owners = {
        "xr": (xr, [p.identifier for p in xr.bl_rna.properties if not p.is_readonly]),
        "shading": (shading, ["type", "use_scene_world", "use_scene_lights"]),
        "scene": (
            scene,
            ["use_preview_range", "sync_mode"],
        ),
    }
    facts = {
        f"{name}.{key}": plain(getattr(owner, key))
        for name, (owner, keys) in owners.items()
        for key in keys
        if key != "base_pose_object"
    }
    user = part("blender_addon.world_nodes").node(scene.world, "Panoloom Environment").image_user
    facts["frame"] = scene.frame_current
    facts["preview"] = [  # 0 is "as the scene's"
        scene.frame_preview_start or scene.frame_start,
        scene.frame_preview_end or scene.frame_end,
    ]
    facts["plays"] = where["window"].screen.is_animation_playing
    facts["refresh"] = user.use_auto_refresh
    facts["objects"] = sorted(bpy.data.objects.keys())
    facts["meshes"], facts["materials"] = len(bpy.data.meshes), len(bpy.data.materials)
    return facts


def finish() -> None:
    Path(OUT).write_text(json.dumps(found, indent=1), encoding="utf-8")
    bpy.ops.wm.quit_blender()


class Visit:
    """One look a second."""

    def __init__(self) -> None:
        self.looks = 0
        self.frames: list[int] = []
        self.poses: list[list[float]] = []

    def begin(self) -> float | None:
        with bpy.context.temp_override(**place()):
            bpy.ops.panoloom.load_sample()
            scene = bpy.context.scene
            scene.frame_current, scene.use_preview_range = 7, True
            scene.frame_preview_end, scene.frame_preview_start = 200, 100
            scene.use_preview_range = False
            self.before = settings()
            try:
                found["entered"] = sorted(bpy.ops.panoloom.enter_vr())
            except RuntimeError as error:
                found["refused"] = str(error)
        if "entered" not in found:
            self.compare()
            found["problems"] = [str(p) for p in part("blender_addon.runtime").state().problems]
            finish()
            return None
        found["inside"] = settings()
        bpy.app.timers.register(self.look, first_interval=1.0)
        return None

    def look(self) -> float | None:
        state = bpy.context.window_manager.xr_session_state
        is_running = bpy.types.XrSessionState.is_running(bpy.context)
        if is_running:
            self.frames.append(bpy.context.scene.frame_current)
            self.poses.append([round(v, 3) for v in state.viewer_pose_rotation])
        self.looks += 1
        if self.looks < WATCH:
            return 1.0
        found.update(running=is_running, frames=self.frames, poses=self.poses)
        found["stands_at"] = [round(v, 3) for v in state.viewer_pose_location] if state else None
        with bpy.context.temp_override(**place()):
            bpy.ops.panoloom.leave_vr()
        bpy.app.timers.register(self.end, first_interval=3.0)
        return None

    def end(self) -> None:
        found["runs_after"] = bpy.types.XrSessionState.is_running(bpy.context)
        self.compare()
        finish()

    def compare(self) -> None:
        after = settings()
        changed = {k: [v, after[k]] for k, v in self.before.items() if after[k] != v}
        found["all_as_before"], found["changed"] = not changed, changed


os.environ["XR_RUNTIME_JSON"] = "none"
headset = start_headset(SERVICE[0]) if SERVICE else None
try:
    bpy.app.timers.register(Visit().begin, first_interval=4.0)
finally:
    if headset is not None:
        import atexit

        atexit.register(headset.terminate)
