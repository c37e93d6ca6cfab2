"""The only writer of Worlds and their images.

A job gets a World of its own, tagged with its id. The user's World is never edited: it gets a fake
user, and the scene's settings point at it, so that one button brings it back. Only nodes that carry
our names are touched again, so whatever an artist adds around them stays.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from . import core

JOB_TAG = "panoloom_job"
HEADING_TAG = "panoloom_heading"
ENVIRONMENT = "Panoloom Environment"
MAPPING = "Panoloom Mapping"
VISIBLE = "Panoloom Visible"
LIGHT = "Panoloom Light"
LINEAR = ("Linear Rec.709", "Linear Rec.709 (sRGB)", "Linear")
SRGB = ("sRGB", "sRGB - Texture", "Utility - sRGB - Texture")
MAP_RESOLUTION = 256  # of Cycles' importance map; automatic costs seconds a frame on a moving World


def now(scene: bpy.types.Scene | None) -> core.WorldNow:
    """Which World the scene has, in the words `core.standing` takes."""
    if scene is None or scene.world is None:
        return core.WorldNow()
    return core.WorldNow(scene.world.session_uid, job_of(scene.world))


def job_of(world: bpy.types.World | None) -> str | None:
    """The job whose World this is, None for one of the user's."""
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


def create(scene: bpy.types.Scene, job_id: str, heading: float, name: str) -> bpy.types.World:
    """A new World for `job_id` on `scene`; the user's own is kept for `restore`.

    Args:
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
    world[JOB_TAG] = job_id
    world[HEADING_TAG] = heading
    _build_nodes(world, heading)
    _keep_rendering_cheap(world)
    scene.world = world
    if job_of(previous) is not None:
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


def show_loop(world: bpy.types.World, first: Path, num_frames: int) -> None:
    """Show a finished loop: one frame of it for each frame of the scene, round and round.

    Args:
        first: The movie, or the first picture of a numbered sequence.
        num_frames: Frames in the loop; scene frame num_frames + 1 shows the first one again.
    """
    image = bpy.data.images.load(str(first), check_existing=False)
    image.name = f"Panoloom {core.folder_of_loop(first).name}"
    if image.source == "MOVIE":
        _read_as(image, SRGB)
    else:
        image.source = "SEQUENCE"
        _read_as(image, LINEAR)
    _swap(world, image, num_frames=num_frames)


def show_as(world: bpy.types.World, *, movie: bool) -> None:
    """Show the loop of our World as a movie or as its EXR frames; a preview stays as it is.

    Raises:
        PanoloomError: The loop's files are not on this computer.
    """
    node = _node(world, ENVIRONMENT)
    image = node.image if node is not None else None
    if image is None or image.source not in ("MOVIE", "SEQUENCE"):
        return
    shown = Path(bpy.path.abspath(image.filepath))
    wanted = core.loop_file(core.folder_of_loop(shown), prefer_movie=movie)
    if wanted != shown:
        show_loop(world, wanted, node.image_user.frame_duration)


def restore(scene: bpy.types.Scene) -> bool:
    """Give the scene the World back that it had before ours; False when there is nothing to do."""
    settings = scene.panoloom
    ours = scene.world
    if job_of(ours) is None or not settings.has_previous:
        return False
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
    node = _node(world, MAPPING)
    if node is not None:
        rotation = core.mapping_rotation(world[HEADING_TAG], yaw)
        node.inputs["Rotation"].default_value[2] = rotation


def strengths(world: bpy.types.World) -> list[tuple[bpy.types.NodeSocket, str]]:
    """Our World's two sliders: what the camera sees, and what lights the scene."""
    nodes = ((_node(world, VISIBLE), "Visible strength"), (_node(world, LIGHT), "Light strength"))
    return [(node.inputs["Strength"], text) for node, text in nodes if node is not None]


def _node(world: bpy.types.World, name: str) -> bpy.types.Node | None:
    return world.node_tree.nodes.get(name) if world.node_tree else None


def _build_nodes(world: bpy.types.World, heading: float) -> None:
    """Generated -> Mapping -> Environment -> two Backgrounds, mixed by "is camera ray"."""
    if world.node_tree is None:  # before Blender 5.0; from there on it is always present
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    coordinates = _add(tree, "ShaderNodeTexCoord", "Panoloom Coordinates", (-900, 0))
    mapping = _add(tree, "ShaderNodeMapping", MAPPING, (-700, 0))
    picture = _add(tree, "ShaderNodeTexEnvironment", ENVIRONMENT, (-500, 0))
    light = _add(tree, "ShaderNodeBackground", LIGHT, (-200, 60))
    visible = _add(tree, "ShaderNodeBackground", VISIBLE, (-200, -80))
    ray = _add(tree, "ShaderNodeLightPath", "Panoloom Ray", (-200, 400))
    mix = _add(tree, "ShaderNodeMixShader", "Panoloom Mix", (20, 0))
    output = _add(tree, "ShaderNodeOutputWorld", "Panoloom Output", (220, 0))
    mapping.vector_type = "POINT"
    mapping.inputs["Rotation"].default_value[2] = core.mapping_rotation(heading)
    links = tree.links
    links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    links.new(mapping.outputs["Vector"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], light.inputs["Color"])
    links.new(picture.outputs["Color"], visible.inputs["Color"])
    links.new(ray.outputs["Is Camera Ray"], mix.inputs[0])  # its name differs between versions
    links.new(light.outputs["Background"], mix.inputs[1])
    links.new(visible.outputs["Background"], mix.inputs[2])
    links.new(mix.outputs["Shader"], output.inputs["Surface"])


def _add(tree: bpy.types.NodeTree, kind: str, name: str, place: tuple[int, int]) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node.name = node.label = name
    node.location = place
    return node


def _keep_rendering_cheap(world: bpy.types.World) -> None:
    cycles = getattr(world, "cycles", None)  # absent when the Cycles add-on is switched off
    if cycles is not None:
        cycles.sampling_method = "MANUAL"
        cycles.sample_map_resolution = MAP_RESOLUTION
    if hasattr(world, "sun_threshold"):  # EEVEE from 4.3 on: no sun is cut out of a moving sky
        world.sun_threshold = 0.0
    if hasattr(world, "probe_resolution"):
        world.probe_resolution = "512"


def _swap(world: bpy.types.World, image: bpy.types.Image, *, num_frames: int) -> None:
    node = _node(world, ENVIRONMENT)
    if node is None:  # the artist took it out: there is no place to show this
        bpy.data.images.remove(image)
        return
    old = node.image
    node.image = image
    user = node.image_user
    user.frame_duration = num_frames
    user.frame_start = 1
    user.frame_offset = 0
    user.use_cyclic = True
    user.use_auto_refresh = num_frames > 1
    if old is not None and old != image and old.users == 0:
        bpy.data.images.remove(old)


def _read_as(image: bpy.types.Image, names: tuple[str, ...]) -> None:
    """Read the file's values in the first colour space of these that the configuration has."""
    for name in names:
        try:
            image.colorspace_settings.name = name
        except TypeError:  # no such name: Blender's own guess stays, or the next name fits
            continue
        return


def _discard(world: bpy.types.World) -> None:
    """Remove a World of ours that nothing shows any more, with its picture."""
    if world.users > 0 or world.use_fake_user:
        return
    node = _node(world, ENVIRONMENT)
    image = node.image if node is not None else None
    bpy.data.worlds.remove(world)
    if image is not None and image.users == 0:
        bpy.data.images.remove(image)
