"""Asking Blender how it shows light, and a node group that undoes it with the answer.

Apart from `look`, since it needs NumPy, which some distributions' Blender lacks.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np

from . import look_table
from .look import LOOK, VIEW_NAMES, VIEW_TAG, view_of
from .look_table import AXIS_GAMMA, SIDE, STORED_GAMMA, LookTable

_tables: dict[str, LookTable] = {}  # of this run of Blender, by view


def group_for(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """The node group that undoes the scene's view, made when the file has none yet."""
    view = view_of(scene)
    for group in bpy.data.node_groups:
        if group.get(VIEW_TAG) == view and not group.library:
            return group
    group = _build(_picture_of(_table_for(scene)))
    group[VIEW_TAG] = view
    return group


def share_missed(scene: bpy.types.Scene, poster: Path) -> float:
    """How much of a poster the scene's view cannot show; 0 where there is no poster."""
    return _table_for(scene).share_missed(_small_picture(poster)) if poster.is_file() else 0.0


def _table_for(scene: bpy.types.Scene) -> LookTable:
    view = view_of(scene)
    if view not in _tables:
        _tables[view] = _measure(scene)
    return _tables[view]


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
        """A number of numbers."""
        return self._node("ShaderNodeMath", words, operation)

    def vector(self, operation: str, *words: object) -> bpy.types.NodeSocket:
        """Three numbers of three numbers."""
        return self._node("ShaderNodeVectorMath", words, operation)

    def gamma(self, colour: object, exponent: float) -> bpy.types.NodeSocket:
        """A colour to the power of a number."""
        return self._node("ShaderNodeGamma", (colour, exponent))

    def table(self, image: bpy.types.Image, u: object, v: object) -> bpy.types.NodeSocket:
        """The image's colour at (u, v), by the direction that an ERP shows there."""
        longitude = self.math("MULTIPLY_ADD", u, -2.0 * math.pi, math.pi)
        colatitude = self.math("MULTIPLY_ADD", v, -math.pi, math.pi)
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
