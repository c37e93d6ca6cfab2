"""Distances around a camera among two cubes; then a World, seen from there.

depth.py measure FOLDER         leaves depth.exr and cursor.exr in the folder
depth.py world FOLDER           shows its world.exr and renders it, 40 degrees right of the heading

The camera looks along 70 degrees from +x and down a bit. One cube of side 2 turns a face to it, 40
degrees to the right; the face is 5 away. Another hangs over it, 2 above.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path

import bpy
from drawing import draw
from mathutils import Matrix, Vector
from scripted import Stage, new_scene
from stage import part, render, run

PLACE = Vector((1.0, -2.0, 1.5))
HEADING, RIGHT = math.radians(70), math.radians(40)
MODELS = [{"name": "preview", "takes": []}, {"name": "vace", "takes": ["image", "control"]}]


def aim(camera, right: float, pitch: float) -> None:
    turn = Matrix.Rotation(HEADING - right - math.pi / 2, 4, "Z")
    camera.matrix_world = (
        Matrix.Translation(PLACE) @ turn @ Matrix.Rotation(math.pi / 2 + pitch, 4, "X")
    )


def cubes() -> list[object]:
    """The two; those who look at the sky see neither."""
    made = []
    along = HEADING - RIGHT
    ahead = Vector((math.cos(along), math.sin(along), 0.0))
    for place, turn in ((PLACE + 6 * ahead, along), (PLACE + Vector((0, 0, 3)), 0.0)):
        bpy.ops.mesh.primitive_cube_add(size=2, location=place, rotation=(0, 0, turn))
        made.append(bpy.context.object)
    return made


def facts(scene) -> str:
    """What must not change."""
    render, image = scene.render, scene.render.image_settings
    layer = scene.view_layers[0]
    return json.dumps(
        [
            scene.camera.name if scene.camera else "",
            [render.engine, render.filepath, render.resolution_x, render.resolution_y],
            [image.file_format, image.color_depth, image.color_mode],
            [scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.filter_width],
            sorted(
                name
                for name in dir(layer)
                if name.startswith("use_pass_") and layer.path_resolve(name)
            ),
            sorted(o.name for o in scene.objects),
            [len(bpy.data.cameras), len(bpy.data.scenes), len(bpy.data.images)],
        ]
    )


def until_sent(stage: Stage, job) -> None:
    """Tick until the job is with the engine, for a minute at most."""
    end = time.monotonic() + 60
    while not job.is_sent and job.is_active and time.monotonic() < end:
        stage.tick()
        time.sleep(0.02)
    assert job.is_sent, job.view.error


def measure(folder: Path) -> dict[str, object]:
    """Press Generate with the depth to follow: with the camera, without it, and with a model that
    follows nothing.
    """
    stage, scene = Stage(folder), new_scene()
    welcome = type("Welcome", (), {"models": MODELS, "protocol": (1, 3)})
    stage.state.session.welcome = welcome()
    cubes()
    aim(scene.camera, 0.0, -0.3)
    scene.render.engine = "BLENDER_WORKBENCH"
    settings = scene.panoloom
    settings.model, settings.follow_depth = "vace", True
    told = {"panel": {}}
    for name in ("vace", "preview"):
        settings.model = name
        told["panel"][name] = [words for words in draw() if "Depth" in words]
    settings.model = "vace"
    before = facts(scene)
    stage.generate()
    job = stage.state.job
    was_sent = job.is_sent
    until_sent(stage, job)
    (blob,) = stage.state.session.blobs[-1]
    (folder / "depth.exr").write_bytes(blob)
    told |= {
        "waited": was_sent,
        "unchanged": facts(scene) == before,
        "hash": job.spec.follow_sha256 == hashlib.sha256(blob).hexdigest(),
        "reference": job.spec.reference is None,
        "heading_deg": math.degrees(job.heading),
    }
    scene.camera = None
    scene.cursor.location = PLACE
    settings.size = "1024x512"
    stage.generate()
    until_sent(stage, stage.state.job)
    (folder / "cursor.exr").write_bytes(stage.state.session.blobs[-1][0])
    settings.model = "preview"
    stage.generate()
    until_sent(stage, stage.state.job)
    spec = stage.state.session.asked[-1]
    freed: list[str] = []
    stage.state.session.free_weights = lambda: freed.append("asked")
    scene.camera = bpy.data.objects["Camera"]
    scene.render.engine = "CYCLES"
    render(scene, folder / "shot.exr")
    told["freed"] = freed
    told["model_that_cannot"] = [spec.follow_sha256, len(stage.state.session.blobs[-1])]
    return told


def show(folder: Path) -> dict[str, object]:
    """The World of a job of this camera, through a lens that looks at the cube."""
    scene = new_scene()
    world = part("blender_addon.world")
    aim(scene.camera, 0.0, -0.3)
    mine = world.create(scene, "0" * 32, world.camera_heading(scene), "test")
    loops = part("blender_addon.loops")
    world.show_file(
        mine, loops.LoopFile(path=folder / "world.exr", num_frames=1, fps=24.0), final=True
    )
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.camera.data.angle = math.pi / 2
    aim(scene.camera, RIGHT, 0.0)
    scene.cycles.samples = 4
    seen = render(scene, folder / "shot.exr")[..., 0]
    return {"seen": [[round(float(v), 3) for v in row] for row in seen]}


def main(what: str, folder: str) -> dict[str, object]:
    return {"measure": measure, "world": show}[what](Path(folder))


run(main)
