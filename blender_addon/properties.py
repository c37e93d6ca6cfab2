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
from ..shared.jobs import JobSpec
from . import core, export, world

SIZE_ITEMS = [
    ("512x256", "512 x 256", "Quick to make; soft as a background, good as light"),
    ("1024x512", "1024 x 512", "Twice as sharp; takes several times as long"),
    ("2048x1024", "2048 x 1024", "For backgrounds; see the estimate before you ask for it"),
    ("4096x2048", "4096 x 2048", "As sharp as it gets; hours without a fast machine"),
]
QUALITY_ITEMS = [
    ("DRAFT", "Draft", "8 steps: to try words"),
    ("NORMAL", "Normal", "16 steps"),
    ("FINE", "Fine", "32 steps: calmer detail, twice the time of Normal"),
    ("CUSTOM", "Custom", "As many steps as you say"),
]
STYLE_ITEMS = [
    (name, title, f"Adds: {words}" if words else "Adds nothing to the prompt")
    for name, (title, words) in core.STYLES.items()
]
SHOW_ITEMS = [
    (
        "PREVIEW",
        "Preview",
        "The movie and a small light map: quick to play. Saving and reopening "
        "the file shows the final loop",
    ),
    ("FINAL", "Final", "The EXR frames and the full light map: what a saved file renders with"),
]
LOOK_ITEMS = [
    ("LINEAR", "Scene-linear", "Light as it is: the scene's view shows it as it shows the rest"),
    (
        "MATCH",
        "Match its picture",
        "What the camera sees undoes the scene's view, so that it has the colours of the loop's "
        "picture in the history; what lights the scene stays as it is",
    ),
]
EXPORT_ITEMS = [(preset.name, preset.title, preset.about) for preset in export.PRESETS]
CODEC_ITEMS = [
    (name or "ANY", title, f"The film in {title}" if name else "The first that the player takes")
    for name, title in export.CODECS
]
EXPORT_SIZE_ITEMS = [
    (name or "ANY", title, f"{title} pixels" if name else "No pixel is made larger or smaller")
    for name, title in export.SIZES
]
SUN_ITEMS = [
    (name or "ANY", title, about)
    for (name, title), about in zip(
        export.SUNS,
        (
            "In the picture where its format holds a sun, else left to a lamp",
            "As bright as the format allows",
            "The picture keeps the sky's light; Place the Sun adds the lamp",
        ),
        strict=True,
    )
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
        world.show_as(scene.world, final=settings.show_as == "FINAL")


def _followed(settings: PanoloomSettings, _context: bpy.types.Context) -> None:
    # What cannot be done is tried again by the tick, which can tell it.
    with contextlib.suppress(PanoloomError):
        world.keep_up(settings.id_data)


def _quality(settings: PanoloomSettings) -> int:
    return [item[0] for item in QUALITY_ITEMS].index(core.quality_of(settings.steps))


def _set_quality(settings: PanoloomSettings, index: int) -> None:
    steps = core.QUALITIES.get(QUALITY_ITEMS[index][0])
    if steps is not None:
        settings.steps = steps
    elif core.quality_of(settings.steps) != core.CUSTOM:
        settings.steps += 1  # a number of the artist's own begins beside the preset


class PanoloomSettings(bpy.types.PropertyGroup):
    """The panel's words, one set a scene."""

    prompt: StringProperty(
        name="Prompt",
        description="What surrounds the scene, in plain words",
        default="northern lights over a calm sea",
        maxlen=4000,
    )
    prompt_text: PointerProperty(
        type=bpy.types.Text,
        name="Prompt text",
        description="A text block with the prompt, as many lines as you like; it takes the place "
        "of the line above",
    )
    negative_prompt: StringProperty(
        name="Avoid", description="What to steer away from", maxlen=4000
    )
    style: EnumProperty(name="Style", description="Words behind the prompt", items=STYLE_ITEMS)
    sky: StringProperty(
        name="Sky", description="What is up there; empty: as the prompt says", maxlen=4000
    )
    horizon: StringProperty(
        name="Horizon", description="What is all around; empty: as the prompt says", maxlen=4000
    )
    ground: StringProperty(
        name="Ground", description="What is down there; empty: as the prompt says", maxlen=4000
    )
    model: StringProperty(
        name="Model",
        description="What makes the pictures, one of the engine's models",
        default=core.DEFAULT_MODEL,
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
        default=5.0,
        min=1.0,
        max=60.0,
        soft_max=10.0,
        step=50,
        precision=2,
    )
    quality: EnumProperty(name="Quality", items=QUALITY_ITEMS, get=_quality, set=_set_quality)
    steps: IntProperty(
        name="Steps",
        description="In how many steps the loop is made out of noise: more is finer and slower",
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
        name="Scene as reference",
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
    follow_depth: BoolProperty(
        name="Follow the scene's depth",
        description="Measure how far away everything around the active camera is (without one: "
        "around the 3D cursor); the pictures follow these shapes. For models that take control",
    )
    show_as: EnumProperty(
        name="Show as",
        description="What the World plays; a loop that is in the World changes at once",
        items=SHOW_ITEMS,
        default="FINAL",
        update=_shown_as,
    )
    look: EnumProperty(
        name="Look",
        description="How the World looks under the scene's view transform",
        items=LOOK_ITEMS,
        default="LINEAR",
        update=_followed,
    )
    keep_seconds: BoolProperty(
        name="Keep its seconds",
        description="Play a loop of another frame rate as fast as it was made, by leaving out or "
        "repeating frames; else each frame of the scene shows the next one of the loop",
        default=True,
        update=_followed,
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
    before_trial: PointerProperty(
        type=bpy.types.World, name="Before", description="The World that Back brings back"
    )
    is_trial: BoolProperty(name="A loop is looked at", default=False, options={"HIDDEN"})
    keep_with_file: BoolProperty(
        name="Keep with this file",
        description="The loop lies beside the .blend, in the folder panoloom, and goes along when "
        "it is saved elsewhere",
        default=False,
    )
    vr_dome: BoolProperty(
        name="Play on a Dome",
        description="In VR a large sphere plays the loop and the World holds still, so that its "
        "light is not worked out anew with every frame; without it the World itself plays",
        default=True,
    )
    export_preset: EnumProperty(
        name="For", description="What is to play the loop", items=EXPORT_ITEMS, default="quest3"
    )
    export_seconds: FloatProperty(
        name="Seconds",
        description="Play the loop again and again until it lasts so long, for players that pause "
        "where a film begins again; 0: once",
        default=60.0,
        min=0.0,
        max=3600.0,
        soft_max=600.0,
        step=100,
        precision=1,
    )
    export_codec: EnumProperty(
        name="Codec", description="How the film is packed", items=CODEC_ITEMS, default="ANY"
    )
    export_size: EnumProperty(
        name="Size", description="Of a frame of the export", items=EXPORT_SIZE_ITEMS, default="ANY"
    )
    export_sun: EnumProperty(
        name="Sun",
        description="Where the light of the sun goes, which the loop's picture cannot hold",
        items=SUN_ITEMS,
        default="ANY",
    )
    export_yaw: FloatProperty(
        name="Middle",
        description="What lies so far to the right of the loop's middle comes into the middle of "
        "the export",
        subtype="ANGLE",
    )
    export_folder: StringProperty(
        name="Folder",
        description="Where the export goes. Empty: beside the .blend, else into the folder "
        "exports of the loop's library",
        subtype="DIR_PATH",
    )
    export_fit: BoolProperty(
        name="Shrink to Fit",
        description="Make it the largest size that the player takes, where the loop is larger; "
        "without it a loop that is too large is refused",
    )
    export_replace: BoolProperty(
        name="Replace",
        description="Replace a file of the same name, this time; without it nothing is overwritten",
    )


class PanoloomStatus(bpy.types.PropertyGroup):
    """The live status, for other scripts to read, and which part of the history is shown."""

    status: StringProperty(name="Status")
    job_state: StringProperty(name="Job")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0)
    selected: StringProperty(name="Selected loop", description="Name of a loop of the history")
    page: IntProperty(name="Page", min=0)
    only_starred: BoolProperty(name="Starred only", description="Show loops with a star alone")


def settings_of(scene: bpy.types.Scene) -> core.SceneSettings:
    """The scene's words as plain values."""
    mine = scene.panoloom
    return core.SceneSettings(
        prompt=mine.prompt_text.as_string() if mine.prompt_text is not None else mine.prompt,
        negative_prompt=mine.negative_prompt,
        style=mine.style,
        sky=mine.sky,
        horizon=mine.horizon,
        ground=mine.ground,
        seed=mine.seed,
        size=mine.size,
        seconds=mine.seconds,
        scene_fps=scene.render.fps / scene.render.fps_base,
        steps=mine.steps,
        guidance_scale=mine.guidance_scale,
        model=mine.model,
        use_reference=mine.use_reference,
        strength=mine.strength,
        follow_depth=mine.follow_depth,
    )


def reuse(scene: bpy.types.Scene, spec: JobSpec) -> None:
    """Put a finished loop's words into the panel; its style is in its prompt already."""
    mine = scene.panoloom
    mine.prompt_text = None
    mine.prompt, mine.negative_prompt = spec.prompt, spec.negative_prompt
    mine.style = "NONE"
    mine.model = spec.model
    mine.sky, mine.horizon, mine.ground = spec.sky, spec.horizon, spec.ground
    mine.seed = min(spec.seed, 2**31 - 1)
    mine.steps, mine.guidance_scale = spec.steps, spec.guidance_scale
    mine.seconds = spec.num_frames / spec.fps
    size = core.size_name(spec.width, spec.height)
    if size:
        mine.size = size
    mine.use_reference = mine.follow_depth = False


CLASSES = (PanoloomSettings, PanoloomStatus)


def attach() -> None:
    """Hang the groups on Blender's types, after their classes were registered."""
    bpy.types.Scene.panoloom = PointerProperty(type=PanoloomSettings)
    bpy.types.WindowManager.panoloom = PointerProperty(type=PanoloomStatus)


def detach() -> None:
    """Undo `attach`."""
    del bpy.types.WindowManager.panoloom
    del bpy.types.Scene.panoloom
