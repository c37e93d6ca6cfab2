"""Run by a Blender with a window: undo in mid-job in Object, Edit and Sculpt Mode.

    blender -P tests/blender/window/undo.py -- FOLDER

Prints one line a mode: which World the scene has after the artist's own act was undone, after one
more undo, when the next preview came, and after Restore. Ends with `UNDO DONE`, or with `UNDO
FAILED` and the reason. The extension is installed and enabled; the engine is played.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import bpy

sys.path.insert(0, str(Path("tests/blender/inside").resolve()))  # run in the checkout
FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
bpy.context.preferences.view.show_splash = False


def in_window():
    """The window and its 3D viewport, for operators that a timer calls."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


AS_BY_HAND = ("EXEC_DEFAULT", True)  # an operator that pushes its undo step, as a click does


def act_of_an_artist(mode: str) -> None:
    """Something undoable in this mode."""
    if mode == "EDIT":
        bpy.ops.mesh.subdivide(*AS_BY_HAND)
    elif mode == "SCULPT":
        bpy.ops.paint.mask_flood_fill(*AS_BY_HAND, mode="VALUE", value=1.0)
    else:
        bpy.ops.transform.translate(*AS_BY_HAND, value=(1.0, 0.0, 0.0))


def story(stage, mode: str) -> dict[str, object]:
    from scripted import new_scene

    scene = new_scene()
    bpy.ops.ed.undo_push(message="scene")
    bpy.ops.mesh.primitive_cube_add(*AS_BY_HAND)
    if mode != "OBJECT":
        bpy.ops.object.mode_set(*AS_BY_HAND, mode=mode)
    stage.generate()
    stage.preview(1)
    stage.tick()  # the step is pushed in the tick after
    facts: dict[str, object] = {"shown": scene.world.name}
    act_of_an_artist(mode)
    for name in ("act undone", "undone again"):
        if bpy.ops.ed.undo.poll():
            bpy.ops.ed.undo()
        scene = bpy.context.scene
        facts[name] = [scene.world.name, bpy.context.mode]
    stage.preview(2)
    facts["next preview"] = scene.world.name
    if bpy.ops.panoloom.restore_world.poll():
        bpy.ops.panoloom.restore_world()
    facts["restored"] = bpy.context.scene.world.name
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(*AS_BY_HAND, mode="OBJECT")
    return facts


def start() -> None:
    from scripted import Stage
    from stage import small_scene

    try:
        with in_window():
            small_scene()
            FOLDER.mkdir(parents=True, exist_ok=True)
            stage = Stage(FOLDER)
            for mode in ("OBJECT", "EDIT", "SCULPT"):
                print(f"UNDO {mode} {story(stage, mode)}", flush=True)
        print("UNDO DONE", flush=True)
    except Exception as error:
        traceback.print_exc()
        print(f"UNDO FAILED {error!r}", flush=True)


bpy.app.timers.register(start, first_interval=3)
