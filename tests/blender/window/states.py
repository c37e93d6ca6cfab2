"""Run by a Blender with a window: bring the panel into its states and take the pictures of them
that are in docs/blender.md.

    blender -P tests/blender/window/states.py -- OUT LIBRARY [STATE …]

OUT is the folder for STATE.png. A state is `first` (nothing installed but the extension), `words`
(all that says what to make), `queue` (two jobs wait and one is made, by an engine that the script
plays itself), `error` (one that a button mends), `models` (the model that was chosen has no weights
here), `reasons` (the mouse rests on a button that is off), `history` (LIBRARY's loops, one chosen),
`export` and `vr` (these parts opened, with one of LIBRARY's loops in the World), `exporting`,
`cancelled` and `exported` (an export by a program that stands for the engine's), `missing` (Enter
VR was pressed without a headset's software), `careful` (and what is asked before entering a loop
whose report found flashes), `world` (the World
tab), `job` (a loop being made, its preview in the World), `look` (a loop with the poster's look
under AgX, in a scene of another frame rate), `sample` (the sample in the World) or `narrow` (a
queue in a sidebar that was pulled narrow; the last, since it stays so). Each fits into a window of
900 pixels, drawn by factory settings: online access is off. The extension is
installed and enabled. xdotool moves the mouse, ImageMagick takes the pictures.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import bpy

MODULE = "bl_ext.user_default.panoloom"
STATES = (
    "first", "words", "queue", "error", "models", "reasons", "history", "export",
    "exporting", "cancelled", "exported", "vr", "missing", "careful", "world", "job", "look",
    "sample", "narrow",
)  # fmt: skip
OUT, LIBRARY, *ASKED = sys.argv[sys.argv.index("--") + 1 :]
SETTLE_S, RENDER_S = 12.0, 45.0  # between a change and its picture
bpy.context.preferences.view.show_splash = False


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{MODULE}.{name}")


class PlayedSession:
    """An engine that answers nothing by itself."""

    def __init__(self) -> None:
        self.state = part("blender_addon.session").LinkState.CONNECTED
        messages = part("shared.messages")
        worker = messages.WorkerStatus(state="busy", device="cpu", memory_free_bytes=6 * 2**30)
        self.status = messages.StatusReported(
            engine_version="0.1.0", session="played", library="", uptime_s=1.0, worker=worker
        )
        self.trouble = None
        told = ({"name": "preview", "installed": True}, {"name": "wan-1.3b", "installed": False})
        self.welcome = messages.Welcomed(
            engine_version="0.1.0", protocol=messages.PROTOCOL_VERSION, session="", models=told
        )

    def submit(self, spec: object, job_id: str, blobs: object = ()) -> object:
        return part("shared.jobview").JobView(job_id=job_id)

    def poll(self) -> int:
        return 0

    def cancel(self, job_id: str) -> None: ...

    def forget(self, job_id: str) -> None: ...

    def free_weights(self) -> None: ...

    def is_accepted(self, job_id: str) -> bool:
        return True

    def disconnect(self) -> None: ...


def viewport() -> bpy.types.Area:
    window = bpy.context.window_manager.windows[0]
    return next(area for area in window.screen.areas if area.type == "VIEW_3D")


def open_sidebar() -> float | None:
    area = viewport()
    area.spaces.active.show_region_ui = True
    region = next(region for region in area.regions if region.type == "UI")
    if region.active_panel_category in ("", "UNSUPPORTED"):  # before it was first drawn
        area.tag_redraw()
        return 0.5
    region.active_panel_category = "Panoloom"
    bpy.app.timers.register(Pictures(ASKED or STATES).turn, first_interval=SETTLE_S)
    return None


class Pictures:
    """One state after the other: show it, wait until it is drawn, take its picture."""

    def __init__(self, states: Iterable[str]) -> None:
        self._left = list(states)
        self._shown = ""

    def turn(self) -> float | None:
        if self._shown:
            path = str(Path(OUT, f"{self._shown}.png").resolve())
            command = ["import", "-window", "root", *self._crop(), path]  # ImageMagick
            subprocess.run(command, check=True)
            print(f"PICTURE {path}", flush=True)
        if not self._left:
            print("PICTURES DONE", flush=True)
            return None
        self._shown = self._left.pop(0)
        forget()
        globals()[f"show_{self._shown}"]()
        for area in bpy.context.window_manager.windows[0].screen.areas:
            area.tag_redraw()
        return RENDER_S if self._shown in ("job", "look", "sample") else SETTLE_S

    def _crop(self) -> list[str]:
        """The sidebar alone where the rest of the window shows nothing new."""
        if self._shown in (*("first", "reasons", "sample", "look", "job", "world", "careful"),):
            return []
        window = bpy.context.window_manager.windows[0]
        region = next(region for region in viewport().regions if region.type == "UI")
        top = window.height - region.y - region.height
        return ["-crop", f"{region.width}x{region.height}+{region.x}+{top}", "+repage"]


def forget() -> None:
    """Back to a scene with its own World and an empty queue."""
    state, scene = part("blender_addon.runtime").state(), bpy.context.scene
    part("blender_addon.world").restore(scene)
    state.queue.jobs.clear()
    state.dismiss()
    state.care.session = part("blender_addon.session").Session()
    scroll(-50)
    settings = scene.panoloom
    for name in ("prompt_text", "prompt", "sky", "style", "seconds", "steps", "size", "model"):
        settings.property_unset(name)
    settings.use_reference = False
    settings.look, scene.render.fps = "LINEAR", 24


def show_first() -> None:
    """As after the installation."""


def look_at_the_world() -> None:
    """By Cycles: without a graphics card EEVEE takes minutes to begin."""
    area = viewport()
    scene = bpy.context.scene
    scene.render.engine, scene.render.preview_pixel_size = "CYCLES", "1"
    scene.cycles.preview_samples = 4
    area.spaces.active.shading.type = "RENDERED"
    space = area.spaces.active
    space.overlay.show_overlays = False
    space.region_3d.view_perspective = "PERSP"
    space.region_3d.view_rotation = (0.72, 0.69, 0.0, 0.0)  # along +y, a little upwards
    space.lens = 24
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0], area=area, space_data=space
    ):
        bpy.ops.panoloom.show_world()


def show_sample() -> None:
    bpy.ops.panoloom.load_sample()
    look_at_the_world()


def show_look() -> None:
    scene = bpy.context.scene
    scene.render.fps = 25
    bpy.ops.panoloom.load_loop(filepath=str(loop_like("snow") / "loop.mp4"))
    scene.view_settings.view_transform, scene.panoloom.look = "AgX", "MATCH"
    look_at_the_world()


def show_job() -> None:
    """As in the queue, with a preview of the first job in the World."""
    show_queue()
    state = part("blender_addon.runtime").state()
    job = state.queue.open[0]
    told = part("shared.messages").JobPreviewed(
        job_id=job.job_id, seq=3, step=7, width=1024, height=512
    )
    job.view.apply(told, ((loop_like("sunset") / "poster.png").read_bytes(),))
    part("blender_addon.timer").tick()
    look_at_the_world()


def loop_like(word: str) -> Path:
    """The loop of LIBRARY that has this word in its name, else any of it."""
    return next(iter(sorted(Path(LIBRARY).resolve().glob(f"*{word}*/poster.png")))).parent


def show_words() -> None:
    settings = bpy.context.scene.panoloom
    settings.prompt_text = bpy.data.texts.new("Panoloom Prompt")
    settings.prompt_text.from_string("a calm sea at night,\nfaint stars above,\nmist far away")
    settings.sky, settings.style, settings.quality = "green northern lights", "CALM", "FINE"
    settings.size, settings.use_reference = "1024x512", True


def show_queue() -> None:
    state, scene = part("blender_addon.runtime").state(), bpy.context.scene
    state.care.session = PlayedSession()
    words = ("clouds at sunset over a calm sea", "a storm over the desert", "snow in the mountains")
    for prompt in words:
        scene.panoloom.prompt = prompt
        bpy.ops.panoloom.generate()
    progress = part("shared.jobs").Progress(
        phase="denoise", step=7, num_steps=16, fraction=0.4, elapsed_s=20.0, time_left_s=31.0
    )
    job = state.queue.open[0]
    started = part("shared.messages").JobStarted(job_id=job.job_id, seq=1)
    told = part("shared.messages").JobProgressed(job_id=job.job_id, seq=2, progress=progress)
    job.view.apply(started)
    job.view.apply(told)


def show_error() -> None:
    state = part("blender_addon.runtime").state()
    state.care.session = PlayedSession()
    core, errors = part("blender_addon.core"), part("shared.errors")
    bpy.context.scene.panoloom.seconds = 45.0
    words = core.SceneSettings(prompt="sea", seconds=45.0)
    try:
        core.check_model(words, [{"name": "preview", "min_seconds": 1.0, "max_seconds": 30.0}])
    except errors.InvalidJob as error:
        state.report(error)


def show_models() -> None:
    part("blender_addon.runtime").state().care.session = PlayedSession()
    bpy.ops.panoloom.choose_model(model="wan-1.3b")
    with contextlib.suppress(RuntimeError):  # how an operator's report reaches a script
        bpy.ops.panoloom.generate()


def show_reasons() -> None:
    """The mouse rests on the button Generate, which is off."""
    region = next(region for region in viewport().regions if region.type == "UI")
    window = bpy.context.window_manager.windows[0]
    move_mouse(f"mousemove {region.x + 140} {window.height - region.y - region.height + 618}")


def move_mouse(words: str) -> None:
    """Let xdotool do so soon, while Blender goes on."""
    moves = " sleep 1 ".join(["mousemove 300 500 sleep 1", words, "mousemove_relative 3 2"])
    subprocess.Popen(["xdotool", *moves.split()])


def show_narrow() -> None:
    """The sidebar's edge is pulled to the right."""
    show_queue()
    region = next(region for region in viewport().regions if region.type == "UI")
    grip = f"mousemove {region.x - 2} 450 sleep 0.5 mousedown 1"
    move_mouse(f"{grip} {'mousemove_relative 9 0 sleep 0.2 ' * 10} mouseup 1")


