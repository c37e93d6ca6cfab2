"""The page for a headset: served by a program that stands for the engine's, and stopped.

headset_page.py FOLDER
"""

from __future__ import annotations

import time
from pathlib import Path

from scripted import Stage, new_scene
from stage import part, run, small_scene, write_program

ADDRESS = "https://192.0.2.7:8443/secret/"


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    scene = new_scene()
    headset, preferences = part("blender_addon.headset_page"), part("blender_addon.preferences")
    facts: dict[str, object] = {"without_a_loop": headset.why_not(scene)}
    stage.generate()
    stage.finish()
    facts["offline"] = headset.why_not(scene)
    program = stage.folder / "panoloom"
    write_program(
        program,
        f'import time\nprint(\'{{"address": "{ADDRESS}"}}\', flush=True)\ntime.sleep(600)\n',
    )
    preferences.program = lambda: str(program)
    page = headset.page
    page.serve(stage.folder / "loop")
    process = page._process
    until = time.monotonic() + 60
    while page._look() is not None and time.monotonic() < until:
        time.sleep(0.05)
    facts["address"], facts["runs"] = page.address, process.is_running
    page.stop()
    process._process.wait(30)
    facts["stopped"] = [page.address, page.is_served, process.is_running]
    program.write_text("#!/bin/sh\necho no network >&2; exit 3\n")
    page.serve(stage.folder / "loop")
    page._process._process.wait(30)
    page._look()
    facts["failed"] = [page.is_served, str(stage.state.problems[-1])]
    return facts


run(main)
