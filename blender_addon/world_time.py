"""Which frame of a loop a scene frame shows.

As a rule one frame each, round and round, which needs no driver: the engine makes loops at the
scene's frame rate. Where a loop has another rate than the scene it may keep its seconds instead: a
driver on the image's offset then chooses the frame. The driver is a simple expression, so it runs
where scripts are not allowed to, and where this extension is absent.
"""

from __future__ import annotations

import bpy

from . import core, world_nodes
from .world_nodes import node

FPS_TAG = "panoloom_fps"  # of the World: the loop's own frames a second; 0 where nobody knows
BASE_TAG = "panoloom_offset"  # of the World: the number before that of a sequence's first picture
NEARLY = 1e-4  # rates this close are the same: 23.976 and 24000/1001


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames a second of the scene."""
    return scene.render.fps / scene.render.fps_base


def ratio(world: bpy.types.World, scene: bpy.types.Scene) -> float:
    """Frames of the loop for one of the scene, if it is to keep its seconds; 1.0 when unknown."""
    fps = world.get(FPS_TAG, 0.0)
    found = fps / scene_fps(scene) if fps > 0 else 1.0
    return 1.0 if abs(found - 1.0) < NEARLY else found


def set_frames(world: bpy.types.World, *, num_frames: int, offset: int, fps: float) -> None:
    """Let our World's picture be a loop of so many frames, one for each of the scene's.

    Args:
        num_frames: 1 for a still.
        offset: The number before that of the first picture of a sequence; 0 for a movie.
        fps: Of the loop; 0 when unknown.
    """
    world[FPS_TAG], world[BASE_TAG] = float(fps), int(offset)
    user = node(world, world_nodes.ENVIRONMENT).image_user
    _drop_driver(user)
    user.frame_duration, user.frame_start, user.frame_offset = num_frames, 1, offset
    user.use_cyclic, user.use_auto_refresh = True, num_frames > 1


def keep_time(world: bpy.types.World, scene: bpy.types.Scene) -> None:
    """Let our World's loop keep its seconds if the scene asks for it, and it has other ones."""
    found = node(world, world_nodes.ENVIRONMENT)
    if found is None:
        return
    user = found.image_user
    wanted = _wanted(world, scene)
    if wanted == _expression(user):
        return
    _drop_driver(user)
    user.frame_offset = world.get(BASE_TAG, user.frame_offset)
    _drive(user, wanted)


def copy_driver(source: bpy.types.ImageUser, target: bpy.types.ImageUser) -> None:
    """Let another picture keep the time that ours keeps."""
    _drive(target, _expression(source))


def length(world: bpy.types.World, scene: bpy.types.Scene) -> int:
    """Frames of the scene in one round of our World's loop; 1 of a still."""
    user = node(world, world_nodes.ENVIRONMENT).image_user
    rate = ratio(world, scene) if _expression(user) else 1.0
    return max(1, round(user.frame_duration / rate))


def _drive(user: bpy.types.ImageUser, wanted: str) -> None:
    if wanted:
        driver = user.driver_add("frame_offset").driver
        driver.type, driver.expression = "SCRIPTED", wanted


def is_late(world: bpy.types.World, scene: bpy.types.Scene) -> bool:
    """Whether `keep_time` would change something: the scene's frame rate did, for instance."""
    found = node(world, world_nodes.ENVIRONMENT)
    return found is not None and _wanted(world, scene) != _expression(found.image_user)


def _wanted(world: bpy.types.World, scene: bpy.types.Scene) -> str:
    user = node(world, world_nodes.ENVIRONMENT).image_user
    rate = ratio(world, scene)
    if not scene.panoloom.keep_seconds or rate == 1.0 or user.frame_duration < 2:
        return ""
    return core.retiming(rate, user.frame_duration, world.get(BASE_TAG, 0))


def _expression(user: bpy.types.ImageUser) -> str:
    driver = _driver(user)
    return driver.driver.expression if driver is not None else ""


def _driver(user: bpy.types.ImageUser) -> bpy.types.FCurve | None:
    animation = user.id_data.animation_data
    if animation is None:
        return None
    path = f"{user.path_from_id()}.frame_offset"
    return animation.drivers.find(path)


def _drop_driver(user: bpy.types.ImageUser) -> None:
    if _driver(user) is not None:
        user.driver_remove("frame_offset")