def show_history() -> None:
    part("blender_addon.runtime").state().care.session = PlayedSession()
    bpy.context.preferences.addons[MODULE].preferences.library = str(Path(LIBRARY).resolve())
    state = part("blender_addon.runtime").state()
    for _ in range(20):
        part("blender_addon.timer").tick()
        state._looked_at = 0.0
    status = bpy.context.window_manager.panoloom
    status.selected = state.history.entries[0].name
    bpy.ops.panoloom.apply_loop()
    bpy.app.timers.register(lambda: scroll(50), first_interval=3)


class Opened:
    """A layout whose sub-panel is open from the start."""

    def __init__(self, layout: bpy.types.UILayout) -> None:
        self._layout = layout

    def panel(self, name: str, default_closed: bool = False) -> object:
        return self._layout.panel(f"{name}_opened", default_closed=False)  # closed ones stay so

    def __getattr__(self, name: str) -> object:
        return getattr(self._layout, name)


def show_part(name: str) -> None:
    """A loop in the World, and a part of the panel that is closed at first."""
    show_history()
    drawn = part(f"blender_addon.{name}")
    draw = drawn.draw
    if not isinstance(getattr(draw, "opened", None), bool):
        drawn.draw = lambda layout, context, width: draw(Opened(layout), context, width)
        drawn.draw.opened = True


