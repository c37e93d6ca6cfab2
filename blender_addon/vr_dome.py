"""A large sphere around the viewer that shows the World's loop: how it plays in VR.

A World that changes makes EEVEE work out its light anew with every frame, and a headset stutters.
While the dome stands, the World holds still and the dome moves; it is seen, and lights nothing.
"""

from __future__ import annotations

import bpy

from . import look, world_nodes, world_time

NAME = "Panoloom VR Dome"
RADIUS_M = 500.0
SEGMENTS, RINGS = 64, 32


def raise_dome(scene: bpy.types.Scene, place: tuple[float, float, float]) -> bpy.types.Object:
    """A dome around `place` that shows what the scene's World, one of ours, shows.

    Its picture stands where the World's stands, for an eye in the middle: the direction of a point
    from there is looked up as the World looks up a direction.
    """
    dome = bpy.data.objects.new(NAME, _sphere())
    dome.data.materials.append(_material(scene.world))
    dome.location = place
    dome.hide_select = True
    dome.hide_render = True
    for ray in ("diffuse", "glossy", "transmission", "volume_scatter", "shadow"):
        setattr(dome, f"visible_{ray}", False)
    scene.collection.objects.link(dome)
    return dome


def lower_dome() -> None:
    """Remove every dome of ours, with its mesh and material."""
    for dome in [each for each in bpy.data.objects if each.name.startswith(NAME)]:
        mesh = dome.data
        materials = [each for each in mesh.materials if each is not None]
        bpy.data.objects.remove(dome)
        bpy.data.meshes.remove(mesh)
        for material in materials:
            bpy.data.materials.remove(material)


def _sphere() -> bpy.types.Mesh:
    import bmesh

    mesh = bpy.data.meshes.new(NAME)
    made = bmesh.new()
    bmesh.ops.create_uvsphere(made, u_segments=SEGMENTS, v_segments=RINGS, radius=RADIUS_M)
    bmesh.ops.reverse_faces(made, faces=made.faces)
    made.to_mesh(mesh)
    made.free()
    return mesh


def _material(world: bpy.types.World) -> bpy.types.Material:
    shown = world_nodes.node(world, world_nodes.ENVIRONMENT)
    turned = world_nodes.node(world, world_nodes.MAPPING)
    seen = world_nodes.node(world, world_nodes.VISIBLE)
    material = bpy.data.materials.new(NAME)
    if material.node_tree is None:  # before Blender 5.0
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    place = tree.nodes.new("ShaderNodeTexCoord")
    turn = tree.nodes.new("ShaderNodeMapping")
    picture = tree.nodes.new("ShaderNodeTexEnvironment")
    light = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    turn.vector_type = "POINT"
    turn.inputs["Rotation"].default_value = turned.inputs["Rotation"].default_value
    light.inputs["Strength"].default_value = seen.inputs["Strength"].default_value
    _copy_picture(shown, picture)
    colour = picture.outputs["Color"]
    matched = world_nodes.node(world, look.LOOK)
    if matched is not None:
        group = tree.nodes.new("ShaderNodeGroup")
        group.node_tree = matched.node_tree
        tree.links.new(colour, group.inputs[0])
        colour = group.outputs[0]
    tree.links.new(place.outputs["Object"], turn.inputs["Vector"])
    tree.links.new(turn.outputs["Vector"], picture.inputs["Vector"])
    tree.links.new(colour, light.inputs["Color"])
    tree.links.new(light.outputs["Emission"], output.inputs["Surface"])
    return material


def _copy_picture(source: bpy.types.Node, target: bpy.types.Node) -> None:
    target.image = source.image
    target.projection, target.interpolation = source.projection, source.interpolation
    for name in ("frame_duration", "frame_start", "frame_offset", "use_cyclic", "use_auto_refresh"):
        setattr(target.image_user, name, getattr(source.image_user, name))
    world_time.copy_driver(source.image_user, target.image_user)
