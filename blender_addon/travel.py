"""Files that travel: a loop beside its .blend, and what a file shows when it is saved.

A saved file always shows the final loop, whatever the switch says. With "keep with this file" the
loop lies in //panoloom/<name>/ and the file refers to it by that name, so that both can be moved,
and render the same where the extension is not installed. Nothing is packed: Blender cannot pack a
sequence, and a packed movie comes back empty.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from ..shared.errors import PanoloomError
from . import world
from .loops import KEPT, MANIFEST, Keeping

TICK_BYTES = 16 * 2**20  # at a common disk's speed some hundredths of a second
ALL = 2**62


def why_not_keep(scene: bpy.types.Scene) -> str:
    """Why the scene's loop cannot be kept with the file; empty when it can."""
    bundle = world.bundle_of(scene.world)
    if bundle is None:
        return "The scene shows no finished loop"
    if not bpy.data.filepath:
        return ""  # it is kept at the first save
    if is_kept(scene):
        return "The loop lies beside this file already"
    return "" if bundle.folder.is_dir() else "The loop's files are not on this computer"


def is_kept(scene: bpy.types.Scene) -> bool:
    """Whether the scene's loop lies in the folder of the file."""
    bundle = world.bundle_of(scene.world)
    if bundle is None or not bpy.data.filepath:
        return False
    return bundle.folder.parent == Path(bpy.data.filepath).parent / KEPT


def begin(scene: bpy.types.Scene) -> Keeping | None:
    """Start to keep the scene's loop with the file; None when that waits for the first save.

    Raises:
        PanoloomError: There is no loop to keep, or a file of it is gone.
    """
    bundle = world.bundle_of(scene.world)
    if bundle is None:
        raise PanoloomError("The scene shows no finished loop.")
    scene.panoloom.keep_with_file = True
    if not bpy.data.filepath:
        return None
    return Keeping(bundle, bundle.target(Path(bpy.data.filepath)))


def finish(scene: bpy.types.Scene, keeping: Keeping) -> None:
    """Let the World read its loop from beside the file, once all is there."""
    if world.bundle_of(scene.world) != keeping.bundle:
        return  # another loop is shown by now
    world.relink(scene.world, keeping.target, f"//{KEPT}/{keeping.target.name}", reload=True)
    _write_text(keeping.target)


def before_save(target: str) -> None:
    """Show final loops, and bring kept ones along to where the file is saved.

    Args:
        target: Path that the file is saved to; empty when Blender does not tell.

    Raises:
        PanoloomError: A loop could not be copied or shown; the file is saved as it is.
    """
    problems = []
    for scene in bpy.data.scenes:
        if world.job_of(scene.world) is None:
            continue
        try:
            world.show_as(scene.world, final=True)
            if world.is_behind(scene):
                world.keep_up(scene)
            if scene.panoloom.keep_with_file:
                _bring_along(scene, Path(target or bpy.data.filepath))
        except PanoloomError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def after_save() -> None:
    """Show again what the switch says."""
    for scene in bpy.data.scenes:
        ours = scene.world
        if world.job_of(ours) is None:
            continue
        bundle = world.bundle_of(ours)
        if scene.panoloom.keep_with_file and bundle is not None:
            own = Path(bpy.data.filepath).parent / KEPT / bundle.folder.name
            if own.is_dir():  # it may be a copy that was saved, elsewhere
                world.relink(ours, own, f"//{KEPT}/{own.name}", reload=True)
            else:
                world.reload(ours)
        if scene.panoloom.show_as == "PREVIEW":
            world.show_as(ours, final=False)


def _bring_along(scene: bpy.types.Scene, blend: Path) -> None:
    bundle = world.bundle_of(scene.world)
    if bundle is None or not blend.name:
        return
    target = bundle.target(blend)
    if bundle.folder != target:
        Keeping(bundle, target).step(ALL)
    _write_text(target)
    world.relink(scene.world, target, _path_in(blend, target), reload=False)


def _path_in(blend: Path, target: Path) -> str:
    """The folder as it is written into the file.

    Blender rewrites relative paths for the new place of a file that has one, so they are given as
    seen from the old place; a file that is saved for the first time keeps them as they are.
    """
    old = Path(bpy.data.filepath).parent if bpy.data.filepath else blend.parent
    return bpy.path.relpath(str(target), start=str(old)).replace("\\", "/")


def _write_text(folder: Path) -> None:
    """The manifest as a text block, so that the file itself tells how its loop was made."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return
    name = f"{folder.name}.json"
    text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
    words = manifest.read_text(encoding="utf-8")
    if text.as_string() != words:
        text.from_string(words)
    text.use_fake_user = True
