"""A picture of the scene all around the camera, made by a second Blender.

The scene is copied into a snapshot file, which changes nothing in it; the second process renders
the snapshot while this Blender stays live. The centre of the picture is the camera's heading, its
horizon is level, and its alpha is the scene's shape: 1 where something stands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import bpy

from ..shared.errors import PanoloomError
from . import world

SCRIPT = Path(__file__).with_name("render_child.py")
SAMPLES = 32
ORDER, SNAPSHOT = "order.json", "scene.blend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the second Blender is told.

    Attributes:
        snapshot, picture: Files to read and to write.
        scene: Its name in the snapshot.
        location: Of the camera, x, y, z.
        heading: Radians from +x, to the left; the centre of the picture.
        width, height: Pixels, 2:1.
        samples: Cycles' samples a pixel.
    """

    snapshot: str
    picture: str
    scene: str
    location: tuple[float, float, float]
    heading: float
    width: int
    height: int
    samples: int = SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A finished picture.

    Attributes:
        path: A PNG, RGBA with 8 bits.
        is_opaque: Whether something stands in every direction, so that no part is open.
    """

    path: Path
    is_opaque: bool


class ReferenceRender:
    """One picture in the making; `poll` it until it returns the picture."""

    def __init__(self, process: subprocess.Popen[bytes], picture: Path, log: Path) -> None:
        self._process = process
        self.picture = picture
        self.log = log

    def poll(self) -> Picture | None:
        """The finished picture, None while it is being made. Never waits.

        Raises:
            PanoloomError: The second Blender failed; `details["log"]` is what it said.
        """
        code = self._process.poll()
        if code is None:
            return None
        if code == 0 and self.picture.is_file():
            facts = json.loads(self.picture.with_suffix(".json").read_text(encoding="utf-8"))
            return Picture(path=self.picture, is_opaque=facts["is_opaque"])
        raise PanoloomError(
            f"The picture of the scene could not be rendered (exit code {code}): {_last(self.log)}",
            log=str(self.log),
        )

    def stop(self) -> None:
        """End the second Blender, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()


def copy(scene: bpy.types.Scene, folder: Path, *, width: int, height: int) -> None:
    """Copy the scene as it is now into a folder; takes milliseconds for what is not packed.

    Raises:
        PanoloomError: There is no active camera.
    """
    camera = scene.camera
    if camera is None:
        raise PanoloomError("The scene has no active camera to look around from.", field="camera")
    folder.mkdir(parents=True, exist_ok=True)
    snapshot = folder / SNAPSHOT
    bpy.data.libraries.write(str(snapshot), {scene}, path_remap="ABSOLUTE", compress=True)
    order = Order(
        snapshot=str(snapshot),
        picture=str(picture_in(folder)),
        scene=scene.name,
        location=tuple(camera.matrix_world.translation),
        heading=world.camera_heading(scene),
        width=width,
        height=height,
    )
    (folder / ORDER).write_text(json.dumps(asdict(order)), encoding="utf-8")


def picture_in(folder: Path) -> Path:
    """The picture that `start` has rendered there."""
    return folder / "reference.png"


def start(folder: Path) -> ReferenceRender:
    """Start rendering the scene that `copy` left in a folder, which may have moved since.

    Raises:
        PanoloomError: The second process could not start.
    """
    try:
        plain = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise PanoloomError(f"The copy of the scene cannot be read: {why}.") from why
    plain |= {"snapshot": str(folder / SNAPSHOT), "picture": str(picture_in(folder))}
    order = json.dumps(plain)
    log = folder / "reference.log"
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "profile")}
    with log.open("wb") as sink:
        try:
            process = subprocess.Popen(
                [*_command(), "--", order],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
                env=environment,
            )
        except OSError as error:
            raise PanoloomError(f"A second Blender could not be started: {error}.") from error
    return ReferenceRender(process, picture_in(folder), log)


def _command() -> list[str]:
    """This Blender without a window; as a Python module it has no program of its own."""
    if bpy.app.binary_path:
        quiet = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [bpy.app.binary_path, *quiet, "--python", str(SCRIPT)]
    return [sys.executable, str(SCRIPT)]


def _last(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
