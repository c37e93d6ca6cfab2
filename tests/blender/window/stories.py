"""Run by a Blender with a window: what befalls a job there, checked in rendered pixels.

    blender -P tests/blender/window/stories.py -- FOLDER [LIBRARY]

Undo in mid-job in Object, Edit and Sculpt Mode, Save As, two windows with two scenes, and another
file opened and come back from, with an engine that the script plays; then, where LIBRARY is given,
a real engine that is killed and started again in mid-job by

    python tests/blender/window/engine.py LIBRARY

which is started first. One line a check, `ok` or `WRONG`; the last is `STORIES DONE`, or `STORIES
FAILED` with how many were wrong. The extension is installed and enabled.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path("tests/blender/inside").resolve()))  # run in the checkout
FOLDER, *LIBRARIES = map(Path, sys.argv[sys.argv.index("--") + 1 :])
BY_HAND = ("EXEC_DEFAULT", True)  # an operator that pushes its undo step, as a click does
MINE, PREVIEW, NOTHING = "mine", "preview", "nothing"
PATIENCE_S = 240.0
WRONG: list[str] = []
bpy.context.preferences.view.show_splash = False


def in_window(number: int = 0) -> Any:
    """A window and its 3D viewport, for operators that a timer calls."""
    window = bpy.context.window_manager.windows[number]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


def seen(scene: Any) -> str:
    """What a render of this scene shows: `mine`, `preview`, `loop 1` …, or its colour."""
    from stage import render

    if scene.world is None:
        return NOTHING
    (FOLDER / "seen.exr").unlink(missing_ok=True)
    with in_window():
        red, green, blue = (
            round(float(v), 2) for v in render(scene, FOLDER / "seen.exr")[4, 4, :3]
        )
    if (red, green, blue) == (0.0, 1.0, 0.0):
        return MINE
    if (red, green, blue) == (1.0, 0.0, 0.0):
        return PREVIEW
    if red == green == blue and red * 4 == round(red * 4):
        return f"loop {round(red * 4) + 1}"
    return f"{red} {green} {blue}"


def check(what: str, found: object, *wanted: object) -> None:
    is_right = found in wanted
    print(f"STORY {'ok   ' if is_right else 'WRONG'} {what}: {found}", flush=True)
    if not is_right:
        WRONG.append(what)


def scene_of_mine() -> Any:
    """The only scene, with a green World of the artist's."""
    from scripted import new_scene

    scene = new_scene()
    scene.world.color = (0.0, 1.0, 0.0)
    return scene


