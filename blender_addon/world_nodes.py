"""The nodes and render settings of a World of ours: Generated -> Mapping -> Environment -> two
Backgrounds, mixed by "is camera ray", so that what is seen and what lights have strengths of their
own.

Only nodes that carry our names are touched again: whatever an artist adds around them stays.
"""

from __future__ import annotations

import bpy

from . import core

ENVIRONMENT = "Panoloom Environment"
MAPPING = "Panoloom Mapping"
VISIBLE = "Panoloom Visible"
LIGHT = "Panoloom Light"
LOOKING_MAP, WIDEST_MAP = 256, 2048  # columns of Cycles' importance map
PREVIEW_PROBE, FINAL_PROBE = "512", "1024"  # of EEVEE's sphere probe; the second is its default


def build(world: bpy.types.World, heading: float) -> None:
    """Replace the nodes of a new World by ours, turned to `heading` (radians)."""
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


def node(world: bpy.types.World | None, name: str) -> bpy.types.Node | None:
    """One of our nodes, None when the artist took it out."""
    return world.node_tree.nodes.get(name) if world is not None and world.node_tree else None


def strengths(world: bpy.types.World) -> list[tuple[bpy.types.NodeSocket, str]]:
    """The two sliders: what the camera sees, and what lights the scene."""
    nodes = ((node(world, VISIBLE), "Seen by the camera"), (node(world, LIGHT), "Lights the scene"))
    return [(found.inputs["Strength"], text) for found, text in nodes if found is not None]


def copy_strengths(source: bpy.types.World, target: bpy.types.World) -> None:
    """Let one World of ours be as strong as another."""
    for name in (VISIBLE, LIGHT):
        ours, theirs = node(source, name), node(target, name)
        if ours is not None and theirs is not None:
            theirs.inputs["Strength"].default_value = ours.inputs["Strength"].default_value


def set_effort(world: bpy.types.World, *, final_width: int = 0) -> None:
    """How much light sampling may cost: a small map while one looks, a full one for finals.

    Cycles' own choice ("automatic") takes three to six times as long to build, which it does for
    every frame of a moving World, and samples no better than a map as wide as the picture, or 2048.

    Args:
        final_width: Of the picture, in pixels; 0 while one looks.
    """
    cycles = getattr(world, "cycles", None)  # absent when the Cycles add-on is switched off
    if cycles is not None:
        cycles.sampling_method = "MANUAL"
        width = min(max(final_width, LOOKING_MAP), WIDEST_MAP) if final_width else LOOKING_MAP
        cycles.sample_map_resolution = width
    if hasattr(world, "sun_threshold"):  # EEVEE from 4.3 on: no sun is cut out of a moving sky
        world.sun_threshold = 0.0
    if hasattr(world, "probe_resolution"):
        world.probe_resolution = FINAL_PROBE if final_width else PREVIEW_PROBE


def _add(tree: bpy.types.NodeTree, kind: str, name: str, place: tuple[int, int]) -> bpy.types.Node:
    made = tree.nodes.new(kind)
    made.name = made.label = name
    made.location = place
    return made
