"""Run by a Blender with a window: how the viewport plays a World, idle and while a loop is made.

    blender -P tests/blender/window/playing.py -- OUT.json SECONDS LOOP…

LOOP is a folder of a loop, or any 360° movie. For the artist's own World and each of them, in Solid
and in Rendered (EEVEE) shading, once idle and once with a job that tells its progress ten times and
sends a preview of 512x256 once a second, the timeline plays for SECONDS. Each line says how many
frames of the scene were drawn a second, the longest time between two redraws of the viewport, and
the p99 and the most that a tick of the extension took, by the clock. The figures go to OUT.json;
the last line is `PLAYING DONE`. The extension is installed and enabled; the engine is played.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np

sys.path.insert(0, str(Path("tests/blender/inside").resolve()))  # run in the checkout
OUT, SECONDS, *LOOPS = sys.argv[sys.argv.index("--") + 1 :]
FPS, DRAWS_BEFORE, PATIENCE_S = 24, 8, 300.0
TELL_S, PREVIEW_S = 0.1, 1.0
bpy.context.preferences.view.show_splash = False


class Watch:
    """When the viewport was drawn, which frame it showed then, and how long our ticks took."""

    def __init__(self) -> None:
        self.draws: list[tuple[float, int]] = []
        self.ticks: list[float] = []

    def on_draw(self) -> None:
        self.draws.append((time.perf_counter(), bpy.context.scene.frame_current))

    def figures(self, seconds: float) -> dict[str, float]:
        times = np.array([at for at, _ in self.draws])
        frames = [frame for _, frame in self.draws]
        changes = sum(a != b for a, b in pairwise(frames))
        ticks = 1000 * np.array(self.ticks or [0.0])
        return {
            "frames_a_second": round(changes / seconds, 1),
            "longest_gap_ms": round(1000 * float(np.diff(times).max()), 1),
            "median_gap_ms": round(1000 * float(np.median(np.diff(times))), 1),
            "num_ticks": len(self.ticks),
            "tick_p99_ms": round(float(np.percentile(ticks, 99)), 2),
            "tick_most_ms": round(float(ticks.max()), 2),
        }

    def clear(self) -> None:
        self.draws.clear()
        self.ticks.clear()


WATCH = Watch()


def viewport() -> tuple[Any, Any, Any]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "WINDOW")


def in_window() -> Any:
    window, area, region = viewport()
    return bpy.context.temp_override(window=window, area=area, region=region)


def play(going: bool) -> None:
    window, _, _ = viewport()
    if window.screen.is_animation_playing != going:
        with in_window():
            bpy.ops.screen.animation_play()


def timed(tick: Any) -> Any:
    """Blender's own timer calls the extension's tick; this one stands around it."""

    def around() -> float:
        begin = time.perf_counter()
        wait = tick()
        WATCH.ticks.append(time.perf_counter() - begin)
        return wait

    return around


def show(stage: Any, loop: str) -> list[int]:
    """The loop's movie in the World, as the switch says at Preview; its size in pixels.

    Without a loop it is the artist's own World, to compare with.
    """
    scene = bpy.context.scene
    stage.world.restore(scene)
    scene.panoloom.show_as = "PREVIEW"
    if not loop:
        return []
    path = Path(loop, "loop.mp4") if Path(loop).is_dir() else Path(loop)
    bpy.ops.panoloom.load_loop(filepath=str(path))
    return list(scene.world.node_tree.nodes["Panoloom Environment"].image.size)


def tell(stage: Any, picture: bytes) -> float | None:
    """What an engine at work says, until the job is gone."""
    job = stage.state.job
    if not job.is_active:
        return None
    stage.seq += 1
    progress = stage.jobs.Progress(
        phase="denoise", step=stage.seq, num_steps=9999, fraction=0.5, elapsed_s=1.0
    )
    told = stage.messages.JobProgressed(job_id=job.job_id, seq=stage.seq, progress=progress)
    job.view.apply(told)
    if stage.seq % round(PREVIEW_S / TELL_S) == 0:
        stage.seq += 1
        preview = stage.messages.JobPreviewed(
            job_id=job.job_id, seq=stage.seq, step=stage.seq, width=512, height=256
        )
        job.view.apply(preview, (picture,))
    return TELL_S


def measurements() -> Iterator[float]:
    """Each yield waits so many seconds, for Blender to go on."""
    from scripted import Stage, preview_jpeg

    folder = Path(bpy.app.tempdir, "stage")
    folder.mkdir()
    stage = Stage(folder)
    picture = preview_jpeg(folder)
    bpy.app.timers.unregister(stage.tick)
    bpy.app.timers.register(timed(stage.tick))
    _, area, _ = viewport()
    space, scene = area.spaces.active, bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = FPS, 1, 240
    space.shading.use_scene_world_render = True
    bpy.types.SpaceView3D.draw_handler_add(WATCH.on_draw, (), "WINDOW", "POST_PIXEL")
    found = []
    for shading in ("SOLID", "RENDERED"):
        space.shading.type = shading
        for loop in ("", *LOOPS):
            for is_busy in (False, True):
                size = show(stage, loop)
                if is_busy:
                    with in_window():
                        stage.generate()
                    bpy.app.timers.register(lambda: tell(stage, picture))
                play(True)
                yield from until_it_runs()
                yield float(SECONDS)
                figures = WATCH.figures(float(SECONDS))
                play(False)
                stage.state.queue.jobs.clear()
                if is_busy:
                    stage.state.job.view.state = stage.jobs.JobState.CANCELLED
                line = {"shading": shading, "loop": size, "job": is_busy} | figures
                found.append(line)
                print(f"PLAYING {line}", flush=True)
    machine = {
        "blender": bpy.app.version_string,
        "graphics": gpu.platform.renderer_get(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "window": [viewport()[2].width, viewport()[2].height],
    }
    Path(OUT).write_text(json.dumps({"machine": machine, "measured": found}, indent=1) + "\n")
    print(f"PLAYING {machine}\nPLAYING DONE", flush=True)


def until_it_runs() -> Iterator[float]:
    """EEVEE compiles before it draws for the first time: that is not what is measured."""
    end = time.monotonic() + PATIENCE_S
    WATCH.clear()
    while len(WATCH.draws) < DRAWS_BEFORE:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(WATCH.draws)} redraws in {PATIENCE_S:g} s")
        yield 0.2
    WATCH.clear()


def start() -> None:
    steps = measurements()

    def turn() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            return None
        except Exception as error:
            traceback.print_exc()
            print(f"PLAYING FAILED {error!r}", flush=True)
            return None

    bpy.app.timers.register(turn)


bpy.app.timers.register(start, first_interval=3)
