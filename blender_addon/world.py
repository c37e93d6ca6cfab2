"""The only writer of Worlds and their images.

A job, a loop of the history, or a file gets a World of its own, tagged. The user's World is never
edited: it gets a fake user, and the scene's settings point at it, so that one button brings it
back.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from . import core, job, look, loops, world_nodes, world_time
from .world_nodes import ENVIRONMENT, MAPPING, node

JOB_TAG = "panoloom_job"
HEADING_TAG = "panoloom_heading"
LOOP, TRIAL, FILE = "loop:", "trial:", "file:"  # tags of Worlds that no job of this run made
LINEAR = ("Linear Rec.709", "Linear Rec.709 (sRGB)", "Linear", "lin_rec709")
SRGB = ("sRGB", "sRGB - Texture", "Utility - sRGB - Texture", "srgb_texture")
NO_SPACE = (
    "Blender's colour configuration has none of the colour spaces {names}, so it may show this "
    "loop's colours wrong. Choose the right one at the image, or use Blender's own configuration."
)


def now(scene: bpy.types.Scene | None) -> job.WorldNow:
    """Which World the scene has, in the words `job.standing` takes."""
    if scene is None or scene.world is None:
        return job.WorldNow()
    return job.WorldNow(scene.world.session_uid, job_of(scene.world))


def job_of(world: bpy.types.World | None) -> str | None:
    """The tag of a World of ours, a job's id where a job made it; None for one of the user's."""
    return world.get(JOB_TAG) if world is not None else None


def scene_of(uid: int) -> bpy.types.Scene | None:
    """The scene with this session number, None when it is gone."""
    return next((scene for scene in bpy.data.scenes if scene.session_uid == uid), None)


def camera_heading(scene: bpy.types.Scene) -> float:
    """Heading of the active camera in radians; +y, Blender's "front" view, where there is none."""
    camera = scene.camera
    if camera is None:
        return core.heading_of(((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)))
    return core.heading_of(camera.matrix_world.normalized())


def create(scene: bpy.types.Scene, tag: str, heading: float, name: str) -> bpy.types.World:
    """A new World of ours on `scene`; the user's own is kept for `restore`.

    Args:
        tag: The job's id, or a `LOOP`, `TRIAL` or `FILE` tag.
        heading: Radians; where the ERP's centre goes.
        name: Shown to the user, Blender adds a number if it is taken.
    """
    previous = scene.world
    settings = scene.panoloom
    if job_of(previous) is None:
        settings.previous_world = previous
        settings.has_previous = True
        if previous is not None:
            previous.use_fake_user = True
    world = bpy.data.worlds.new(name)
    world[JOB_TAG] = tag
    world[HEADING_TAG] = heading
    world_nodes.build(world, heading)
    world_nodes.set_effort(world)
    turn(world, settings.yaw)
    scene.world = world
    if job_of(previous) is not None:
        world_nodes.copy_strengths(previous, world)
        _discard(previous)
    return world


def show_preview(world: bpy.types.World, path: Path) -> None:
    """Show a still preview; it is packed, so that it is saved and undone with the World.

    Its file is not used afterwards.
    """
    image = bpy.data.images.load(str(path), check_existing=False)
    image.name = "Panoloom preview"
    image.pack()
    _read_as(image, SRGB)
    _swap(world, image, num_frames=1)


def show_loop(world: bpy.types.World, folder: Path, num_frames: int, *, final: bool) -> str:
    """Show a finished loop: one frame of it for each frame of the scene, round and round.

    Args:
        folder: Of the loop.
        num_frames: Frames in it; scene frame num_frames + 1 shows the first one again.
        final: EXR frames and the full light map; else the movie and a small one.

    Returns:
        A sentence where its colours may be wrong, else nothing.

    Raises:
        PanoloomError: Its files are not on this computer.
    """
    path = loops.loop_file(folder, prefer_movie=not final)
    fps = loops.fps_of(folder)
    return show_file(world, loops.LoopFile(path=path, num_frames=num_frames, fps=fps), final=final)


def show_file(world: bpy.types.World, loop: loops.LoopFile, *, final: bool) -> str:
    """Show a movie, a sequence or a still; returns what `show_loop` returns."""
    image = bpy.data.images.load(str(loop.path), check_existing=False)
    image.name = f"Panoloom {loops.folder_of_loop(loop.path).name}"
    num_frames, fps = loop.num_frames, loop.fps
    if image.source == "MOVIE":
        num_frames, fps = num_frames or image.frame_duration, fps or _fps_of_movie(loop.path)
    elif num_frames > 1:
        image.source = "SEQUENCE"
    is_linear = loop.path.suffix.lower() in (".exr", ".hdr")
    remark = _read_as(image, LINEAR if is_linear else SRGB)
    offset = 0 if image.source == "MOVIE" else loop.first_number - 1
    _swap(world, image, num_frames=max(1, num_frames), offset=offset, fps=fps)
    world_nodes.set_effort(world, final_width=image.size[0] if final else 0)
    return remark


