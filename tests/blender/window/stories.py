"""Run by a Blender with a window: the stories of `inside/stories.py`, and some that need a window.

    blender -P tests/blender/window/stories.py -- FOLDER LIBRARY [STORY …]

An engine that paints is started first, with the engine's Python, and ended afterwards:

    python tests/blender/window/engine.py LIBRARY

One line a check, `ok` or `WRONG`; the last is `STORIES DONE`, or `STORIES FAILED` with how many
were wrong. The extension is installed and enabled.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

import bpy

sys.path.insert(0, str(Path("tests/blender/inside").resolve()))  # run in the checkout
FOLDER, LIBRARY, *ASKED = sys.argv[sys.argv.index("--") + 1 :]
PATIENCE_S, GO_ON_S = 240.0, 0.3
bpy.context.preferences.view.show_splash = False


def two_windows(place):
    """A window shows the job's scene, another one another; then none shows it."""
    from stories import MINE, PREVIEW, here, in_window

    place.fresh().name = "First"
    with in_window():
        here().copy().name = "Second"
        bpy.ops.wm.window_new_main()  # a child window has its parent's scene
    yield None
    windows, scenes = bpy.context.window_manager.windows, bpy.data.scenes
    windows[0].scene, windows[1].scene = scenes["First"], scenes["Second"]
    yield None
    job = place.ask()
    yield place.until_preview(job)
    found = [place.seen(scenes["First"]), place.seen(scenes["Second"])]
    place.check("Two windows, the job's scene and the other", found, [PREVIEW, MINE])
    windows[0].scene = scenes["Second"]
    yield None
    with bpy.context.temp_override(window=windows[1]):
        bpy.ops.wm.window_close()
    yield place.go_on(job)
    for scene in scenes:
        scene.frame_set(2)
    found = [place.seen(scenes["First"]), place.seen(scenes["Second"])]
    place.check("One window closed, the job's scene not shown", found, ["loop 2", MINE])


def at_work(place, what: str, kind: str, begin):
    """Blender renders or bakes by itself; the World waits until it has ended."""
    from stories import HOLD, MINE, here, restore

    job = place.ask()
    begin()
    yield lambda: bpy.app.is_job_running(kind)
    yield lambda: job.view.preview_step >= HOLD
    waits = [bpy.app.is_job_running(kind), here().world.name]
    place.check(f"{what}, no preview comes in", waits, [True, "Mine"])
    place.check(
        f"{what}, buttons that change the World", bpy.ops.panoloom.load_sample.poll(), False
    )
    yield lambda: not bpy.app.is_job_running(kind)
    yield place.until_preview(job)
    yield place.go_on(job)
    here().frame_set(2)
    place.check_seen(f"{what} ended, the loop comes in", "loop 2")
    restore()
    place.check_seen(f"{what}, Restore", MINE)


def while_rendering(place):
    """A render in its own job, as F12 starts one."""
    from stories import in_window

    scene = place.fresh()
    bpy.context.preferences.view.render_display_type = "NONE"
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.cycles.samples = 400
    scene.cycles.use_adaptive_sampling = False

    def begin() -> None:
        with in_window():
            bpy.ops.render.render("INVOKE_DEFAULT", scene=scene.name)

    yield from at_work(place, "Rendering", "RENDER", begin)


def while_baking(place):
    """A bake in its own job, as the button of Cycles starts one."""
    from stories import in_window

    scene = place.fresh()
    scene.cycles.samples = 2000
    scene.cycles.use_adaptive_sampling = False
    with in_window():
        bpy.ops.mesh.primitive_cube_add(location=(0.0, 0.0, 9.0))
        cube = bpy.context.object
    material = bpy.data.materials.new("Baked")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.new("Baked", 128, 128)
    material.node_tree.nodes.active = node
    cube.data.materials.append(material)

    def begin() -> None:
        with in_window():
            bpy.ops.object.bake("INVOKE_DEFAULT", type="COMBINED")

    yield from at_work(place, "Baking", "OBJECT_BAKE", begin)


def all_stories(place):
    from stories import STORIES, engine_killed

    yield lambda: place.state.session.state.value == "connected"
    alone = [story for story in STORIES if story is not engine_killed]
    for story in [*alone, two_windows, while_rendering, while_baking, engine_killed]:
        if not ASKED or story.__name__ in ASKED:
            yield from story(place)
            yield None


def start() -> None:
    from stage import enable
    from stories import Place

    enable()
    place = Place(Path(FOLDER), Path(LIBRARY))
    place.state.care.connect(place.library)
    steps, waits, end = all_stories(place), [None], [0.0]

    def turn() -> float | None:
        if waits[0] is not None and not waits[0]():
            if time.monotonic() < end[0]:
                return 0.1
            print(f"STORIES FAILED it never came to be so after: {place.told[-1:]}", flush=True)
            return None
        try:
            waits[0] = next(steps)
        except StopIteration:
            failed = f"FAILED {len(place.wrong)} wrong" if place.wrong else "DONE"
            print(f"STORIES {failed}, {len(place.told)} checks", flush=True)
            return None
        except Exception as error:
            traceback.print_exc()
            print(f"STORIES FAILED {error!r}", flush=True)
            return None
        end[0] = time.monotonic() + PATIENCE_S
        return GO_ON_S  # for Blender to redraw and go on

    bpy.app.timers.register(turn, persistent=True)


bpy.app.timers.register(start, first_interval=3)
