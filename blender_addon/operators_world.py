"""The buttons of the World: apply, restore, look at it, load a file, keep it with the .blend."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..shared.errors import PanoloomError
from . import core, loops, panel_model, runtime, travel, world
from .button import Button

SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "sample.mp4"
ENDINGS = (*loops.MOVIES, *loops.PICTURES)


class PANOLOOM_OT_apply(Button):
    """Show the newest finished loop in this scene's World; your own World is kept"""

    bl_idname = "panoloom.apply"
    bl_label = "Apply"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_apply)

    def act(self, context: bpy.types.Context) -> None:
        scene = context.scene
        job = runtime.state().newest(scene)
        folder = Path(job.artifact.folder)
        final = scene.panoloom.show_as == "FINAL"
        loops.loop_file(folder, prefer_movie=not final)  # says so when the files are elsewhere
        if world.job_of(scene.world) != job.job_id:
            world.create(scene, job.job_id, job.heading, core.world_name(job.title))
        world.show_loop(scene.world, folder, job.artifact.num_frames, final=final)
        job.scene_uid = scene.session_uid
        job.is_applied = job.is_done = True
        job.left_why = ""


class PANOLOOM_OT_restore_world(Button):
    """Give the scene the World back that it had before"""

    bl_idname = "panoloom.restore_world"
    bl_label = "Restore my World"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_restore)

    def act(self, context: bpy.types.Context) -> None:
        world.restore(context.scene)


class PANOLOOM_OT_show_world(Button):
    """Let this viewport show the scene's World"""

    bl_idname = "panoloom.show_world"
    bl_label = "See it here"

    def act(self, context: bpy.types.Context) -> None:
        shading = getattr(context.space_data, "shading", None)
        if shading is None:
            raise PanoloomError("Press this in a 3D viewport.")
        if shading.type == "RENDERED":
            shading.use_scene_world_render = True
        else:
            shading.type = "MATERIAL"
            shading.use_scene_world = True
            shading.use_scene_lights = True


class PANOLOOM_OT_load_loop(Button):
    """Show any 360° video or numbered EXR sequence as a World that loops; needs no engine"""

    bl_idname = "panoloom.load_loop"
    bl_label = "Load a 360° Video"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_change)

    filepath: StringProperty(
        name="File",
        description="A movie, or one picture of a numbered sequence",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(default=";".join(f"*{e}" for e in ENDINGS), options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for a file, unless one was dropped."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: bpy.types.Context) -> None:
        path = Path(bpy.path.abspath(self.filepath))
        show_file(context.scene, path, path.stem)


class PANOLOOM_OT_load_sample(Button):
    """Show the small loop that comes with the extension; needs no engine"""

    bl_idname = "panoloom.load_sample"
    bl_label = "Load the Sample"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    why_not = staticmethod(panel_model.why_not_change)

    def act(self, context: bpy.types.Context) -> None:
        facts = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
        show_file(context.scene, SAMPLE, facts["prompt"])


def show_file(scene: bpy.types.Scene, path: Path, title: str) -> None:
    """Show a movie, a sequence or a still in a World of ours.

    Raises:
        PanoloomError: It is not there, or of no kind that Blender shows.
    """
    loop = loops.find_loop(path)
    heading = world.camera_heading(scene)
    made = world.create(scene, f"{world.FILE}{path.name}", heading, core.world_name(title))
    remark = world.show_file(made, loop, final=scene.panoloom.show_as == "FINAL")
    if remark:
        runtime.state().report(PanoloomError(remark))


class PANOLOOM_OT_keep(Button):
    """Copy the loop into the folder panoloom beside this file, and refer to it there"""

    bl_idname = "panoloom.keep"
    bl_label = "Keep with this File"
    why_not = staticmethod(panel_model.why_not_change)

    @staticmethod
    def why_not_here(context: bpy.types.Context) -> str:
        return travel.why_not_keep(context.scene)

    def act(self, context: bpy.types.Context) -> None:
        runtime.state().keep(context.scene)


class PANOLOOM_FH_loop(bpy.types.FileHandler):
    """Drop a 360° video on the viewport: it becomes the World."""

    bl_idname = "PANOLOOM_FH_loop"
    bl_label = "360° World that loops"
    bl_import_operator = "panoloom.load_loop"
    bl_file_extensions = ";".join((*loops.MOVIES, ".exr"))

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Over a 3D View alone."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (
    PANOLOOM_OT_apply,
    PANOLOOM_OT_restore_world,
    PANOLOOM_OT_show_world,
    PANOLOOM_OT_load_loop,
    PANOLOOM_OT_load_sample,
    PANOLOOM_OT_keep,
    PANOLOOM_FH_loop,
)
