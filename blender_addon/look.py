"""The look of a World: scene-linear, or what the camera sees matching the poster.

A view such as AgX shows the light of 1.0, white in a generated picture, at about 77 percent. To
match, what the camera sees passes a node group that undoes the scene's view: a table that is
measured with the view itself, whatever that is, and stored in the file. It needs no extension to
render. What lights the scene stays as it is.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import bpy
import numpy as np

from . import look_table, world_nodes
from .look_table import AXIS_GAMMA, SIDE, STORED_GAMMA, LookTable
from .world_nodes import node

LOOK = "Panoloom Look"
VIEW_TAG = "panoloom_view"  # of the group: which view it undoes
SHARE_TAG = "panoloom_missed"  # of the World: how much of its poster the view cannot show
PLAIN_DISPLAYS = ("sRGB", "None")
PLAIN_WORKING = "Linear Rec.709"


def set_match(world: bpy.types.World, scene: bpy.types.Scene, poster: Path | None) -> None:
    """Let what the camera sees of our World match the poster under the scene's view.

    Args:
        poster: The loop's first picture, to tell how much of it can be matched.
    """
    group = _group_for(scene)
    found = node(world, LOOK) or _insert(world, group)
    if found is None:  # the artist took our nodes out
        _tidy(group)
        return
    before, found.node_tree = found.node_tree, group
    _tidy(before)
    table = _tables.get(group[VIEW_TAG])
    world[SHARE_TAG] = 0.0
    if table is not None and poster is not None and poster.is_file():
        world[SHARE_TAG] = table.share_missed(_small_picture(poster))


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
    """Whether our World matches under another view than the scene has now."""
    found = node(world, LOOK)
    return found is not None and found.node_tree.get(VIEW_TAG) != view_of(scene)


def remark(world: bpy.types.World, scene: bpy.types.Scene) -> str:
    """What the match cannot do here; empty when it does all."""
    if node(world, LOOK) is None:
        return ""
    display = scene.display_settings.display_device
    if display not in PLAIN_DISPLAYS:
        return f"The poster is sRGB and the display is {display}: its values match, not its light."
    working = getattr(getattr(bpy.data, "colorspace", None), "working_space", PLAIN_WORKING)
    if working != PLAIN_WORKING:
        return f"The match is for the working space {PLAIN_WORKING}; this file's is {working}."
    share = world.get(SHARE_TAG, 0.0)
    if share < 0.005:
        return ""
    view = scene.view_settings.view_transform
    return f"{share:.0%} of the poster has colours {view} cannot show: the nearest are shown."


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
_tables: dict[str, LookTable] = {}  # of this run of Blender, by view


def _group_for(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """The node group that undoes the scene's view, made when there is none yet."""
    view = view_of(scene)
    for group in bpy.data.node_groups:
        if group.get(VIEW_TAG) == view and not group.library:
            return group
    if view not in _tables:
        _tables[view] = _measure(scene)
    group = _build(_picture_of(_tables[view]))
    group[VIEW_TAG] = view
    return group


def _measure(scene: bpy.types.Scene) -> LookTable:
    """Ask Blender itself how it shows light in this scene."""
    helper = bpy.data.scenes.new("Panoloom view")
    try:
        _copy_view(scene, helper)
        with tempfile.TemporaryDirectory(prefix="panoloom-") as folder:
            path = Path(folder, "shown.png")
            return look_table.measure(lambda light: _shown(light, helper, path))
    finally:
        bpy.data.scenes.remove(helper)


def _copy_view(scene: bpy.types.Scene, helper: bpy.types.Scene) -> None:
    helper.display_settings.display_device = scene.display_settings.display_device
    mine, theirs = helper.view_settings, scene.view_settings
    for name in VIEW_NAMES:
        if hasattr(theirs, name):
            setattr(mine, name, getattr(theirs, name))
    if theirs.use_curve_mapping:
        for copy, curve in zip(mine.curve_mapping.curves, theirs.curve_mapping.curves, strict=True):
            while len(copy.points) < len(curve.points):
                copy.points.new(0.5, 0.5)
            for point, source in zip(copy.points, curve.points, strict=False):
                point.location, point.handle_type = source.location, source.handle_type
        mine.curve_mapping.update()
    helper.render.dither_intensity = 0.0
    written = helper.render.image_settings
    if hasattr(written, "media_type"):  # Blender 5.0
        written.media_type = "IMAGE"
    written.file_format, written.color_mode, written.color_depth = "PNG", "RGB", "16"


def _shown(light: np.ndarray, helper: bpy.types.Scene, path: Path) -> np.ndarray:
    """What Blender writes for this light [H, W, 3] under the helper's view, 0..1."""
    height, width, _ = light.shape
    image = _float_image("Panoloom light", light)
    image.save_render(str(path), scene=helper)
    bpy.data.images.remove(image)
    image = bpy.data.images.load(str(path), check_existing=False)
    pixels = _read(image)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[..., :3]


