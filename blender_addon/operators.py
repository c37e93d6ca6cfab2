"""The buttons of engine, words and queue: gather, ask the runtime, report. None of them waits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..shared.errors import PanoloomError
from . import engine_care, panel_model, runtime
from .button import Button
from .core import DEFAULT_MODEL
from .engine_process import install_command
from .job_queue import Place
from .preferences import EXTENSION

TEXT_NAME = "Panoloom Prompt"


class PANOLOOM_OT_start_engine(Button):
    """Start the engine on this computer"""

    bl_idname = "panoloom.start_engine"
    bl_label = "Start"
    why_not = staticmethod(panel_model.why_not_start)

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().care.start()


class PANOLOOM_OT_stop_engine(Button):
    """End the engine; a loop in the making goes on at its next start"""

    bl_idname = "panoloom.stop_engine"
    bl_label = "Stop Engine"

    @staticmethod
    def why_not(facts: panel_model.Facts) -> str:
        return "" if facts.started_here else "The engine was not started by this Blender"

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().care.stop()


class PANOLOOM_OT_connect(Button):
    """Connect to an engine that runs already"""

    bl_idname = "panoloom.connect"
    bl_label = "Connect"
    why_not = staticmethod(panel_model.why_not_connect)

    place: StringProperty(
        name="Place",
        description="A library folder or a connection file; empty: the library in use",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().care.connect(Path(bpy.path.abspath(self.place)) if self.place else None)


class PANOLOOM_OT_disconnect(Button):
    """Let the engine go, to use another; it runs on"""

    bl_idname = "panoloom.disconnect"
    bl_label = "Disconnect"
    why_not = staticmethod(panel_model.why_not_disconnect)

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().care.disconnect()


class PANOLOOM_OT_show_log(Button):
    """Open what the engine printed, in the program for text files"""

    bl_idname = "panoloom.show_log"
    bl_label = "Log"

    @staticmethod
    def why_not(_facts: panel_model.Facts) -> str:
        if engine_care.log_path().is_file():
            return ""
        return "No engine was started from here yet"

    def act(self, _context: bpy.types.Context) -> None:
        bpy.ops.wm.path_open(filepath=str(engine_care.log_path()))


class PANOLOOM_OT_generate(Button):
    """Make a loop in these words and show it in the World while it grows; behind all that waits"""

    bl_idname = "panoloom.generate"
    bl_label = "Generate"
    why_not = staticmethod(panel_model.why_not_generate)

    def act(self, context: bpy.types.Context) -> None:
        runtime.state().generate(context.scene)


class PANOLOOM_OT_generate_at(Button):
    """Make a loop in these words before, or instead of, what waits"""

    bl_idname = "panoloom.generate_at"
    bl_label = "Generate Next"
    why_not = staticmethod(panel_model.why_not_jump)

    place: EnumProperty(
        name="Place",
        items=[
            (Place.NEXT.value, "Next", "Before all that waits"),
            (Place.REPLACE.value, "Instead", "Cancel everything else and make this"),
        ],
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: object) -> str:
        """The tooltip of each of its two buttons."""
        if properties.place == Place.NEXT.value:
            return "Make a loop in these words right after the one in the making"
        return "Cancel everything that is open and make a loop in these words"

    def act(self, context: bpy.types.Context) -> None:
        runtime.state().generate(context.scene, Place(self.place))


class PANOLOOM_OT_cancel(Button):
    """Stop making this loop; the World keeps what it shows"""

    bl_idname = "panoloom.cancel"
    bl_label = "Cancel"
    why_not = staticmethod(panel_model.why_not_cancel)

    job_id: StringProperty(
        name="Job", description="Empty: the one that is being made", options={"SKIP_SAVE"}
    )

    def act(self, _context: bpy.types.Context) -> None:
        state = runtime.state()
        first = next(iter(state.queue.open), None)
        state.cancel(self.job_id or (first.job_id if first is not None else ""))


class PANOLOOM_OT_move_job(Button):
    """Change the order of what waits"""

    bl_idname = "panoloom.move_job"
    bl_label = "Move"

    job_id: StringProperty(name="Job", options={"SKIP_SAVE"})
    by: IntProperty(name="By", default=-1, min=-1, max=1, options={"SKIP_SAVE"})

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().queue.move(self.job_id, self.by)


def _models(_operator: object, _context: bpy.types.Context) -> list[tuple[str, str, str]]:
    """The engine's models as a menu. Blender keeps no copy of these words, so we do."""
    told = runtime.state().models or [{"name": DEFAULT_MODEL}]
    _model_items[:] = [_model_item(model) for model in told]
    return _model_items


_model_items: list[tuple[str, str, str]] = []


def _model_item(model: Mapping[str, Any]) -> tuple[str, str, str]:
    name = str(model["name"])
    if model.get("installed", True):
        return name, name, "Make loops with this model"
    command = f"panoloom models install {name}"
    return name, f"{name} (not installed)", f"To install it with the engine: {command}"


