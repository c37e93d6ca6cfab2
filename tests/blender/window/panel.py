"""Run by a Blender with a window: bring the panel into a state, for people to look at.

    blender -P tests/blender/window/panel.py -- STATE [CONNECTION] [PROMPT]

STATE is `off` (nothing connected), `connected`, or `running`, which presses Generate in a small
scene and goes on to the finished World. The extension is installed and enabled already.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import bpy

DEMO = Path("packaging", "demo_scene.py").resolve()  # run in the checkout
STATE, CONNECTION, PROMPT = (*sys.argv[sys.argv.index("--") + 1 :], "", "", "")[:3]
bpy.context.preferences.view.show_splash = False


def viewport() -> bpy.types.Area:
    window = bpy.context.window_manager.windows[0]
    return next(area for area in window.screen.areas if area.type == "VIEW_3D")


def build() -> None:
    """The demo's scene, seen through its camera's eyes but freely."""
    spec = importlib.util.spec_from_file_location("demo_scene", DEMO)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    demo.build_scene()
    space = viewport().spaces.active
    space.overlay.show_overlays = False
    space.lens = 30
    view = space.region_3d
    view.view_perspective = "PERSP"
    view.view_location = (0.6, 0.0, 1.2)
    view.view_distance = 8.0
    view.view_rotation = bpy.context.scene.camera.matrix_world.to_quaternion()


def open_sidebar() -> float:
    area = viewport()
    area.spaces.active.show_region_ui = True
    region = next(region for region in area.regions if region.type == "UI")
    if region.active_panel_category in ("", "UNSUPPORTED"):  # before it was first drawn
        area.tag_redraw()
        return 0.5
    region.active_panel_category = "Panoloom"
    if STATE == "off":
        return None
    bpy.ops.panoloom.connect(place=CONNECTION)
    bpy.app.timers.register(go_on, first_interval=1)
    return None


def go_on() -> float | None:
    if bpy.context.window_manager.panoloom.status != "Engine ready":
        return 0.5
    if STATE == "running":
        scene = bpy.context.scene
        scene.panoloom.prompt = PROMPT or scene.panoloom.prompt
        scene.panoloom.seconds, scene.panoloom.steps = 1.0, 12
        bpy.ops.panoloom.generate()
        area = viewport()
        with bpy.context.temp_override(
            window=bpy.context.window_manager.windows[0], area=area, space_data=area.spaces.active
        ):
            bpy.ops.panoloom.show_world()
        bpy.app.timers.register(tell, first_interval=1)
    return None


def tell() -> float:
    status = bpy.context.window_manager.panoloom
    print(f"{status.status}; {status.job_state} {status.fraction:.2f}", flush=True)
    return 5.0


def start() -> None:
    if STATE == "running":
        build()
    bpy.app.timers.register(open_sidebar, first_interval=1)


bpy.app.timers.register(start, first_interval=2)
