"""The part of the panel about VR. Reads alone."""

from __future__ import annotations

import bpy

from . import vr
from .layout import sentences


def draw(layout: bpy.types.UILayout, context: bpy.types.Context, width: int) -> None:
    """The sub-panel of the sidebar, closed at first."""
    header, body = layout.panel("panoloom_vr", default_closed=True)
    header.label(text="VR")
    if body is None:
        return
    if vr.is_inside():
        body.operator("panoloom.leave_vr", icon="X")
        return
    body.operator("panoloom.enter_vr", icon="CAMERA_STEREO")
    why = vr.why_not(context)
    if why:
        sentences(body, [f"{why}."], width)
    body.prop(context.scene.panoloom, "vr_dome")
