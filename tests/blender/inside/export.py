"""Export from the panel, with a program that stands for the engine's: made, cancelled, refused.

export.py FOLDER
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from drawing import draw
from scripted import Stage, new_scene
from stage import part, run, small_scene, write_program

MADE = """
import json, pathlib, sys
print(json.dumps({{"progress": {{"what": "encoding", "done": 2, "total": 4, "left_s": 9.0}}}}))
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
(out / "words.txt").write_text(json.dumps(words))
film = out / "sea_quest3_360.mp4"
film.write_bytes(b"film")
note = "Players that pause where a film begins again: --seconds 60 plays the loop on."
print(json.dumps({{"path": str(film), "sidecar": "", "notes": [note]}}))
"""
WAITS = """
import json, pathlib, signal, sys
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--out") + 1])
begun = out / ".begun"
def end(*_):
    begun.unlink()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
begun.write_bytes(b"")
told = {{"what": "encoding", "done": 1, "total": 4, "left_s": 90.0}}
print(json.dumps({{"progress": told}}), flush=True)
signal.pause()
"""
FAILS = """
print('{{"error": {{"code": "user.invalid_job", "message": "too large; --fit makes it that size.", '
      '"details": {{"largest": "4096x2048"}}}}}}')
"""


def tick_until(is_so) -> None:
    """Let the timer's step run until something is so."""
    look = part("blender_addon.operators_export").look
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until, "it never came"
        look()
        time.sleep(0.02)


def why_not(operator) -> str:
    """What the button says instead of doing anything; empty when it works."""
    try:
        assert operator() == {"FINISHED"}
    except RuntimeError as why:
        return str(why).strip().removeprefix("Error: ")
    return ""


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    scene = new_scene()
    part("blender_addon.operators_export")
    current, preferences = part("blender_addon.export").current, part("blender_addon.preferences")
    facts: dict[str, object] = {"without_a_loop": why_not(bpy.ops.panoloom.export)}
    stage.generate()
    stage.finish()
    (stage.folder / "loop" / "manifest.json").write_text("{}")
    program, out = stage.folder / "panoloom", stage.folder / "films"
    program.touch()
    program.chmod(0o700)

    def becomes(source: str) -> None:
        write_program(program, source.format())

    preferences.program = lambda: None
    facts["without_an_engine"] = why_not(bpy.ops.panoloom.export)
    preferences.program = lambda: str(program)
    facts["idle"] = draw()
    settings = scene.panoloom
    settings.export_folder, settings.export_replace = str(out), True
    settings.export_size, settings.export_sun = "4096x2048", "lamp"
    becomes(MADE)
    facts["reveal_before"] = why_not(bpy.ops.panoloom.reveal_export)
    bpy.ops.panoloom.export()
    facts["tick_is_taken_back"] = not settings.export_replace
    tick_until(lambda: not current.is_running)
    facts["made"], facts["words"] = current.made.name, (out / "words.txt").read_text()
    facts["after"] = draw()
    current.made.unlink()
    facts["gone"] = why_not(bpy.ops.panoloom.reveal_export)
    becomes(WAITS)
    bpy.ops.panoloom.export()
    tick_until(lambda: current.step is not None)
    facts["running"], facts["twice"] = draw(), why_not(bpy.ops.panoloom.export)
    bpy.ops.panoloom.cancel_export()
    tick_until(lambda: not current.is_running)
    facts["left"] = sorted(path.name for path in out.iterdir())
    facts["cancelled"], facts["problems"] = draw(), len(stage.state.problems)
    becomes(FAILS)
    bpy.ops.panoloom.export()
    tick_until(lambda: not current.is_running)
    problem = stage.state.problems[0]
    facts["failed"] = [str(problem), problem.details]
    becomes(WAITS)
    bpy.ops.panoloom.export()
    process = current._process
    bpy.ops.preferences.addon_disable(module=part("blender_addon").__name__.rpartition(".")[0])
    process._process.wait(60)
    facts["ends_with_the_extension"] = not process.is_running
    return facts


if __name__ == "__main__":
    run(main)