def show_export() -> None:
    part("blender_addon.preferences").program = lambda: "panoloom"
    settings = bpy.context.scene.panoloom
    settings.export_preset, settings.export_folder = "blender-hdr", "films"
    show_part("panels_export")


def export_by(script: str) -> None:
    """Start an export of the World's loop by a program that does this, in the shell's words."""
    folder = Path(tempfile.mkdtemp())
    program = folder / "panoloom"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o700)
    show_part("panels_export")
    part("blender_addon.preferences").program = lambda: str(program)
    settings = bpy.context.scene.panoloom
    settings.export_preset, settings.export_folder = "quest3", str(folder)
    bpy.ops.panoloom.export()


def show_exporting() -> None:
    step = {"what": "encoding", "done": 40, "total": 96, "left_s": 41.0}
    said = json.dumps({"progress": step})
    export_by(f"echo {shlex.quote(said)}; exec sleep 300")


def show_cancelled() -> None:
    """The button was pressed while the export of the state before went on."""
    show_part("panels_export")
    if not part("blender_addon.export").current.is_running:
        show_exporting()
    bpy.ops.panoloom.cancel_export()


def show_exported() -> None:
    film = Path(tempfile.mkdtemp(), "a-sunset-over-the-sea_quest3_loop60s_360.mp4")
    film.touch()
    note = "The report calls the loop's join broken: it jumps. It is exported all the same."
    said = json.dumps({"path": str(film), "notes": [note]})
    export_by(f"echo {shlex.quote(said)}")


def show_vr() -> None:
    show_part("panels_vr")


def show_missing() -> None:
    os.environ["XR_RUNTIME_JSON"] = "none"
    bpy.ops.panoloom.load_sample()
    with contextlib.suppress(RuntimeError), bpy.context.temp_override(**in_viewport()):
        bpy.ops.panoloom.enter_vr()


def show_careful() -> None:
    show_part("panels_vr")
    runtime = part("blender_addon.vr_runtime")
    runtime.warnings = lambda _folder: [
        "6.0 flashes a second at yaw 0, pitch 30, from second 1.2 on: they can cause seizures.",
        "The world turns by 40 degrees a second around second 0.5.",
    ]
    with bpy.context.temp_override(**in_viewport()):
        bpy.ops.panoloom.enter_vr("INVOKE_DEFAULT")


def in_viewport() -> dict[str, object]:
    area = viewport()
    region = next(region for region in area.regions if region.type == "WINDOW")
    return {"window": bpy.context.window_manager.windows[0], "area": area, "region": region}


def scroll(steps: int) -> None:
    """The sidebar: so many turns of the wheel down, or up."""
    area = viewport()
    region = next(region for region in area.regions if region.type == "UI")
    window = bpy.context.window_manager.windows[0]
    turn = bpy.ops.view2d.scroll_down if steps > 0 else bpy.ops.view2d.scroll_up
    with bpy.context.temp_override(window=window, area=area, region=region):
        for _ in range(abs(steps)):
            if turn.poll():
                turn()


def show_world() -> None:
    viewport().spaces.active.shading.type = "SOLID"
    bpy.ops.panoloom.load_sample()
    window = bpy.context.window_manager.windows[0]
    area = max(
        (area for area in window.screen.areas if area.type == "PROPERTIES"), key=lambda a: a.height
    )
    area.spaces.active.context = "WORLD"


bpy.app.timers.register(open_sidebar, first_interval=2)
