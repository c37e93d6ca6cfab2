"""A loop that is kept with its file: saved, saved elsewhere, moved, and opened without us.

travel.py FOLDER
"""

from __future__ import annotations

from pathlib import Path

import bpy
from scripted import Stage, environment, new_scene
from stage import run, small_scene


def shown(scene) -> list[object]:
    """The path as the file has it, and whether it is there."""
    path = environment(scene).image.filepath
    return [path.replace("\\", "/"), Path(bpy.path.abspath(path)).is_file()]


def make_loop(stage: Stage, scene) -> None:
    stage.generate()
    stage.preview(1)
    stage.finish()
    (stage.folder / "loop" / "manifest.json").write_text('{"format": "panoloom.artifact"}')


def main(folder: str) -> dict[str, object]:
    small_scene()
    stage = Stage(Path(folder))
    places = [stage.folder / name for name in ("one", "two", "three")]
    for place in places:
        place.mkdir()
    scene = new_scene()
    facts: dict[str, object] = {"off_without_a_loop": not bpy.ops.panoloom.keep.poll()}
    make_loop(stage, scene)
    bpy.ops.panoloom.keep()  # the file has no place yet
    facts["waits"] = [scene.panoloom.keep_with_file, stage.state.keeping is None]
    bpy.ops.wm.save_as_mainfile(filepath=str(places[0] / "shot.blend"))
    facts["first_save"] = shown(scene)
    facts["text"] = "loop.json" in bpy.data.texts
    facts["off_when_kept"] = not bpy.ops.panoloom.keep.poll()
    bpy.ops.wm.save_as_mainfile(filepath=str(places[1] / "shot.blend"))
    facts["save_as"] = shown(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(places[0] / "copy.blend"), copy=True)
    facts["after_a_copy"] = shown(scene)
    bpy.ops.wm.open_mainfile(filepath=str(places[1] / "shot.blend"))
    facts["reopened"] = shown(bpy.context.scene)

    scene = new_scene()  # in a file that has a place: the tick copies
    bpy.ops.wm.save_as_mainfile(filepath=str(places[2] / "late.blend"))
    make_loop(stage, scene)
    scene.panoloom.show_as = "PREVIEW"
    facts["before_keep"] = environment(scene).image.filepath.startswith("//")
    bpy.ops.panoloom.keep()
    while stage.state.keeping is not None:
        stage.tick()
    facts["kept_by_the_tick"] = shown(scene)
    bpy.ops.wm.save_mainfile()
    facts["after_save"] = [shown(scene), scene.world.probe_resolution]
    found = stage.state.history.notes.used_by
    return facts | {"remembered": found}


run(main)
