"""The look of a World: scene-linear, or what the camera sees matching the poster.

A view such as AgX shows the light of 1.0, white in a generated picture, at about 77 percent. To
match, what the camera sees passes a node group that undoes the scene's view: a table that is
measured with the view itself, whatever that is, and stored in the file. It needs no extension to
render. What lights the scene stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy

from ..shared.errors import PanoloomError
from . import world_nodes
from .world_nodes import node

LOOK = "Panoloom Look"
VIEW_TAG = "panoloom_view"  # of the group: which view it undoes
SHARE_TAG = "panoloom_missed"  # of the World: how much of its poster the view cannot show
PLAIN_DISPLAYS = ("sRGB", "None")
PLAIN_WORKING = "Linear Rec.709"
VIEW_NAMES = (
    "view_transform",
    "look",
    "exposure",
    "gamma",
    "use_curve_mapping",
    "use_white_balance",
    "white_balance_temperature",
    "white_balance_tint",
)


def set_match(world: bpy.types.World, scene: bpy.types.Scene, poster: Path | None) -> None:
    """Let what the camera sees of our World match the poster under the scene's view.

    Args:
        poster: The loop's first picture, to tell how much of it can be matched.

    Raises:
        PanoloomError: This Blender lacks what it takes.
    """
    try:
        from . import look_bake
    except ModuleNotFoundError as why:
        raise PanoloomError(
            f"Matching the picture needs {why.name}, which this Blender lacks. Blender from "
            "blender.org has it."
        ) from why
    group = look_bake.group_for(scene)
    found = node(world, LOOK) or _insert(world, group)
    if found is None:  # the artist took our nodes out
        _tidy(group)
        return
    before, found.node_tree = found.node_tree, group
    _tidy(before)
    world[SHARE_TAG] = look_bake.share_missed(scene, poster) if poster is not None else 0.0


def set_linear(world: bpy.types.World) -> None:
    """Let our World be seen as the light that it is."""
    found = node(world, LOOK)
    if found is None:
        return
    tree, group = world.node_tree, found.node_tree
    sources = [link.from_socket for link in found.inputs[0].links]
    targets = [link.to_socket for link in found.outputs[0].links]
    tree.nodes.remove(found)
    for target in targets if sources else ():
        tree.links.new(sources[0], target)
    _tidy(group)


def is_stale(world: bpy.types.World, scene: bpy.types.Scene) -> bool:
    """Whether our World does not match yet, or under another view than the scene has now."""
    found = node(world, LOOK)
    if found is None:
        return _seen(world) is not None
    return found.node_tree.get(VIEW_TAG) != view_of(scene)


def remark(world: bpy.types.World, scene: bpy.types.Scene) -> str:
    """What the match cannot do here; empty when it does all."""
    if node(world, LOOK) is None:
        return ""
    display = scene.display_settings.display_device
    if display not in PLAIN_DISPLAYS:
        return f"The picture is sRGB and the display is {display}: its values match, not its light."
    working = getattr(getattr(bpy.data, "colorspace", None), "working_space", PLAIN_WORKING)
    if working != PLAIN_WORKING:
        return f"The match is for the working space {PLAIN_WORKING}; this file's is {working}."
    share = world.get(SHARE_TAG, 0.0)
    if share < 0.005:
        return ""
    view = scene.view_settings.view_transform
    return f"{share:.0%} of the picture has colours {view} cannot show: the nearest are shown."


def view_of(scene: bpy.types.Scene) -> str:
    """Everything that decides how light is shown, as one line."""
    view, words = scene.view_settings, [scene.display_settings.display_device]
    for name in VIEW_NAMES:
        value = getattr(view, name, None)  # white balance is there from Blender 4.3 on
        words.append(round(value, 6) if isinstance(value, float) else value)
    if view.use_curve_mapping:
        curves = view.curve_mapping.curves
        words.append([[round(v, 5) for p in c.points for v in p.location] for c in curves])
    return json.dumps(words)


def _tidy(group: bpy.types.NodeTree | None) -> None:
    """Remove a group of ours that nothing uses, with its table."""
    if group is None or group.users > 0:
        return
    images = {inner.image for inner in group.nodes if inner.type == "TEX_ENVIRONMENT"}
    bpy.data.node_groups.remove(group)
    for image in images:
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)


def _seen(world: bpy.types.World) -> bpy.types.NodeSocket | None:
    """Where what the camera sees gets its colour; None when the artist took that away."""
    visible = node(world, world_nodes.VISIBLE)
    colour = visible.inputs["Color"] if visible is not None else None
    return colour if colour is not None and colour.is_linked else None


def _insert(world: bpy.types.World, group: bpy.types.NodeTree) -> bpy.types.Node | None:
    """Our node between what the camera sees and what gave it its colour."""
    colour = _seen(world)
    if colour is None:
        return None
    tree, visible = world.node_tree, colour.node
    source = colour.links[0].from_socket
    made = tree.nodes.new("ShaderNodeGroup")
    made.name = made.label = LOOK
    made.location = (visible.location[0], visible.location[1] - 160)
    made.node_tree = group
    tree.links.new(source, made.inputs[0])
    tree.links.new(made.outputs[0], colour)
    return made
