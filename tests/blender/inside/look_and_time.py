"""Render the World under several views and frame rates, keep its files, and tell what was shown.

look_and_time.py FOLDER MOVIE

FOLDER has `swatches.exr`, whose sRGB values are in `swatches.json`, and, in a folder of their own,
the EXRs of a sequence; MOVIE is a 360 video made for 30 frames a second.
"""

from __future__ import annotations

from pathlib import Path

import bpy
from stage import part, render, run, small_scene

TIMES = (-1, 1, 2, 5, 6, 9)


def all_around(scene) -> None:
    """A camera that sees an ERP as its pixels are, and little else to compute."""
    camera = scene.camera
    camera.data.type, camera.data.panorama_type = "PANO", "EQUIRECTANGULAR"
    camera.rotation_euler = (1.5707963, 0.0, 0.0)  # along +y, as a World without a camera is turned
    bpy.context.view_layer.update()
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 0.01


def shown(scene, folder: Path) -> list[list[int]]:
    """The 8-bit values that the swatches are rendered with, through the scene's view."""
    written = scene.render.image_settings
    if hasattr(written, "media_type"):
        written.media_type = "IMAGE"
    written.file_format, written.color_depth = "PNG", "8"
    pixels = render(scene, folder / "shot.png")
    height, width, _ = pixels.shape
    return [
        [round(float(v) * 255) for v in pixels[height // 2, int((i + 0.5) * width / 8), :3]]
        for i in range(8)
    ]


def story_of_the_look(folder: Path, tick) -> dict[str, object]:
    """Each view by itself, a view that changes afterwards, and back again."""
    scene = small_scene(size=(32, 16))
    all_around(scene)
    scene.render.dither_intensity = 0.0
    bpy.ops.panoloom.load_loop(filepath=str(folder / "swatches.exr"))
    view, settings = scene.view_settings, scene.panoloom
    facts: dict[str, object] = {}
    for name in ("Standard", "Filmic", "AgX"):
        view.view_transform = name
        settings.look = "MATCH"
        part("blender_addon.world").keep_up(scene)
        facts[name] = shown(scene, folder)
    light = scene.world.node_tree.nodes["Panoloom Light"].inputs["Color"].links[0]
    facts["light"] = light.from_node.name
    view.exposure = -0.5
    tick()
    tick()
    facts["after the exposure changed"] = shown(scene, folder)
    facts["groups"] = [g.name for g in bpy.data.node_groups]
    view.exposure = 0.0
    settings.look = "LINEAR"
    facts["linear"] = shown(scene, folder)
    facts["left over"] = [len(bpy.data.node_groups), "Panoloom Look" in bpy.data.images]
    settings.look = "MATCH"
    bpy.ops.panoloom.keep()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "files" / "look.blend"))
    return facts


def story_of_time(folder: Path, tick, path: Path, name: str) -> list[float]:
    """A loop made for 30 frames a second in a scene of 24; kept with its file."""
    scene = small_scene()
    scene.render.fps = 24
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "files" / f"{name}.blend"))
    bpy.ops.panoloom.load_loop(filepath=str(path))
    scene.world["panoloom_fps"] = 30.0  # a sequence does not tell; a movie says so itself
    part("blender_addon.world").keep_up(scene)
    bpy.ops.panoloom.keep()
    while part("blender_addon.runtime").state().keeping is not None:
        tick()
    bpy.ops.wm.save_mainfile()
    return times(scene, folder)


def times(scene, folder: Path) -> list[float]:
    reds = []
    for frame in TIMES:
        scene.frame_set(frame)
        reds.append(round(float(render(scene, folder / "shot.exr")[4, 4, 0]), 3))
    return reds


def rates(folder: Path, tick, path: Path) -> dict[str, object]:
    """Frame by frame, a changed rate, and the rate that it was made for."""
    scene = small_scene()
    scene.render.fps = 24
    bpy.ops.panoloom.load_loop(filepath=str(path))
    tree = scene.world.node_tree
    found: dict[str, object] = {"fps": scene.world["panoloom_fps"]}
    curve = tree.animation_data.drivers[0].driver
    found["simple"] = [curve.is_simple_expression, curve.is_valid]
    scene.panoloom.keep_seconds = False
    found["frame by frame"] = [len(tree.animation_data.drivers), *times(scene, folder)]
    scene.panoloom.keep_seconds = True
    scene.render.fps = 15
    tick()
    tick()
    found["at 15"] = times(scene, folder)
    scene.render.fps = 30
    tick()
    tick()
    found["at 30"] = len(tree.animation_data.drivers)
    return found


def main(place: str, movie: str) -> dict[str, object]:
    folder = Path(place)
    (folder / "files").mkdir()
    small_scene()
    runtime = part("blender_addon.runtime")
    runtime.REST_S = 0.0
    tick = part("blender_addon.timer").tick
    facts = {
        "look": story_of_the_look(folder, tick),
        "movie": story_of_time(folder, tick, Path(movie), "movie"),
        "sequence": story_of_time(folder, tick, folder / "run" / "sky_005.exr", "sequence"),
        "rates": rates(folder, tick, Path(movie)),
    }
    scene = small_scene()  # the sample, in a file that has no place yet
    bpy.ops.panoloom.load_sample()
    bpy.ops.panoloom.keep()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "files" / "sample.blend"))
    image = scene.world.node_tree.nodes["Panoloom Environment"].image
    facts["sample"] = image.filepath.replace("\\", "/")
    return facts


if __name__ == "__main__":
    run(main)