def show_as(world: bpy.types.World, *, final: bool) -> str:
    """Show the loop of our World for finals or for looking; a preview stays as it is.

    Raises:
        PanoloomError: The loop's files are not on this computer.
    """
    folder = folder_of(world)
    shown = node(world, ENVIRONMENT)
    image = shown.image if shown is not None else None
    wanted = None if folder is None else loops.loop_file(folder, prefer_movie=not final)
    if image is None or wanted in (None, Path(bpy.path.abspath(image.filepath))):
        width = image.size[0] if final and image is not None else 0
        world_nodes.set_effort(world, final_width=width)
        return ""
    relative = image.filepath.startswith("//")
    remark = show_loop(world, folder, shown.image_user.frame_duration, final=final)
    if relative:
        shown.image.filepath_raw = bpy.path.relpath(str(wanted))
    return remark


def folder_of(world: bpy.types.World | None) -> Path | None:
    """The folder of the finished loop a World of ours shows; None for a preview or another file."""
    shown = node(world, ENVIRONMENT) if job_of(world) is not None else None
    image = shown.image if shown is not None else None
    if image is None or image.source not in ("MOVIE", "SEQUENCE"):
        return None
    folder = loops.folder_of_loop(Path(bpy.path.abspath(image.filepath)))
    return folder if not job_of(world).startswith(FILE) else None


def restore(scene: bpy.types.Scene) -> bool:
    """Give the scene the World back that it had before ours; False when there is nothing to do."""
    settings = scene.panoloom
    ours = scene.world
    if job_of(ours) is None or not settings.has_previous:
        return False
    _forget_trial(scene)
    scene.world = settings.previous_world
    settings.previous_world = None
    settings.has_previous = False
    _discard(ours)
    return True


def can_restore(scene: bpy.types.Scene) -> bool:
    """Whether `restore` would do something."""
    return job_of(scene.world) is not None and scene.panoloom.has_previous


def turn(world: bpy.types.World, yaw: float) -> None:
    """Turn our World to the right by `yaw` radians from the camera's heading at Generate."""
    mapping = node(world, MAPPING)
    if mapping is not None:
        rotation = core.mapping_rotation(world[HEADING_TAG], yaw)
        mapping.inputs["Rotation"].default_value[2] = rotation


def keep_up(scene: bpy.types.Scene) -> None:
    """Let our World follow what the scene asks of its time and its look, and its view and rate.

    Raises:
        PanoloomError: The look cannot be had in this Blender.
    """
    world = scene.world
    if job_of(world) is None:
        return
    world_time.keep_time(world, scene)
    if scene.panoloom.look == "MATCH":
        folder = folder_of(world)
        look.set_match(world, scene, folder / loops.POSTER if folder is not None else None)
    else:
        look.set_linear(world)


def is_behind(scene: bpy.types.Scene) -> bool:
    """Whether `keep_up` has something to do: the scene's frame rate or its view changed."""
    world = scene.world
    if job_of(world) is None:
        return False
    if world_time.is_late(world, scene):
        return True
    return scene.panoloom.look == "MATCH" and look.is_stale(world, scene)


def asked_of(scene: bpy.types.Scene) -> tuple[str, float]:
    """The view and the frame rate of a scene, to see whether they are being changed."""
    return look.view_of(scene), world_time.scene_fps(scene)


# A loop on trial --------------------------------------------------------------------------------


def begin_trial(scene: bpy.types.Scene, name: str, title: str) -> bpy.types.World:
    """A World to look at a loop of the history; `end_trial` brings back what was there."""
    settings = scene.panoloom
    before = scene.world
    if is_trying(scene):
        before = settings.before_trial
    settings.before_trial = before
    heading = _heading_for(scene)
    made = create(scene, f"{TRIAL}{name}", heading, core.world_name(title))
    settings.is_trial = True
    return made


def end_trial(scene: bpy.types.Scene) -> bool:
    """Bring back the World from before the trial; False when there is none."""
    if not is_trying(scene):
        return False
    settings, ours = scene.panoloom, scene.world
    before = settings.before_trial
    scene.world = before
    if job_of(before) is None:
        settings.previous_world, settings.has_previous = None, False
    _forget_trial(scene)
    _discard(ours)
    return True


