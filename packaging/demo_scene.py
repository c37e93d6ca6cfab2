"""The Blender part of the demo: the installed extension lights a small scene with a living World.

Run by the Blender environment's Python against an engine that is running:

    python packaging/demo_scene.py --zip dist/panoloom-….zip --prompt "northern lights" --out demo
        --connection LIBRARY/.panoloom/engine.json [--size 512x256] [--seconds 2]

Everything is done by the extension's own buttons, installed into a profile that is thrown away. The
last line of standard output is one JSON document with the paths of what was made.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

MODULE = "bl_ext.user_default.panoloom"
PUMP_S = 0.02
RENDER_SIZE = (480, 270)
RENDER_SAMPLES = 32
CONNECT_S = 30.0


class DemoFailed(Exception):
    """A sentence that says what went wrong."""


def say(text: str) -> None:
    """A line for the person who waits; standard output is for the last line's document."""
    print(text, file=sys.stderr, flush=True)


def install(zip_path: Path) -> None:
    """Install and enable the extension as a user would, by Blender's own operator."""
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=str(zip_path), repo="user_default", enable_on_install=True
    )
    if MODULE not in bpy.context.preferences.addons:
        raise DemoFailed(f"Blender did not install {zip_path}.")


def part(name: str) -> Any:
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.blender_addon.{name}")


# The scene -------------------------------------------------------------------------------------


def material(name: str, colour: tuple[float, float, float], *, metallic: float, roughness: float):
    """A plain surface; `colour` is linear."""
    import bpy

    made = bpy.data.materials.new(name)
    if made.node_tree is None:  # before Blender 5.0
        made.use_nodes = True
    surface = made.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (*colour, 1.0)
    surface.inputs["Metallic"].default_value = metallic
    surface.inputs["Roughness"].default_value = roughness
    return made


def add(name: str, shape: Any, surface: Any, *, smooth: bool) -> None:
    """Make an object by an operator, and give it its name and surface."""
    import bpy

    shape()
    thing = bpy.context.object
    thing.name = name
    thing.data.materials.append(surface)
    for polygon in thing.data.polygons:
        polygon.use_smooth = smooth


