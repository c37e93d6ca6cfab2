"""What befalls a job of a running engine, checked in rendered pixels. The same stories are told in
a Blender with a window (`window/stories.py`) and in one without (`real_engine.py`).

A story is a generator: it yields a fact to wait for, or None to let Blender go on for a moment.
Its engine is `window/engine.py`, whose worker paints known colours; with `hold_at` in the prompt it
waits after that step until LIBRARY/go is there, so that no story hangs on who is faster.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from stage import part, render, small_scene, write_exr

NUM_FRAMES, STEPS, HOLD = 4, 3, 2
BY_HAND = ("EXEC_DEFAULT", True)  # an operator that pushes its undo step, as a click does
MINE, PREVIEW, NOTHING = "mine", "preview", "nothing"
NEAR = 0.05  # of a painted colour; a preview is a JPEG
Waits = Iterator[Callable[[], object] | None]


class Place:
    """Where the stories are told: a folder for files, the engine's library, and what was found.

    Attributes:
        told: A line a check, in order.
        wrong: Those that were not as they should be.
    """

    def __init__(self, folder: Path, library: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.library = folder.resolve(), library.resolve()
        self.told: list[str] = []
        self.wrong: list[str] = []
        self.state = part("blender_addon.runtime").state()
        self.tick = part("blender_addon.timer").tick

    def check(self, what: str, found: object, *wanted: object) -> None:
        """Note what was found."""
        line = f"{what}: {found}"
        self.told.append(line)
        if found not in wanted:
            self.wrong.append(f"{line}, not {' or '.join(map(str, wanted))}")
        print(f"STORY {'ok   ' if found in wanted else 'WRONG'} {line}", flush=True)

    def check_seen(self, what: str, *wanted: str, scene: Any = None) -> None:
        """Render a scene, the first window's by default, and note what it shows."""
        self.check(what, self.seen(scene or here()), *wanted)

    def seen(self, scene: Any) -> str:
        """`mine`, `preview`, `loop 1` …, or the colour, as sRGB."""
        if scene.world is None:
            return NOTHING
        shot = self.folder / "seen.exr"
        shot.unlink(missing_ok=True)
        with in_window():
            light = render(scene, shot)[4, 4, :3]
        colour = part("blender_addon.look_table").linear_to_srgb(light)
        known = {MINE: (0.0, 1.0, 0.0)}
        known |= {f"loop {i + 1}": (0.2, 0.5, i / NUM_FRAMES) for i in range(NUM_FRAMES)}
        for name, wanted in known.items():
            if np.abs(colour - wanted).max() < NEAR:
                return name
        for step in range(1, STEPS + 1):
            if np.abs(colour - (0.2, 0.5, step / STEPS)).max() < NEAR:
                return PREVIEW
        return " ".join(f"{value:.2f}" for value in colour)

    def ask(self) -> Any:
        """Press Generate; the job holds after its second preview."""
        (self.library / "go").unlink(missing_ok=True)
        with in_window():
            assert bpy.ops.panoloom.generate() == {"FINISHED"}
        return self.state.job

    def until_preview(self, job: Any) -> Callable[[], bool]:
        """Its second preview was dealt with, and no undo step is due."""
        return lambda: job.shown_step >= HOLD and not self.state.showing.undo_step

    def go_on(self, job: Any) -> Callable[[], bool]:
        """Let the engine finish the job; until what came of it was dealt with."""
        (self.library / "go").touch()
        return lambda: not job.is_active and job.is_done and not self.state.showing.undo_step

    def fresh(self) -> Any:
        """One scene with a green World, a camera along +y, and nothing left of the story before."""
        for job in self.state.queue:
            self.state.cancel(job.job_id)
        self.state.queue.jobs.clear()
        self.state.dismiss()
        with in_window():
            scene = small_scene()
            scene.world = green_world()
            scene.camera.rotation_euler = (1.5707963, 0.0, 0.0)
            bpy.context.view_layer.update()
            words = scene.panoloom
            words.prompt, words.steps = f"a painted sea hold_at={HOLD}", STEPS
            scene.render.fps, words.seconds = NUM_FRAMES, 1.0
            words.seed = time.time_ns() % 2**31  # a result of before would be there at once
            bpy.ops.ed.undo_push(message="scene")
        return scene


