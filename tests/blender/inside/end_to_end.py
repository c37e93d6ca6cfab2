"""The installed extension drives a running engine: one job to a rendered World, one cancelled.

    end_to_end.py FOLDER CONNECTION_FILE '{"prompt": …, "steps": …, "reference": true, …}'

The World is rendered by a panoramic camera that looks where the scene's camera looked at Generate,
pixel by pixel as large as the loop, and held against the EXR frames on disk.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from stage import part, render, run, small_scene

HEADING = math.radians(37)
PATIENCE_S = 500


def pump(until: Any, seen: list[str] | None = None) -> None:
    """Tick as Blender's timer would."""
    tick = part("blender_addon.timer").tick
    model, runtime = part("blender_addon.panel_model"), part("blender_addon.runtime")
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, runtime.state().shown_problems()
        tick()
        row = model.panel_model(part("blender_addon.gather").facts(bpy.context.scene)).progress
        if seen is not None and row is not None and row.text not in seen:
            seen.append(row.text)
        time.sleep(0.005)


def glowing_wall(scene: Any) -> None:
    """A red emitter ahead of the camera, for the reference."""
    ahead = (5 * math.cos(HEADING), 5 * math.sin(HEADING), 0)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=2, location=ahead)
    material = bpy.data.materials.new("glow")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    emission, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    emission.inputs["Color"].default_value = (1, 0, 0, 1)
    material.node_tree.links.new(emission.outputs[0], output.inputs["Surface"])
    bpy.context.object.data.materials.append(material)


def look_all_around(scene: Any, width: int, height: int) -> None:
    """Turn the scene into a measuring device: a panoramic camera, one exact ray a pixel."""
    for thing in list(scene.objects):
        if thing.type == "MESH":
            bpy.data.objects.remove(thing)
    camera = bpy.data.cameras.new("All around")
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    holder = bpy.data.objects.new("All around", camera)
    holder.rotation_euler = (math.pi / 2, 0, HEADING - math.pi / 2)
    scene.collection.objects.link(holder)
    scene.camera = holder
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01


def read_exr(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def compare(scene: Any, loop: Path, folder: Path, *, share: float = 0.999) -> dict[str, float]:
    """What `share` of the World's values differ from those of the frame it should show, at most."""
    num_frames = len(list((loop / "frames").glob("*.exr")))
    worst = {}
    for frame in (0, 1, 2, num_frames, num_frames + 1):
        index = (frame - 1) % num_frames + 1
        expected = read_exr(loop / "frames" / f"loop_{index:04d}.exr")
        scene.frame_set(frame)
        shown = render(scene, folder / "around.exr")
        difference = np.abs(
            shown[1:-1, :, :3] - expected[1:-1, :, :3]
        )  # the poles blend, in Cycles
        worst[str(frame)] = float(np.quantile(difference, share))
    return worst


def set_the_stage(asked: dict[str, Any]) -> Any:
    """A scene with a World of the user's, a turned camera, and the words in the panel."""
    scene = small_scene()
    scene.world = bpy.data.worlds.new("Mine")
    turned = Matrix.Rotation(HEADING - math.pi / 2, 4, "Z")
    scene.camera.matrix_world = turned @ Matrix.Rotation(math.radians(80), 4, "X")
    glowing_wall(scene)
    settings = scene.panoloom
    settings.prompt, settings.steps = asked["prompt"], asked["steps"]
    scene.render.fps = asked["fps"]
    settings.seconds = asked["num_frames"] / asked["fps"]
    settings.use_reference = asked["reference"]
    settings.seed = asked.get("seed", 0)
    return scene


def make_a_loop(scene: Any, state: Any) -> dict[str, object]:
    """Press Generate and wait for what comes of it."""
    bpy.ops.panoloom.generate()
    job, seen, worlds = state.job, [], []

    def done() -> bool:
        worlds.append((scene.world.name, job.shown_step))
        return job.is_done or (not job.is_active and job.artifact is None)

    pump(done, seen)
    return {
        "state": str(job.view.state),
        "problems": [str(p) for p in state.shown_problems()],
        "phases": seen,
        "previews": len({step for name, step in worlds if name != "Mine" and step >= 0}),
        "tagged": scene.world.get("panoloom_job") == job.job_id,
    }


def look_at_it(scene: Any, artifact: Any, folder: Path) -> dict[str, object]:
    """Render the World as EXR frames and as a movie."""
    loop = Path(artifact.folder)
    look_all_around(scene, artifact.width, artifact.height)
    facts = {"notes": list(artifact.notes), "num_frames": artifact.num_frames}
    facts["differences"] = compare(scene, loop, folder)
    node = scene.world.node_tree.nodes["Panoloom Environment"]
    facts["switched"] = []
    for kind in ("PREVIEW", "FINAL", "PREVIEW"):
        scene.panoloom.show_as = kind
        facts["switched"].append([node.image.source, node.image_user.frame_duration])
    bpy.ops.panoloom.apply()
    facts["movie"] = [node.image.source, node.image.frame_duration]
    # a movie halves its colours' resolution: the borders of the painted fields are off
    facts["movie_differences"] = compare(scene, loop, folder, share=0.9)
    first = read_exr(loop / "frames" / "loop_0001.exr")
    middle = first[first.shape[0] // 2]
    quarter = first.shape[1] // 4
    facts["linear"] = {
        name: [round(float(v), 4) for v in middle[column, :3]]
        for name, column in {"ahead": 2 * quarter, "right": 3 * quarter, "behind": 0}.items()
    }
    return facts


def cancel_one(scene: Any, state: Any, prompt: str) -> dict[str, object]:
    scene.panoloom.prompt = prompt
    scene.panoloom.use_reference = False
    bpy.ops.panoloom.generate()
    pump(lambda: state.job.shown_step >= 1)
    bpy.ops.panoloom.cancel()
    pump(lambda: not state.job.is_active)
    return {
        "cancelled": str(state.job.view.state),
        "world_after_cancel": scene.world.get("panoloom_job") == state.job.job_id,
        "can_generate_again": bpy.ops.panoloom.generate.poll(),
    }


def fail_one(scene: Any, state: Any, prompt: str) -> dict[str, object]:
    scene.panoloom.prompt = prompt
    bpy.ops.panoloom.generate()
    pump(lambda: not state.job.is_active)
    pump(lambda: bool(state.shown_problems()))
    return {"failed": [str(p) for p in state.shown_problems()]}


def main(folder: str, connection: str, words: str) -> dict[str, object]:
    asked = json.loads(words)
    scene = set_the_stage(asked)
    state = part("blender_addon.runtime").state()
    bpy.ops.panoloom.connect(place=connection)
    pump(lambda: state.session.state.value == "connected")
    facts = make_a_loop(scene, state)
    if state.job.artifact is not None:
        facts |= look_at_it(scene, state.job.artifact, Path(folder))
    bpy.ops.panoloom.restore_world()
    facts["restored"] = scene.world.name
    if "cancel" in asked:
        facts |= cancel_one(scene, state, asked["cancel"])
    if "fail" in asked:
        facts |= fail_one(scene, state, asked["fail"])
    return facts


run(main)
