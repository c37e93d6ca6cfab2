"""The part of the panel about VR. Reads alone."""

from __future__ import annotations

import bpy

from . import headset_page, vr
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
    _draw_page(body, context, width)


def _draw_page(layout: bpy.types.UILayout, context: bpy.types.Context, width: int) -> None:
    page = headset_page.page
    if not page.is_served:
        layout.operator("panoloom.serve_page", icon="URL")
        why = headset_page.why_not(context.scene)
        if why:
            sentences(layout, [f"{why}."], width)
        return
    if page.address:
        text = f"Open {page.address} in the headset's browser; the address is in the clipboard."
    else:
        text = "The page is being made."
    sentences(layout, [text], width)
    layout.operator("panoloom.stop_page", icon="X")