def red_png(folder: Path) -> bytes:
    image = bpy.data.images.new("red", 16, 8)
    image.generated_color = (1.0, 0.0, 0.0, 1.0)
    image.filepath_raw, image.file_format = str(folder / "red.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return (folder / "red.png").read_bytes()


def here() -> Any:
    """The scene of the first window, whatever undo made of it."""
    return bpy.context.window_manager.windows[0].scene


def undo() -> None:
    if bpy.ops.ed.undo.poll():
        bpy.ops.ed.undo()


def undo_in_object_mode(stage: Any) -> Iterator[Any]:
    with in_window():
        scene_of_mine()
        bpy.ops.ed.undo_push(message="scene")
        bpy.ops.mesh.primitive_cube_add(*BY_HAND, location=(0.0, 0.0, 9.0))
        stage.generate()
        stage.preview(1)
        stage.tick()  # the step is pushed in the tick after
    yield
    check("Object Mode, first preview", seen(here()), PREVIEW)
    with in_window():
        bpy.ops.transform.translate(*BY_HAND, value=(1.0, 0.0, 0.0))
        undo()
    yield
    check("Object Mode, the artist's act undone", seen(here()), PREVIEW)
    with in_window():
        undo()
    yield
    check("Object Mode, our World undone", seen(here()), MINE)
    with in_window():
        stage.preview(2)
        stage.finish()
    yield
    check("Object Mode, what comes after the undo waits in the history", seen(here()), MINE)
    check("Object Mode, the panel says why", bool(stage.state.job.left_why), True)
    with in_window():
        bpy.ops.panoloom.apply(*BY_HAND)
    yield
    here().frame_set(3)
    check("Object Mode, Apply", seen(here()), "loop 3")
    with in_window():
        bpy.ops.panoloom.restore_world(*BY_HAND)
    check("Object Mode, Restore", seen(here()), MINE)


def undo_in_edit_mode(stage: Any) -> Iterator[Any]:
    with in_window():
        scene_of_mine()
        bpy.ops.ed.undo_push(message="scene")
        bpy.ops.mesh.primitive_cube_add(*BY_HAND, location=(0.0, 0.0, 9.0))
        bpy.ops.object.mode_set(*BY_HAND, mode="EDIT")
        stage.generate()
        stage.preview(1)
        stage.tick()
    yield
    check("Edit Mode, first preview", seen(here()), PREVIEW)
    with in_window():
        bpy.ops.mesh.subdivide(*BY_HAND)
        undo()
        stage.preview(2)
    yield
    check("Edit Mode, after undo and another preview", seen(here()), PREVIEW, MINE)
    with in_window():
        if bpy.ops.panoloom.restore_world.poll():
            bpy.ops.panoloom.restore_world(*BY_HAND)
    yield
    check("Edit Mode, Restore", [seen(here()), bpy.context.mode], [MINE, "EDIT_MESH"])
    with in_window():
        bpy.ops.object.mode_set(*BY_HAND, mode="OBJECT")


def undo_in_sculpt_mode(stage: Any) -> Iterator[Any]:
    with in_window():
        scene_of_mine()
        bpy.ops.ed.undo_push(message="scene")
        bpy.ops.mesh.primitive_cube_add(*BY_HAND, location=(0.0, 0.0, 9.0))
        bpy.ops.object.mode_set(*BY_HAND, mode="SCULPT")
        stage.generate()
        stage.preview(1)
        bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=1.0)
        stage.preview(2)
    yield
    check("Sculpt Mode, the World waits", seen(here()), MINE)
    with in_window():
        bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "sculpted.blend"))
    yield
    with in_window():
        bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=0.0)
        undo()
        undo()
        stage.finish()
    yield
    check("Sculpt Mode, saved, undone, finished", seen(here()), MINE)
    with in_window():
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(*BY_HAND, mode="OBJECT")
        stage.tick()
        stage.tick()
    yield
    here().frame_set(2)
    check("Sculpt Mode left, the loop comes in", seen(here()), "loop 2")
    with in_window():
        bpy.ops.panoloom.restore_world(*BY_HAND)
    check("Sculpt Mode left, Restore", seen(here()), MINE)


def save_as(stage: Any) -> Iterator[Any]:
    one, two = FOLDER / "one" / "a.blend", FOLDER / "two" / "b.blend"
    for path in (one, two):
        path.parent.mkdir(exist_ok=True)
    with in_window():
        scene_of_mine()
        stage.generate()
        stage.preview(1)
        bpy.ops.wm.save_as_mainfile(filepath=str(one))
        stage.finish()
        stage.tick()
        bpy.ops.panoloom.keep(*BY_HAND)
        for _ in range(20):
            stage.tick()
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.save_as_mainfile(filepath=str(two))
    yield
    here().frame_set(4)
    check("Save As, the loop plays on", seen(here()), "loop 4")
    kept = sorted(p.relative_to(FOLDER).parts[0] for p in FOLDER.glob("*/panoloom/*/frames"))
    check("Save As, both files have the loop beside them", kept, ["one", "two"])
    stage.generate()
    stage.preview(1)
    bpy.ops.wm.open_mainfile(filepath=str(one))
    yield
    here().frame_set(2)
    check("Another file in mid-job shows its own loop", seen(here()), "loop 2")
    with in_window():
        stage.preview(2)
        stage.finish()
    yield
    check("and gets nothing of the job", seen(here()), "loop 2")
    bpy.ops.wm.open_mainfile(filepath=str(two))
    yield
    here().frame_set(3)
    check("The file that was saved as another shows it too", seen(here()), "loop 3")