def is_trying(scene: bpy.types.Scene) -> bool:
    """Whether the scene shows a loop on trial."""
    return scene.panoloom.is_trial and (job_of(scene.world) or "").startswith(TRIAL)


def apply_loop(scene: bpy.types.Scene, name: str, title: str) -> bpy.types.World:
    """A World for a loop of the history, whatever the scene's World is now."""
    heading = _heading_for(scene)
    made = create(scene, f"{LOOP}{name}", heading, core.world_name(title))
    _forget_trial(scene)
    return made


def _heading_for(scene: bpy.types.Scene) -> float:
    """That of the World of ours the scene has, so that loops change places without a turn."""
    world = scene.world
    return world[HEADING_TAG] if job_of(world) is not None else camera_heading(scene)


def _forget_trial(scene: bpy.types.Scene) -> None:
    settings = scene.panoloom
    before = settings.before_trial
    settings.is_trial, settings.before_trial = False, None
    if before is not None and before != scene.world and job_of(before) is not None:
        _discard(before)


# Files ------------------------------------------------------------------------------------------


def loops_shown() -> set[Path]:
    """Folders of every loop that this file's images show."""
    paths = [image.filepath for image in bpy.data.images if image.source in ("MOVIE", "SEQUENCE")]
    return {loops.folder_of_loop(Path(bpy.path.abspath(path))) for path in paths if path}


def bundle_of(world: bpy.types.World | None) -> loops.Bundle | None:
    """The files that our World shows: a loop of the engine, or a file that was loaded.

    None for the user's World, and for a preview, which lies in the .blend itself.
    """
    folder = folder_of(world)
    if folder is not None:
        return loops.Bundle(folder)
    shown = node(world, ENVIRONMENT) if job_of(world) is not None else None
    image = shown.image if shown is not None else None
    if image is None or not image.filepath or image.packed_file is not None:
        return None
    path = Path(bpy.path.abspath(image.filepath))
    first = world.get(world_time.BASE_TAG, 0) + 1
    count = shown.image_user.frame_duration if image.source == "SEQUENCE" else 1
    return loops.Bundle(
        path.parent, loops.LoopFile(path=path, num_frames=count, first_number=first)
    )


def relink(world: bpy.types.World, target: Path, path: str, *, reload: bool) -> None:
    """Let our World read its loop from another folder.

    Args:
        target: Where the files lie now.
        path: The same folder as it is to stand in the file, for instance "//panoloom/sea-1".
        reload: Whether the path can be read already.
    """
    image = node(world, ENVIRONMENT).image
    bundle = bundle_of(world)
    inner = Path(bpy.path.abspath(image.filepath)).relative_to(bundle.folder).as_posix()
    if not (target / inner).is_file():
        return
    image.filepath_raw = f"{path}/{inner}"
    if reload:
        image.reload()


def reload(world: bpy.types.World) -> None:
    """Read our World's loop anew, after its path changed."""
    node(world, ENVIRONMENT).image.reload()


def _swap(
    world: bpy.types.World,
    image: bpy.types.Image,
    *,
    num_frames: int,
    offset: int = 0,
    fps: float = 0.0,
) -> None:
    shown = node(world, ENVIRONMENT)
    if shown is None:  # the artist took it out: there is no place to show this
        bpy.data.images.remove(image)
        return
    old = shown.image
    shown.image = image
    world_time.set_frames(world, num_frames=num_frames, offset=offset, fps=fps)
    for scene in bpy.data.scenes:
        if scene.world == world:
            keep_up(scene)
    if old is not None and old != image and old.users == 0:
        bpy.data.images.remove(old)


def _fps_of_movie(path: Path) -> float:
    """Frames a second that a movie names; 0 when it names none."""
    clip = bpy.data.movieclips.load(str(path), check_existing=False)
    fps = clip.fps
    bpy.data.movieclips.remove(clip)
    return fps


def _read_as(image: bpy.types.Image, names: tuple[str, ...]) -> str:
    """Read the file's values in the first colour space of these that the configuration has.

    Returns:
        A sentence when it has none of them and Blender's own guess stays.
    """
    for name in names:
        try:
            image.colorspace_settings.name = name
        except TypeError:  # no such name
            continue
        return ""
    return NO_SPACE.format(names=", ".join(f"'{name}'" for name in names))


def _discard(world: bpy.types.World) -> None:
    """Remove a World of ours that nothing shows any more, with its picture."""
    if world.users > 0 or world.use_fake_user:
        return
    shown = node(world, ENVIRONMENT)
    image = shown.image if shown is not None else None
    bpy.data.worlds.remove(world)
    if image is not None and image.users == 0:
        bpy.data.images.remove(image)