def build_scene(fps: int = 24) -> Any:
    """A mirror ball and a matte one on a round stone, seen by a level camera looking along +y."""
    import bpy

    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    scene = bpy.context.scene
    ambient = bpy.data.worlds.new("Dusk")  # lights the reference, and is what Restore restores
    if ambient.node_tree is None:  # before Blender 5.0
        ambient.use_nodes = True
    ambient.node_tree.nodes["Background"].inputs["Color"].default_value = (0.08, 0.09, 0.1, 1.0)
    scene.world = ambient
    scene.render.fps, scene.render.fps_base = fps, 1.0
    mesh = bpy.ops.mesh
    mirror = material("Mirror", (0.95, 0.95, 0.95), metallic=1.0, roughness=0.02)
    matte = material("Matte", (0.6, 0.58, 0.55), metallic=0.0, roughness=0.9)
    stone = material("Stone", (0.12, 0.12, 0.13), metallic=0.0, roughness=0.35)
    ball = mesh.primitive_uv_sphere_add
    add(
        "Mirror ball",
        lambda: ball(segments=64, ring_count=32, radius=1.0, location=(-1.15, 0.0, 1.0)),
        mirror,
        smooth=True,
    )
    add(
        "Matte ball",
        lambda: ball(segments=64, ring_count=32, radius=0.8, location=(1.15, -0.3, 0.8)),
        matte,
        smooth=True,
    )
    add(
        "Stone",
        lambda: mesh.primitive_cylinder_add(
            vertices=128, radius=3.2, depth=0.3, location=(0.0, 0.0, -0.15)
        ),
        stone,
        smooth=False,
    )
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens = 20.0
    camera.location = (0.0, -6.0, 1.5)
    camera.rotation_euler = (math.radians(90), 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.context.view_layer.update()
    return scene


# The extension's buttons -----------------------------------------------------------------------


def connect(connection: Path) -> None:
    """Press Connect and wait for the engine's welcome."""
    import bpy

    bpy.ops.panoloom.connect(place=str(connection))
    session = part("runtime").state().session
    end = time.monotonic() + CONNECT_S
    while session.state.value != "connected":
        part("timer").tick()
        if time.monotonic() > end:
            raise DemoFailed(f"The engine did not answer: {session.trouble}")
        time.sleep(PUMP_S)


def generate(options: argparse.Namespace, scene: Any) -> tuple[Any, int]:
    """Press Generate and pump the timer until the loop is in the World.

    Returns:
        The finished job, and how many previews the World showed on the way.
    """
    import bpy

    settings = scene.panoloom
    settings.prompt = options.prompt
    settings.size = options.size
    settings.seconds = options.seconds
    settings.seed = options.seed
    settings.use_reference = options.reference
    bpy.ops.panoloom.generate()
    state, tick, describe = part("runtime").state(), part("timer").tick, part("panel_model")
    job, shown, previews = state.job, state.job.shown_step, 0
    bar = Bar()
    while job.is_active or not job.is_done:
        tick()
        if job.shown_step != shown:
            shown, previews = job.shown_step, previews + 1
        bar.show(describe.panel_model(part("gather").facts(scene)).progress)
        if not job.is_active and job.artifact is None:
            break
        time.sleep(PUMP_S)
    bar.end()
    problems = [str(problem) for problem in state.shown_problems()]
    if job.artifact is None or problems or job.left_why:
        raise DemoFailed(" ".join([*problems, job.left_why]).strip() or "The loop was cancelled.")
    return job, previews


class Bar:
    """A progress bar on standard error: redrawn in a terminal, a line now and then elsewhere."""

    WIDTH = 30

    def __init__(self) -> None:
        self._last = ""
        self._is_terminal = sys.stderr.isatty()

    def show(self, row: Any) -> None:
        """Draw a `ProgressRow` of the panel, if it differs from the last one; None: nothing."""
        if row is None:
            return
        done = round(row.fraction * self.WIDTH)
        bar = "#" * done + "." * (self.WIDTH - done)
        phase = row.text.rpartition(" ")[0] or row.text
        mark = f"{row.text} {row.detail}" if self._is_terminal else f"{done} {phase}"
        if mark == self._last:
            return
        self._last = mark
        text = "  ".join(word for word in (f"  [{bar}]", row.text, row.detail) if word)
        if self._is_terminal:
            print(f"\r\033[K{text}", file=sys.stderr, end="", flush=True)
        else:
            say(text)

    def end(self) -> None:
        """Leave the bar's line."""
        if self._is_terminal:
            print(file=sys.stderr)


# What is left behind ---------------------------------------------------------------------------


def save(scene: Any, target: Path, num_frames: int) -> None:
    """demo.blend beside the loop, with relative paths, so that the folder can be moved."""
    import bpy

    scene.frame_start, scene.frame_end = 1, num_frames
    scene.frame_set(1)
    bpy.ops.wm.save_as_mainfile(filepath=str(target), relative_remap=False)
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_mainfile()


def render(scene: Any, frame: int, target: Path) -> None:
    """One frame of the lit scene by Cycles."""
    import bpy

    scene.frame_set(frame)
    settings = scene.render
    settings.engine = "CYCLES"
    settings.resolution_x, settings.resolution_y = RENDER_SIZE
    settings.resolution_percentage = 100
    scene.cycles.samples = RENDER_SAMPLES
    scene.cycles.use_denoising = can_denoise()
    scene.view_settings.view_transform = "Standard"
    if hasattr(settings.image_settings, "media_type"):
        settings.image_settings.media_type = "IMAGE"
    settings.image_settings.file_format = "PNG"
    settings.filepath = str(target)
    bpy.ops.render.render(write_still=True)


def can_denoise() -> bool:
    """Whether this build of Cycles has its denoiser."""
    import _cycles  # a part of Blender, there once bpy is

    return bool(getattr(_cycles, "with_openimagedenoise", False))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole demo; returns the paths of what it made."""
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    say("Installing the extension.")
    install(options.zip.resolve())
    scene = build_scene()
    connect(options.connection.resolve())
    job, previews = generate(options, scene)
    num_frames = job.artifact.num_frames
    loop = Path(job.artifact.folder)
    say(f"The World showed {previews} previews and now plays {num_frames} frames.")
    save(scene, out / "demo.blend", num_frames)
    renders = []
    for frame in (1, 1 + num_frames // 2):
        say(f"Rendering the scene at frame {frame}.")
        target = out / f"scene-{frame:04d}.png"
        render(scene, frame, target)
        renders.append(str(target))
    files = {"movie": "loop.mp4", "poster": "poster.png", "contact_sheet": "contact-sheet.png"}
    made = {name: str(loop / file) for name, file in files.items() if (loop / file).is_file()}
    return {
        "blend": str(out / "demo.blend"),
        "loop": str(loop),
        **made,
        "renders": renders,
        "num_frames": num_frames,
        "previews": previews,
        "notes": list(job.artifact.notes),
    }


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The options on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", type=Path, required=True, help="the extension")
    parser.add_argument("--connection", type=Path, required=True, help="the engine's engine.json")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for demo.blend and renders")
    parser.add_argument(
        "--size", default="512x256", choices=["512x256", "1024x512", "2048x1024", "4096x2048"]
    )
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-reference", dest="reference", action="store_false")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the demo in a profile of its own; returns the exit status of the process."""
    options = parse(argv)
    with tempfile.TemporaryDirectory(prefix="panoloom-demo-") as profile:
        os.environ["BLENDER_USER_RESOURCES"] = profile  # read when bpy is imported, not before
        try:
            import bpy  # noqa: F401
        except ImportError as error:
            say(f"Blender's module is not in this Python: {error}")
            return 1
        try:
            result = run(options)
        except DemoFailed as error:
            say(f"The demo stopped: {error}")
            return 1
        except Exception:
            traceback.print_exc()
            return 1
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # some versions of bpy crash in their own exit