def two_windows(stage: Any) -> Iterator[Any]:
    with in_window():
        bpy.ops.panoloom.restore_world(*BY_HAND)
        here().name = "First"
        here().copy().name = "Second"
        bpy.ops.wm.window_new_main()  # a child window has its parent's scene
    yield
    windows = bpy.context.window_manager.windows
    windows[0].scene, windows[1].scene = bpy.data.scenes["First"], bpy.data.scenes["Second"]
    yield
    with in_window():
        stage.generate()
        job = stage.state.job
        stage.preview(1, job)
    yield
    scenes = bpy.data.scenes
    found = [seen(scenes["First"]), seen(scenes["Second"])]
    check("Two windows, the job's scene and the other", found, [PREVIEW, MINE])
    windows[0].scene = scenes["Second"]
    yield
    with in_window():
        stage.preview(2, job)
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[1]):
        bpy.ops.wm.window_close()
    yield
    with in_window():
        stage.finish(job)
        stage.tick()
    yield
    for scene in scenes:
        scene.frame_set(2)
    found = [seen(scenes["First"]), seen(scenes["Second"])]
    check("One window closed, the job's scene not shown", found, ["loop 2", MINE])


def engine_killed(stage: Any) -> Iterator[Any]:
    """`window/engine.py` kills the engine when it finds `running`, and starts it at `lost`."""
    from stage import part

    library = LIBRARIES[0].resolve()
    scene = here()
    state = stage.state
    state.session = part("blender_addon.session").Session()
    state.queue.jobs.clear()
    scene.panoloom.prompt, scene.panoloom.steps = "a painted sea pace=500", 8
    scene.render.fps, scene.panoloom.seconds = 4, 1.0
    scene.panoloom.seed = time.time_ns() % 2**31  # a result of before would be there at once
    scene.camera.rotation_euler = (1.5707963, 0.0, 0.0)  # ahead, where the painter paints 0.2 0.5
    bpy.ops.panoloom.connect(place=str(library))
    yield lambda: state.session.state.value == "connected"
    with in_window():
        bpy.ops.panoloom.generate()
    job = state.job
    yield lambda: job.shown_step >= 1
    check("Real engine, previews come", here().world["panoloom_job"], job.job_id)
    (library / "running").touch()
    yield lambda: state.session.state.value != "connected"
    told = bpy.context.window_manager.panoloom.status
    check("Engine killed, the panel says so", told, "No engine found; looking again …")
    check("Engine killed, the World stays", here().world["panoloom_job"], job.job_id)
    (library / "lost").touch()
    yield lambda: job.is_done or not job.is_active
    here().frame_set(3)
    found = seen(here())
    check(
        "Engine started again, the job ends",
        [str(job.view.state), job.view.attempt > 1],
        ["finished", True],
        ["finished", False],
    )
    check("and its loop is rendered, frame 3 of 4", found, "0.03 0.21 0.21")
    with in_window():
        bpy.ops.panoloom.restore_world(*BY_HAND)
    check("Restore", seen(here()), MINE)


def all_stories() -> Iterator[Any]:
    from scripted import Stage
    from stage import small_scene

    FOLDER.mkdir(parents=True, exist_ok=True)
    with in_window():
        small_scene()
        stage = Stage(FOLDER)
        stage.png = red_png(FOLDER)
    stories = [undo_in_object_mode, undo_in_edit_mode, undo_in_sculpt_mode, save_as, two_windows]
    for story in [*stories, *([engine_killed] if LIBRARIES else [])]:
        yield from story(stage)
        yield


def start() -> None:
    steps, waits = all_stories(), [lambda: True]
    end = [time.monotonic()]

    def turn() -> float | None:
        if not waits[0]():
            if time.monotonic() > end[0]:
                print("STORIES FAILED it never came to be so", flush=True)
                return None
            return 0.1
        try:
            waits[0] = next(steps) or (lambda: True)
        except StopIteration:
            failed = f"FAILED {len(WRONG)} wrong" if WRONG else "DONE"
            print(f"STORIES {failed}", flush=True)
            return None
        except Exception as error:
            traceback.print_exc()
            print(f"STORIES FAILED {error!r}", flush=True)
            return None
        end[0] = time.monotonic() + PATIENCE_S
        return 0.3  # for Blender to redraw and go on

    bpy.app.timers.register(turn, persistent=True)


bpy.app.timers.register(start, first_interval=3)
