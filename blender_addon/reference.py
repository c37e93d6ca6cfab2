"""The scene all around the camera, rendered by a second Blender: a picture, distances, or both.

The scene is copied into a snapshot file, which changes nothing in it; the second process renders
the snapshot while this Blender stays live. The centre of the picture is the camera's heading, its
horizon is level, and its alpha is the scene's shape: 1 where something stands. Distances are those
from the camera in Blender's units, in the same directions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import bpy

from ..shared.errors import PanoloomError
from . import world

SCRIPT = Path(__file__).with_name("render_child.py")
SAMPLES = 32
DEPTH_WIDTH = 1024
"""Pixels across the distances, at most: models follow shapes and not lines."""
ORDER, SNAPSHOT = "order.json", "scene.blend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the second Blender is told.

    Attributes:
        snapshot: The file to read.
        picture, depth: Files to write; an empty one is not asked for.
        scene: Its name in the snapshot.
        location: Of the camera, x, y, z.
        heading: Radians from +x, to the left; the centre of the picture.
        width, height: Pixels of the picture, 2:1.
        depth_width: Of the distances; they have one sample a pixel.
        samples: Cycles' samples a pixel of the picture.
    """

    snapshot: str
    picture: str
    scene: str
    location: tuple[float, float, float]
    heading: float
    width: int
    height: int
    depth: str = ""
    depth_width: int = DEPTH_WIDTH
    samples: int = SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was rendered; None for what was not asked for.

    Attributes:
        picture: A PNG, RGBA with 8 bits.
        is_opaque: Whether something stands in every direction, so that no part of it is open.
        depth: An OpenEXR with Blender's depth pass.
    """

    picture: Path | None
    is_opaque: bool
    depth: Path | None


class ReferenceRender:
    """Surroundings in the making; `poll` it until it returns them."""

    def __init__(self, process: subprocess.Popen[bytes], order: Order, log: Path) -> None:
        self._process = process
        self.order = order
        self.log = log

    def poll(self) -> Surroundings | None:
        """What was rendered, None while it is being made. Never waits.

        Raises:
            PanoloomError: The second Blender failed; `details["log"]` is what it said.
        """
        code = self._process.poll()
        if code is None:
            return None
        picture, depth = (Path(x) if x else None for x in (self.order.picture, self.order.depth))
        if code == 0 and all(path is None or path.is_file() for path in (picture, depth)):
            facts: dict[str, bool] = {}
            if picture is not None:
                facts = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
            return Surroundings(
                picture=picture, is_opaque=facts.get("is_opaque", False), depth=depth
            )
        raise PanoloomError(
            f"The scene could not be rendered all around (exit code {code}): {_last(self.log)}",
            log=str(self.log),
        )

    def stop(self) -> None:
        """End the second Blender, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()


def copy(
    scene: bpy.types.Scene,
    folder: Path,
    *,
    width: int,
    height: int,
    picture: bool = True,
    depth: bool = False,
) -> None:
    """Copy the scene as it is now into a folder; takes milliseconds for what is not packed.

    Distances alone can be had without a camera: they are then those from the 3D cursor.

    Args:
        width, height: Pixels of the picture.
        picture, depth: What is to be rendered.

    Raises:
        PanoloomError: There is no active camera.
    """
    camera = scene.camera
    if camera is None and picture:
        raise PanoloomError("The scene has no active camera to look around from.", field="camera")
    place = scene.cursor.location if camera is None else camera.matrix_world.translation
    folder.mkdir(parents=True, exist_ok=True)
    snapshot = folder / SNAPSHOT
    bpy.data.libraries.write(str(snapshot), {scene}, path_remap="ABSOLUTE", compress=True)
    order = Order(
        snapshot=str(snapshot),
        picture=str(picture_in(folder)) if picture else "",
        depth=str(depth_in(folder)) if depth else "",
        scene=scene.name,
        location=tuple(place),
        heading=world.camera_heading(scene),
        width=width,
        height=height,
        depth_width=min(width, DEPTH_WIDTH),
    )
    (folder / ORDER).write_text(json.dumps(asdict(order)), encoding="utf-8")


def picture_in(folder: Path) -> Path:
    """The picture that `start` has rendered there."""
    return folder / "reference.png"


def depth_in(folder: Path) -> Path:
    """The distances that `start` has rendered there."""
    return folder / "depth.exr"


def start(folder: Path) -> ReferenceRender:
    """Start rendering the scene that `copy` left in a folder, which may have moved since.

    Raises:
        PanoloomError: The second process could not start.
    """
    try:
        order = Order(**json.loads((folder / ORDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as why:
        raise PanoloomError(f"The copy of the scene cannot be read: {why}.") from why
    order = replace(
        order,
        snapshot=str(folder / SNAPSHOT),
        picture=str(picture_in(folder)) if order.picture else "",
        depth=str(depth_in(folder)) if order.depth else "",
    )
    log = folder / "reference.log"
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "profile")}
    with log.open("wb") as sink:
        try:
            process = subprocess.Popen(
                [*_command(), "--", json.dumps(asdict(order))],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
                env=environment,
            )
        except OSError as error:
            raise PanoloomError(f"A second Blender could not be started: {error}.") from error
    return ReferenceRender(process, order, log)


def _command() -> list[str]:
    """This Blender without a window; as a Python module it has no program of its own."""
    if bpy.app.binary_path:
        quiet = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [bpy.app.binary_path, *quiet, "--python", str(SCRIPT)]
    return [sys.executable, str(SCRIPT)]


def _last(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
