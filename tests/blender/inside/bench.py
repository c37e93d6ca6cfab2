"""What the add-on costs Blender: its tick with a full mailbox, and the memory of hot swaps.

`packaging/run.py bench-addon` runs it; it is no test. Prints one JSON document.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from pathlib import Path

import bpy
import numpy as np
from played_engine import PlayedEngine
from scripted import PREVIEW_SIZE, new_scene, preview_jpeg
from stage import part, render, run, small_scene, write_exr

NUM_MESSAGES, ROUNDS = 1000, 10
NUM_SWAPS, WARM_SWAPS, NUM_FRAMES = 50, 10, 8
SIZE = (512, 256)


def main(folder: str) -> dict[str, object]:
    small_scene()
    scene = new_scene()
    place = Path(folder)
    ticks = full_mailbox(scene, place)
    walls, cpus = ([tick[which] * 1000 for tick in ticks] for which in (0, 1))
    return {
        "blender": bpy.app.version_string,
        "num_ticks": len(ticks),
        "tick_ms": {"median": statistics.median(walls), "p99": p99(walls), "most": max(walls)},
        "tick_cpu_ms": {"median": statistics.median(cpus), "p99": p99(cpus), "most": max(cpus)},
        "swap_growth_mb": hot_swaps(scene, place),
    }


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return float(np.percentile(values, 99))


def full_mailbox(scene: bpy.types.Scene, folder: Path) -> list[tuple[float, float]]:
    """Seconds on the clock and of this thread's processor, of each tick that finds messages.

    One message in twenty is a preview, which goes into the World.
    """
    tick = part("blender_addon.timer").tick
    state = part("blender_addon.runtime").state()
    with PlayedEngine(folder / "library") as engine:
        state.care.connect(engine.place)
        until(lambda: state.session.state.value == "connected", tick)
        scene.panoloom.prompt = "a sea"
        bpy.ops.panoloom.generate()
        until(lambda: state.session.is_accepted(state.job.job_id), tick)
        view, ticks = state.job.view, []
        for number in range(ROUNDS):
            begin = number * NUM_MESSAGES
            engine.tell([message(view.job_id, begin + i + 1, folder) for i in range(NUM_MESSAGES)])
            while view.seq < begin + NUM_MESSAGES:
                seq, wall, cpu = view.seq, time.perf_counter(), time.thread_time()
                tick()
                if view.seq > seq:
                    ticks.append((time.perf_counter() - wall, time.thread_time() - cpu))
        bpy.ops.panoloom.cancel()
        state.care.disconnect()
        state.queue.jobs.clear()
    return ticks


def message(job_id: str, seq: int, folder: Path) -> tuple[object, list[bytes]]:
    m = part("shared.messages")
    if seq % 20:
        progress = part("shared.jobs").Progress(
            phase="denoise", step=seq, num_steps=10**6, fraction=0.5, elapsed_s=1.0
        )
        return m.JobProgressed(job_id=job_id, seq=seq, progress=progress), []
    width, height = PREVIEW_SIZE
    preview = m.JobPreviewed(job_id=job_id, seq=seq, step=seq, width=width, height=height)
    return preview, [preview_jpeg(folder)]


def hot_swaps(scene: bpy.types.Scene, folder: Path) -> float:
    """Megabytes by which this process grew while a World changed its loop so many times.

    Each loop is rendered, so that Blender has its pixels.
    """
    world = part("blender_addon.world")
    loops = [made_loop(folder / f"loop-{number}", number) for number in range(2)]
    target = world.create(scene, "bench", 0.0, "Bench")
    before = 0
    for number in range(WARM_SWAPS + NUM_SWAPS):
        if number == WARM_SWAPS:
            before = resident_bytes()
        world.show_loop(target, loops[number % 2], NUM_FRAMES, final=True)
        scene.frame_set(1 + number % NUM_FRAMES)
        shown = render(scene, folder / "swap.exr")
        wanted = 0.1 * (number % NUM_FRAMES) + 0.01 * (number % 2)
        assert abs(float(shown[..., 0].mean()) - wanted) < 0.01, (number, shown[0, 0], wanted)
    return (resident_bytes() - before) / 1e6


def made_loop(folder: Path, shade: int) -> Path:
    for index in range(NUM_FRAMES):
        pixels = np.full((SIZE[1], SIZE[0], 3), 0.1 * index + 0.01 * shade, np.float32)
        write_exr(folder / "frames" / f"loop_{index + 1:04d}.exr", pixels)
    return folder


def resident_bytes() -> int:
    """Of this process: now where /proc tells, else the most it ever had."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def until(is_so, tick) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it never came to be so"
        tick()
        time.sleep(0.01)


run(main)