class PANOLOOM_OT_choose_model(Button):
    """Choose what makes the pictures; steps and guidance become those it was made for"""

    bl_idname = "panoloom.choose_model"
    bl_label = "Model"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    model: EnumProperty(name="Model", items=_models)

    def act(self, context: bpy.types.Context) -> None:
        settings = context.scene.panoloom
        settings.model = self.model
        told = next((m for m in runtime.state().models if m["name"] == self.model), {})
        settings.steps = told.get("steps", settings.steps)
        settings.guidance_scale = told.get("guidance_scale", settings.guidance_scale)


class PANOLOOM_OT_random_seed(Button):
    """Another seed, for another loop in the same words"""

    bl_idname = "panoloom.random_seed"
    bl_label = "Another Seed"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: bpy.types.Context) -> None:
        import random

        context.scene.panoloom.seed = random.randrange(2**31)


class PANOLOOM_OT_write_prompt(Button):
    """Write the prompt in a text block, in as many lines as you like"""

    bl_idname = "panoloom.write_prompt"
    bl_label = "Several Lines"

    def act(self, context: bpy.types.Context) -> None:
        settings = context.scene.panoloom
        if settings.prompt_text is None:
            text = bpy.data.texts.new(TEXT_NAME)
            text.from_string(settings.prompt)
            settings.prompt_text = text
        if _show_text(context, settings.prompt_text):
            return
        bpy.ops.wm.window_new()
        area = context.window_manager.windows[-1].screen.areas[0]
        area.type = "TEXT_EDITOR"
        area.spaces.active.text = settings.prompt_text
        area.spaces.active.show_word_wrap = True


def _show_text(context: bpy.types.Context, text: bpy.types.Text) -> bool:
    """Show it in a text editor that is open; False without one."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "TEXT_EDITOR":
                area.spaces.active.text = text
                return True
    return bpy.app.background


class PANOLOOM_OT_single_line(Button):
    """Take the text's words back into the one line; the text block stays in the file"""

    bl_idname = "panoloom.single_line"
    bl_label = "One Line"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: bpy.types.Context) -> None:
        settings = context.scene.panoloom
        if settings.prompt_text is not None:
            settings.prompt = " ".join(settings.prompt_text.as_string().split())[:4000]
        settings.prompt_text = None


class PANOLOOM_OT_open_preferences(Button):
    """Open this add-on's preferences, to choose the engine and the library"""

    bl_idname = "panoloom.open_preferences"
    bl_label = "Preferences"

    def act(self, _context: bpy.types.Context) -> None:
        bpy.ops.preferences.addon_show(module=EXTENSION)


class PANOLOOM_OT_copy_command(Button):
    """Copy the line that installs the engine, to type it in a terminal"""

    bl_idname = "panoloom.copy_command"
    bl_label = "Copy the Line"

    def act(self, context: bpy.types.Context) -> None:
        context.window_manager.clipboard = install_command()


class PANOLOOM_OT_copy_error(Button):
    """Copy the errors, with their details"""

    bl_idname = "panoloom.copy_error"
    bl_label = "Copy"

    def act(self, context: bpy.types.Context) -> None:
        lines = []
        for problem in runtime.state().shown_problems():
            lines.append(f"{problem} [{problem.code}]")
            lines.extend(f"  {key}: {value}" for key, value in problem.details.items())
        context.window_manager.clipboard = "\n".join(lines)


class PANOLOOM_OT_dismiss_error(Button):
    """Take the errors off the panel"""

    bl_idname = "panoloom.dismiss_error"
    bl_label = "Dismiss"

    def act(self, _context: bpy.types.Context) -> None:
        runtime.state().dismiss()


class PANOLOOM_OT_mend(Button):
    """Do what puts this error right"""

    bl_idname = "panoloom.mend"
    bl_label = "Mend"

    action: StringProperty(name="What", options={"SKIP_SAVE"})
    value: StringProperty(name="Value", options={"SKIP_SAVE"})

    def act(self, context: bpy.types.Context) -> None:
        settings, state = context.scene.panoloom, runtime.state()
        match self.action:
            case "seconds":
                settings.seconds = float(self.value)
            case "size":
                settings.size = self.value
            case "model":
                bpy.ops.panoloom.choose_model(model=self.value)
            case "directions":
                settings.sky = settings.horizon = settings.ground = ""
            case "start":
                state.care.start()
            case "network":
                context.preferences.active_section = "SYSTEM"
                bpy.ops.screen.userpref_show()
            case "log":
                bpy.ops.panoloom.show_log()
            case "preferences":
                bpy.ops.preferences.addon_show(module=EXTENSION)
            case _:
                raise PanoloomError(f"This button does not know '{self.action}'.")
        state.dismiss()


CLASSES = (
    PANOLOOM_OT_start_engine,
    PANOLOOM_OT_stop_engine,
    PANOLOOM_OT_connect,
    PANOLOOM_OT_disconnect,
    PANOLOOM_OT_show_log,
    PANOLOOM_OT_generate,
    PANOLOOM_OT_generate_at,
    PANOLOOM_OT_cancel,
    PANOLOOM_OT_move_job,
    PANOLOOM_OT_choose_model,
    PANOLOOM_OT_random_seed,
    PANOLOOM_OT_write_prompt,
    PANOLOOM_OT_single_line,
    PANOLOOM_OT_open_preferences,
    PANOLOOM_OT_copy_command,
    PANOLOOM_OT_copy_error,
    PANOLOOM_OT_dismiss_error,
    PANOLOOM_OT_mend,
)