def green_world() -> Any:
    mine = bpy.data.worlds.new("Mine")
    mine.use_nodes = True
    background = next(n for n in mine.node_tree.nodes if n.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.0, 1.0, 0.0, 1.0)
    return mine


def in_window(number: int = 0) -> Any:
    """A window and its 3D viewport, for operators that no click calls; Blender as a module has
    neither."""
    if bpy.app.background:
        return contextlib.nullcontext()
    window = bpy.context.window_manager.windows[number]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


def here() -> Any:
    """The scene of the first window, whatever undo and files made of it."""
    return bpy.context.window_manager.windows[0].scene


def undo() -> None:
    with in_window():
        if bpy.ops.ed.undo.poll():
            bpy.ops.ed.undo()


def into(mode: str) -> None:
    """A cube in this mode, each act an undo step."""
    with in_window():
        bpy.ops.mesh.primitive_cube_add(*BY_HAND, location=(0.0, 0.0, 9.0))
        bpy.ops.object.mode_set(*BY_HAND, mode=mode)


def out_of_the_mode() -> None:
    with in_window():
        if bpy.context.mode != "OBJECT":
            bpy.ops.object.mode_set(*BY_HAND, mode="OBJECT")


def restore() -> None:
    with in_window():
        if bpy.ops.panoloom.restore_world.poll():
            bpy.ops.panoloom.restore_world(*BY_HAND)


# The stories ----------------------------------------------------------------------------------


def engine_absent(place: Place) -> Waits:
    """No engine: a sentence, and what the extension can do alone."""
    scene = place.fresh()
    place.state.care.disconnect()
    empty = place.folder / "no engine"
    empty.mkdir(exist_ok=True)
    bpy.ops.panoloom.connect(place=str(empty))
    yield lambda: place.state.shown_problems()
    said = str(place.state.shown_problems()[0])
    place.check("No engine, a sentence with a way out", "Start one" in said, True)
    place.check("No engine, Generate is off", bpy.ops.panoloom.generate.poll(), False)
    for index in range(NUM_FRAMES):
        light = np.zeros((8, 16, 3), np.float32)
        light[:] = part("blender_addon.look_table").srgb_to_linear(
            np.array((0.2, 0.5, index / NUM_FRAMES))
        )
        write_exr(place.folder / "sky" / f"sky_{index + 1:03d}.exr", light)
    with in_window():
        bpy.ops.panoloom.load_loop(filepath=str(place.folder / "sky" / "sky_001.exr"))
    yield None
    scene.frame_set(3)
    place.check_seen("No engine, a sequence of EXRs plays", "loop 3")
    scene.frame_set(NUM_FRAMES + 2)
    place.check_seen("No engine, and begins again", "loop 2")
    restore()
    place.check_seen("No engine, Restore", MINE)
    place.state.dismiss()
    with in_window():
        bpy.ops.panoloom.connect(place=str(place.library))
    yield lambda: place.state.session.state.value == "connected"


def one_job(place: Place) -> Waits:
    """Submit, previews, the loop round and round, Restore."""
    place.fresh()
    job = place.ask()
    place.check_seen("Before the first preview", MINE)
    yield place.until_preview(job)
    place.check_seen("Previews come", PREVIEW)
    yield place.go_on(job)
    for frame in (1, 2, NUM_FRAMES, NUM_FRAMES + 1):
        here().frame_set(frame)
        place.check_seen(f"The loop, frame {frame}", f"loop {(frame - 1) % NUM_FRAMES + 1}")
    here().panoloom.show_as = "PREVIEW"
    place.check_seen("The same frame of the movie", "loop 1")
    restore()
    place.check_seen("Restore", MINE)