def _float_image(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """An image of these values [H, W, 3], row 0 at the bottom; new ones are scene-linear."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels
    image.pixels.foreach_set(rgba.ravel())
    return image


def _read(image: bpy.types.Image) -> np.ndarray:
    image.colorspace_settings.is_data = True
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values


def _small_picture(path: Path) -> np.ndarray:
    """At most 512 x 256 of a picture's values, [H, W, 3]."""
    image = bpy.data.images.load(str(path), check_existing=False)
    width, height = image.size
    values = _read(image).reshape(height, width, 4)
    bpy.data.images.remove(image)
    step = max(1, width // 512)
    return np.clip(values[::step, ::step, :3], 0.0, 1.0)


def _picture_of(table: LookTable) -> bpy.types.Image:
    """The table as an image that lies in the file."""
    height, width, _ = table.pixels.shape
    image = bpy.data.images.new(LOOK, width, height, float_buffer=True, is_data=True)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = table.pixels
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image


def _tidy(group: bpy.types.NodeTree | None) -> None:
    """Remove a group of ours that nothing uses, with its table."""
    if group is None or group.users > 0:
        return
    images = {inner.image for inner in group.nodes if inner.type == "TEX_ENVIRONMENT"}
    bpy.data.node_groups.remove(group)
    for image in images:
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)


def _insert(world: bpy.types.World, group: bpy.types.NodeTree) -> bpy.types.Node | None:
    """Our node between what the camera sees and what gave it its colour."""
    visible = node(world, world_nodes.VISIBLE)
    if visible is None or not visible.inputs["Color"].is_linked:
        return None
    tree, colour = world.node_tree, visible.inputs["Color"]
    source = colour.links[0].from_socket
    made = tree.nodes.new("ShaderNodeGroup")
    made.name = made.label = LOOK
    made.location = (visible.location[0], visible.location[1] - 160)
    made.node_tree = group
    tree.links.new(source, made.inputs[0])
    tree.links.new(made.outputs[0], colour)
    return made


# The nodes that read the table ------------------------------------------------------------------


def _empty_group() -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new(LOOK, "ShaderNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Color", in_out=way, socket_type="NodeSocketColor")
    return group


def _build(table: bpy.types.Image) -> bpy.types.NodeTree:
    """Light -> axis -> the table at the two blues around it -> light.

    The table is read by environment textures, since EEVEE samples all others through mipmaps, which
    bleed where one blue ends and the next begins; so places in it are given as directions.
    """
    group = _empty_group()
    chain = _Chain(group)
    entry, leave = (group.nodes.new(kind) for kind in ("NodeGroupInput", "NodeGroupOutput"))
    axis = chain.gamma(entry.outputs[0], 1.0 / AXIS_GAMMA)
    axis = chain.vector("MINIMUM", chain.vector("MAXIMUM", axis, (0.0,) * 3), (1.0,) * 3)
    split = group.nodes.new("ShaderNodeSeparateXYZ")
    group.links.new(axis, split.inputs[0])
    red, green, blue = split.outputs
    steps = SIDE - 1
    blue = chain.math("MULTIPLY", blue, steps)
    slice_ = chain.math("MINIMUM", chain.math("FLOOR", blue), steps - 1)
    between = chain.math("SUBTRACT", blue, slice_)
    across = chain.math("MULTIPLY_ADD", red, steps / SIDE**2, 0.5 / SIDE**2)
    left = chain.math("MULTIPLY_ADD", slice_, 1.0 / SIDE, across)
    up = chain.math("MULTIPLY_ADD", green, steps / SIDE, 0.5 / SIDE)
    near = chain.table(table, left, up)
    far = chain.table(table, chain.math("ADD", left, 1.0 / SIDE), up)
    share = group.nodes.new("ShaderNodeCombineXYZ")
    for socket in share.inputs:
        group.links.new(between, socket)
    change = chain.vector("SUBTRACT", far, near)
    mixed = chain.vector("MULTIPLY_ADD", change, share.outputs[0], near)
    group.links.new(chain.gamma(mixed, STORED_GAMMA), leave.inputs[0])
    return group


class _Chain:
    """Makes the nodes of a formula; a word is a socket or a constant."""

    def __init__(self, group: bpy.types.NodeTree) -> None:
        self._group = group

    def math(self, operation: str, *words: object) -> bpy.types.NodeSocket:
        return self._node("ShaderNodeMath", words, operation)

    def vector(self, operation: str, *words: object) -> bpy.types.NodeSocket:
        return self._node("ShaderNodeVectorMath", words, operation)

    def gamma(self, colour: object, exponent: float) -> bpy.types.NodeSocket:
        return self._node("ShaderNodeGamma", (colour, exponent))

    def table(self, image: bpy.types.Image, u: object, v: object) -> bpy.types.NodeSocket:
        """The image's colour at (u, v), by the direction that an ERP shows there."""
        longitude = self.math("MULTIPLY_ADD", u, -2.0 * np.pi, np.pi)
        colatitude = self.math("MULTIPLY_ADD", v, -np.pi, np.pi)
        radius = self.math("SINE", colatitude)
        x = self.math("MULTIPLY", radius, self.math("COSINE", longitude))
        y = self.math("MULTIPLY", radius, self.math("SINE", longitude))
        place = (x, y, self.math("COSINE", colatitude))
        direction = self._node("ShaderNodeCombineXYZ", place)
        colour = self._node("ShaderNodeTexEnvironment", (direction,))
        colour.node.image = image
        return colour

    def _node(self, kind: str, words: object, operation: str = "") -> bpy.types.NodeSocket:
        made = self._group.nodes.new(kind)
        if operation:
            made.operation = operation
        for socket, word in zip(made.inputs, words, strict=False):
            if isinstance(word, bpy.types.NodeSocket):
                self._group.links.new(word, socket)
            else:
                socket.default_value = word
        return made.outputs[0]
