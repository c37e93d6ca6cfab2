"""Preferences, and the one name by which Blender knows this extension."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatProperty, StringProperty

from ..shared.remote import RemoteEngine
from . import engine_process

EXTENSION = __package__.rpartition(".")[0]  # this package is one level below the extension
LOOK_AGAIN_S = 3.0
_found: list[Any] = []  # what was asked, when, and the answer


class PanoloomPreferences(bpy.types.AddonPreferences):
    """Where the engine is and where its results go."""

    bl_idname = EXTENSION

    engine_program: StringProperty(
        name="Engine",
        description="The engine's program, `panoloom`; empty: look for it on the search path",
        subtype="FILE_PATH",
    )
    library: StringProperty(
        name="Library",
        description="Folder of results; an engine serves one library. Empty: the one that "
        "`panoloom serve` takes by itself",
        subtype="DIR_PATH",
    )

    remote_address: StringProperty(
        name="Address",
        description="Of an engine on another computer, HOST or HOST:PORT, as `panoloom serve "
        "--listen` names it there. Empty: the engine on this computer",
    )
    remote_key: StringProperty(
        name="Key File",
        description="Copy of the key file that this engine made. Whoever has it can use the "
        "engine: carry it like a password",
        subtype="FILE_PATH",
    )

    limit_gb: FloatProperty(
        name="Limit (GB)",
        description="When the library's loops take more, the oldest are deleted after a new one "
        "is made; never one with a star, nor one that a known .blend uses. 0: no limit",
        default=0.0,
        min=0.0,
        soft_max=500.0,
        precision=1,
    )

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.prop(self, "engine_program")
        column.prop(self, "library")
        column.prop(self, "limit_gb")
        column.label(text=f"Library in use: {library()}", icon="FILE_FOLDER")
        found = program()
        if found:
            column.label(text=f"Engine found: {found}", icon="CHECKMARK")
        else:
            column.label(text="No engine found: install it, then choose its program", icon="ERROR")
        column.separator()
        column.label(text="An engine on another computer")
        column.prop(self, "remote_address")
        if self.remote_address:
            column.prop(self, "remote_key")
            if not bpy.app.online_access:
                column.label(text="Online access is off: System, Network", icon="INTERNET_OFFLINE")


def _stored() -> PanoloomPreferences | None:
    addon = bpy.context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon else None


def library() -> Path:
    """The library folder in use."""
    stored = _stored()
    if stored is not None and stored.library:
        return Path(bpy.path.abspath(stored.library))
    return engine_process.default_library()


def remote_engine() -> RemoteEngine | None:
    """The engine on another computer that was chosen; None: that on this one is used."""
    stored = _stored()
    if stored is None or not stored.remote_address.strip():
        return None
    return RemoteEngine(stored.remote_address.strip(), Path(bpy.path.abspath(stored.remote_key)))


def limit_bytes() -> int:
    """How much the library may take, 0 for no limit."""
    stored = _stored()
    return int(stored.limit_gb * 1e9) if stored is not None else 0


def program() -> str | None:
    """The engine's program, None when it is not found; looked for every few seconds at most."""
    stored = _stored()
    chosen = bpy.path.abspath(stored.engine_program) if stored else ""
    asked = (chosen, bpy.data.filepath)
    now = time.monotonic()
    if not _found or _found[0] != asked or now - _found[1] > LOOK_AGAIN_S:
        near = [Path(asked[1]).parent] if asked[1] else []
        _found[:] = [asked, now, engine_process.find_command(asked[0], near)]
    return _found[2]


def own_folder() -> Path:
    """A folder of ours that survives updates, for logs; the session's own when there is none."""
    try:
        return Path(bpy.utils.extension_path_user(EXTENSION, create=True))
    except ValueError:  # not installed as an extension
        return Path(bpy.app.tempdir)


CLASSES = (PanoloomPreferences,)