def cancelled(place: Place) -> Waits:
    """The World keeps its last preview; the next job takes its place."""
    place.fresh()
    job = place.ask()
    yield place.until_preview(job)
    with in_window():
        bpy.ops.panoloom.cancel(job_id=job.job_id)
    yield lambda: not job.is_active
    place.check("Cancel", str(job.view.state), "cancelled")
    place.check_seen("Cancel, the World keeps what it shows", PREVIEW)
    here().panoloom.seed += 1
    second = place.ask()
    yield place.until_preview(second)
    yield place.go_on(second)
    here().frame_set(2)
    place.check_seen("The next job", "loop 2")
    restore()
    place.check_seen("Cancel and another, Restore", MINE)


def undo_in_object_mode(place: Place) -> Waits:
    """Our World is a step of its own; undone, it is left alone, and Apply brings the loop."""
    place.fresh()
    into("OBJECT")
    job = place.ask()
    yield place.until_preview(job)
    place.check_seen("Object Mode, previews", PREVIEW)
    with in_window():
        bpy.ops.transform.translate(*BY_HAND, value=(1.0, 0.0, 0.0))
    undo()
    yield None
    place.check_seen("Object Mode, the artist's act undone", PREVIEW)
    undo()
    yield None
    place.check_seen("Object Mode, our World undone", MINE)
    yield place.go_on(job)
    place.check_seen("Object Mode, what comes after the undo waits in the history", MINE)
    place.check("Object Mode, the panel says why", bool(job.left_why), True)
    with in_window():
        bpy.ops.panoloom.apply(*BY_HAND)
    here().frame_set(3)
    place.check_seen("Object Mode, Apply", "loop 3")
    restore()
    place.check_seen("Object Mode, Restore", MINE)


def undo_in_edit_mode(place: Place) -> Waits:
    """Undo of Edit Mode brings no World back, nor takes one: Restore does."""
    place.fresh()
    into("EDIT")
    job = place.ask()
    yield place.until_preview(job)
    place.check_seen("Edit Mode, previews", PREVIEW)
    with in_window():
        bpy.ops.mesh.subdivide(*BY_HAND)
    undo()
    yield None
    place.check_seen("Edit Mode, the artist's act undone", PREVIEW, MINE)
    restore()
    place.check_seen("Edit Mode, Restore", MINE)
    place.check("Edit Mode, still in it", bpy.context.mode, "EDIT_MESH")
    yield place.go_on(job)
    place.check_seen("Edit Mode, the loop waits in the history", MINE)
    out_of_the_mode()


def undo_in_sculpt_mode(place: Place) -> Waits:
    """The World waits for the end of the mode, through undo and a save."""
    place.fresh()
    into("SCULPT")
    job = place.ask()
    yield lambda: job.view.preview_step >= HOLD
    with in_window():
        bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=1.0)
    yield None
    place.check_seen("Sculpt Mode, the World waits", MINE)
    with in_window():
        bpy.ops.wm.save_as_mainfile(filepath=str(place.folder / "sculpted.blend"))
    yield None
    with in_window():
        bpy.ops.paint.mask_flood_fill(*BY_HAND, mode="VALUE", value=0.0)
    undo()
    undo()
    (place.library / "go").touch()
    yield lambda: not job.is_active
    place.check_seen("Sculpt Mode, saved, undone, finished", MINE)
    out_of_the_mode()
    yield place.go_on(job)
    here().frame_set(2)
    place.check_seen("Sculpt Mode left, the loop comes in", "loop 2")
    restore()
    place.check_seen("Sculpt Mode left, Restore", MINE)


