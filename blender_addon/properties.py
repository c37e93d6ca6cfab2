"""What is stored where: the request in the scene, the live status in the window manager.

Scene properties are saved and follow undo; window-manager properties do neither, and carry nothing
that a job needs to go on.
"""

from __future__ import annotations

import contextlib

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..shared.errors import PanoloomError
from . import core, world

SIZE_ITEMS = [
    ("512x256", "512 x 256", "Quick to make; soft as a background, good as light"),
    ("1024x512", "1024 x 512", "Twice as sharp; takes several times as long"),
]
SHOW_ITEMS = [
    ("EXR", "EXR frames", "Linear half floats: the exact loop"),
    ("MOVIE", "Movie", "H.264: small, lighter to play, 8 bit"),
]


def _turned(settings: PanoloomSettings, _context: bpy.types.Context) -> None:
    scene = settings.id_data
    if world.job_of(scene.world) is not None:
        world.turn(scene.world, settings.yaw)


def _shown_as(settings: PanoloomSettings, _context: bpy.types.Context) -> None:
    scene = settings.id_data
    if world.job_of(scene.world) is None:
        return
    # Without the files there is nothing to change to; Apply is the button that says so.
    with contextlib.suppress(PanoloomError):
        world.show_as(scene.world, movie=settings.show_as == "MOVIE")


class PanoloomSettings(bpy.types.PropertyGroup):
    """The panel's words, one set a scene."""

    prompt: StringProperty(
        name="Prompt",
        description="What surrounds the scene, in plain words",
        default="northern lights over a calm sea",
        maxlen=4000,
    )
    negative_prompt: StringProperty(
        name="Avoid", description="What to steer away from", maxlen=4000
    )
    seed: IntProperty(
        name="Seed",
        description="The same seed and words give the same loop",
        default=0,
        min=0,
    )
    size: EnumProperty(name="Size", items=SIZE_ITEMS, default="512x256")
    seconds: FloatProperty(
        name="Seconds",
        description="Length of the loop at the scene's frame rate",
        default=2.0,
        min=1.0,
        max=60.0,
        soft_max=10.0,
        step=50,
        precision=2,
    )
    steps: IntProperty(
        name="Steps",
        description="Denoising steps: more is finer and slower",
        default=16,
        min=1,
        max=200,
    )
    guidance_scale: FloatProperty(
        name="Guidance",
        description="How closely to follow the words",
        default=4.0,
        min=1.0,
        max=30.0,
    )
    use_reference: BoolProperty(
        name="Use my scene as reference",
        description="Render the scene around the active camera first; the loop grows around it",
    )
    strength: FloatProperty(
        name="Change",
        description="How much of the scene's picture may change. Where the scene is open, 1 makes "
        "everything anew, and less stays closer to what was rendered",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    show_as: EnumProperty(
        name="Show as",
        description="What the World plays; a loop that is in the World changes at once",
        items=SHOW_ITEMS,
        default="EXR",
        update=_shown_as,
    )
    yaw: FloatProperty(
        name="Turn",
        description="Turn the World to the right, from where the camera looked at Generate",
        subtype="ANGLE",
        update=_turned,
    )
    previous_world: PointerProperty(
        type=bpy.types.World, name="My World", description="The World that Restore brings back"
    )
    has_previous: BoolProperty(name="A World is kept", default=False, options={"HIDDEN"})


class PanoloomStatus(bpy.types.PropertyGroup):
    """The live status, for other scripts to read; the panel itself reads the running state."""

    status: StringProperty(name="Status")
    job_state: StringProperty(name="Job")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0)


def settings_of(scene: bpy.types.Scene) -> core.SceneSettings:
    """The scene's words as plain values."""
    mine = scene.panoloom
    return core.SceneSettings(
        prompt=mine.prompt,
        negative_prompt=mine.negative_prompt,
        seed=mine.seed,
        size=mine.size,
        seconds=mine.seconds,
        scene_fps=scene.render.fps / scene.render.fps_base,
        steps=mine.steps,
        guidance_scale=mine.guidance_scale,
        use_reference=mine.use_reference,
        strength=mine.strength,
    )


CLASSES = (PanoloomSettings, PanoloomStatus)


def attach() -> None:
    """Hang the groups on Blender's types, after their classes were registered."""
    bpy.types.Scene.panoloom = PointerProperty(type=PanoloomSettings)
    bpy.types.WindowManager.panoloom = PointerProperty(type=PanoloomStatus)


def detach() -> None:
    """Undo `attach`."""
    del bpy.types.WindowManager.panoloom
    del bpy.types.Scene.panoloom