def file_loaded(place: Place) -> Waits:
    """Another file is opened in mid-job and come back from."""
    place.fresh()
    other, own = (str(place.folder / name) for name in ("other.blend", "own.blend"))
    with in_window():
        bpy.ops.wm.save_as_mainfile(filepath=other)
    job = place.ask()
    yield place.until_preview(job)
    with in_window():
        bpy.ops.wm.save_as_mainfile(filepath=own)
        bpy.ops.wm.open_mainfile(filepath=other)
    yield None
    place.check_seen("Another file in mid-job", MINE)
    with in_window():
        bpy.ops.wm.open_mainfile(filepath=own)
    yield None
    place.check_seen("Back in the job's file, its preview", PREVIEW)
    yield place.go_on(job)
    here().frame_set(3)
    place.check_seen("and its loop comes in", "loop 3")
    with in_window():
        bpy.ops.wm.open_mainfile(filepath=other)
    yield None
    place.check_seen("Nothing came into the other file", MINE)


def save_as(place: Place) -> Waits:
    """The loop goes along with the file, and both files have it."""
    place.fresh()
    one, two = place.folder / "one" / "a.blend", place.folder / "two" / "b.blend"
    for path in (one, two):
        path.parent.mkdir(exist_ok=True)
    job = place.ask()
    yield place.until_preview(job)
    with in_window():
        bpy.ops.wm.save_as_mainfile(filepath=str(one))
    yield place.go_on(job)
    with in_window():
        bpy.ops.panoloom.keep(*BY_HAND)
    yield lambda: place.state.keeping is None and not place.state.showing.undo_step
    with in_window():
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.save_as_mainfile(filepath=str(two))
    yield None
    here().frame_set(4)
    place.check_seen("Save As, the loop plays on", "loop 4")
    kept = sorted(p.relative_to(place.folder).parts[0] for p in place.folder.glob("*/panoloom/*"))
    place.check("Save As, both files have the loop beside them", kept, ["one", "two"])
    for path in (one, two):
        with in_window():
            bpy.ops.wm.open_mainfile(filepath=str(path))
        yield None
        here().frame_set(2)
        place.check_seen(f"Save As, {path.name} opened again", "loop 2")


def two_scenes(place: Place) -> Waits:
    """Each scene gets its own job's World, whichever is looked at."""
    one = place.fresh()
    one.name = "First"
    first = place.ask()
    yield place.until_preview(first)
    two = one.copy()
    two.name, two.world = "Second", green_world()
    bpy.context.window_manager.windows[0].scene = two
    yield None
    found = [place.seen(bpy.data.scenes[name]) for name in ("First", "Second")]
    place.check("Two scenes, a job of one while the other is open", found, [PREVIEW, MINE])
    yield place.go_on(first)
    two = bpy.data.scenes["Second"]
    two.panoloom.seed += 1
    second = place.ask()
    yield place.until_preview(second)
    for scene in bpy.data.scenes:  # a render takes its frame from the scene that is open
        scene.frame_set(2)
    found = [place.seen(bpy.data.scenes[name]) for name in ("First", "Second")]
    place.check("Two scenes, the second one's job", found, ["loop 2", PREVIEW])
    yield place.go_on(second)
    for scene in bpy.data.scenes:
        scene.frame_set(3)
    found = [place.seen(bpy.data.scenes[name]) for name in ("First", "Second")]
    place.check("Two scenes, both loops", found, ["loop 3", "loop 3"])


def engine_killed(place: Place) -> Waits:
    """`window/engine.py` kills the engine when it finds `running`, and starts it at `lost`."""
    place.fresh()
    job = place.ask()
    yield place.until_preview(job)
    (place.library / "running").touch()
    session = place.state.session
    yield lambda: session.state.value != "connected"
    told = bpy.context.window_manager.panoloom.status
    place.check("Engine killed, the panel says so", told, "No engine found; looking again …")
    place.check_seen("Engine killed, the World stays", PREVIEW)
    (place.library / "lost").touch()
    yield place.go_on(job)
    place.check("Engine started again, the job ends", str(job.view.state), "finished")
    here().frame_set(3)
    place.check_seen("and its loop is there", "loop 3")
    restore()
    place.check_seen("Engine killed, Restore", MINE)


STORIES = (
    engine_absent,
    one_job,
    cancelled,
    undo_in_object_mode,
    undo_in_edit_mode,
    undo_in_sculpt_mode,
    file_loaded,
    save_as,
    two_scenes,
    engine_killed,
)
