"""The running state of this Blender, moved on by `Runtime.step`.

It lives in the module, since neither undo nor loading a file may touch it. It keeps numbers and
names, never Blender's own objects: those are looked up each time.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import bpy

from ..shared.connection import read_connection
from ..shared.errors import EngineUnreachable, PanoloomError
from ..shared.jobs import JobState, Reference
from ..shared.jobview import JobView
from ..shared.wire import new_id
from . import core, preferences, reference, world
from .engine_process import EngineProcess, serve_words
from .panel_model import Facts
from .properties import settings_of
from .session import LinkState, Session

BUSY_S, CONNECTED_S, IDLE_S = 0.03, 0.25, 1.0
START_S = 60.0
MAX_PROBLEMS = 3


class Runtime:
    """One for the whole Blender; see `state`."""

    def __init__(self) -> None:
        self.session = Session()
        self.engine: EngineProcess | None = None
        self.job: core.Job | None = None
        self.problems: list[PanoloomError] = []
        self.place: Path | None = None
        self.starting_since: float | None = None
        self._reference: reference.ReferenceRender | None = None
        self._folder: Path | None = None
        self._reported: set[str] = set()
        self._undo_step = ""

    # What the buttons do ----------------------------------------------------------------------

    def connect(self, place: Path | None = None) -> None:
        """Reach the engine of the library in use, or the one a connection file names."""
        self.place = place or preferences.library()
        self.session.connect(self.place)

    def start_engine(self) -> None:
        """Start the user's engine; the tick connects as soon as it listens.

        Raises:
            EngineUnreachable: There is no program, or it does not start.
        """
        program = preferences.program()
        if program is None:
            raise EngineUnreachable(
                "The engine's program was not found. Install it, then choose it in the preferences."
            )
        self.session.disconnect()
        library = preferences.library()
        log = preferences.own_folder() / "engine.log"
        self.engine = EngineProcess(serve_words(program, library), log)
        self.place = library
        self.starting_since = time.monotonic()

    def stop_engine(self) -> None:
        """End the engine that was started here."""
        if self.engine is not None:
            self.engine.stop()
        self.engine = None
        self.starting_since = None
        self.session.disconnect()

    def generate(self, scene: bpy.types.Scene) -> core.Job:
        """Ask for a loop in the scene's words; with a reference, render that first.

        Raises:
            PanoloomError: The words make no sense, or the reference cannot be started.
        """
        words = settings_of(scene)
        placeholder = Reference(sha256="0" * 64, strength=words.strength)
        spec = core.job_spec(words, placeholder if words.use_reference else None)
        welcome = self.session.welcome
        core.check_length(words, welcome.models if welcome is not None else ())
        job = core.Job(
            view=JobView(job_id=new_id()),
            spec=spec,
            scene_uid=scene.session_uid,
            world_uid=world.now(scene).uid,
            heading=world.camera_heading(scene),
            is_prepared=not words.use_reference,
        )
        if words.use_reference:
            folder = self._temporary() / job.job_id
            self._reference = reference.start(scene, folder, width=spec.width, height=spec.height)
        else:
            job.view = self.session.submit(spec, job.job_id)
        self.problems.clear()
        if self.job is not None:
            self.session.forget(self.job.job_id)
        self.job = job
        return job

    def cancel(self) -> None:
        """Stop the job in hand, wherever it is."""
        job = self.job
        if job is None or not job.is_active:
            return
        job.is_cancelling = True
        if self._reference is not None:
            self._reference.stop()
            self._reference = None
            job.view.state = JobState.CANCELLED
        else:
            self.session.cancel(job.job_id)

    def apply(self, scene: bpy.types.Scene) -> None:
        """Put the finished loop into this scene, whatever its World is now.

        Raises:
            PanoloomError: Its files are not on this computer.
        """
        job = self.job
        assert job is not None
        assert job.artifact is not None
        path = core.loop_file(job.artifact.folder, prefer_movie=scene.panoloom.show_as == "MOVIE")
        if world.job_of(scene.world) != job.job_id:
            world.create(scene, job.job_id, job.heading, core.world_name(job.spec.prompt))
            world.turn(scene.world, scene.panoloom.yaw)
        world.show_loop(scene.world, path, job.artifact.num_frames)
        job.scene_uid = scene.session_uid
        job.is_applied = job.is_done = True
        job.left_why = ""

    # What the tick does -----------------------------------------------------------------------

    def step(self) -> None:
        """Everything that may happen between two redraws; never waits."""
        if self._undo_step and not is_rendering():
            # With the picture in it, and not in the same tick: its cost grows with the scene.
            push_undo(self._undo_step)
            self._undo_step = ""
        self._watch_start()
        self.session.poll()
        self._watch_reference()
        if self.job is not None and not is_rendering():
            self._show_preview(self.job)
            self._show_result(self.job)
        self._collect_problems()

    def _watch_start(self) -> None:
        if self.starting_since is None or self.engine is None or self.place is None:
            return
        try:
            self.engine.check()
            read_connection(self.place)
        except EngineUnreachable as error:
            if self.engine.is_running and time.monotonic() - self.starting_since < START_S:
                return
            self.starting_since = None
            self.report(error)
            return
        self.starting_since = None
        self.session.connect(self.place)

    def _watch_reference(self) -> None:
        job = self.job
        if self._reference is None or job is None:
            return
        try:
            picture = self._reference.poll()
        except PanoloomError as error:
            self._reference = None
            job.view.state = JobState.FAILED
            job.view.error = error
            return
        if picture is None:
            return
        self._reference = None
        assert job.spec.reference is not None
        data, asked = picture.path.read_bytes(), job.spec.reference.strength
        job.spec, job.remark = core.with_reference(
            job.spec, data, asked, is_opaque=picture.is_opaque
        )
        job.view = self.session.submit(job.spec, job.job_id, [data])
        job.is_prepared = True

    def _show_preview(self, job: core.Job) -> None:
        view = job.view
        if not view.preview or view.preview_step == job.shown_step or job.is_done:
            return
        job.shown_step = view.preview_step
        target = self._world_for(job)
        if target is None:
            return
        suffix = "png" if view.preview.startswith(b"\x89PNG") else "jpg"
        path = self._temporary() / f"{job.job_id[:8]}-{view.seq:06d}.{suffix}"
        path.write_bytes(view.preview)
        world.show_preview(target, path)
        path.unlink()

    def _show_result(self, job: core.Job) -> None:
        if job.is_done or job.is_active:
            return
        job.is_done = True
        if job.artifact is None:
            return  # cancelled or failed: the World keeps what it shows
        scene = world.scene_of(job.scene_uid)
        target = self._world_for(job)
        if scene is None or target is None:
            job.left_why = core.SCENE_GONE if scene is None else core.LEFT_ALONE
            return
        path = core.loop_file(job.artifact.folder, prefer_movie=scene.panoloom.show_as == "MOVIE")
        world.show_loop(target, path, job.artifact.num_frames)
        self._undo_step = "Panoloom loop"

    def _world_for(self, job: core.Job) -> bpy.types.World | None:
        """The World this job may write to now, made if it is time; None: hands off."""
        scene = world.scene_of(job.scene_uid)
        if scene is None:
            return None
        match core.standing(job, world.now(scene)):
            case core.Standing.SWAP:
                return scene.world
            case core.Standing.CREATE:
                name = core.world_name(job.spec.prompt)
                made = world.create(scene, job.job_id, job.heading, name)
                world.turn(made, scene.panoloom.yaw)
                job.is_applied = True
                self._undo_step = "Panoloom World"
                return made
            case _:
                return None

    # Errors and files -------------------------------------------------------------------

    def report(self, error: PanoloomError) -> None:
        """Show an error in the panel until it is dismissed or the next job starts."""
        if str(error) not in {str(known) for known in self.problems}:
            self.problems = [error, *self.problems][:MAX_PROBLEMS]

    def _collect_problems(self) -> None:
        job = self.job
        if job is not None and job.view.error is not None and job.job_id not in self._reported:
            self._reported.add(job.job_id)
            self.report(job.view.error)

    def shown_problems(self) -> list[PanoloomError]:
        """What the panel shows: ours, and what the connection has to say."""
        trouble = self.session.trouble
        return [*self.problems, *([trouble] if trouble is not None else [])]

    def dismiss(self) -> None:
        """Show no error until there is a new one."""
        self.problems.clear()
        self.session.trouble = None

    def _temporary(self) -> Path:
        """A folder of this run of Blender, for what may be lost with it."""
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="panoloom-", dir=bpy.app.tempdir or None))
        return self._folder

    def close(self) -> None:
        """Let go of everything; the engine and its jobs go on."""
        if self._reference is not None:
            self._reference.stop()
        self.session.disconnect()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def interval(self) -> float:
        """Seconds until the next tick."""
        active = self.job is not None and (self.job.is_active or not self.job.is_done)
        if self._undo_step or self.starting_since is not None:
            return BUSY_S
        if self.session.state is LinkState.CONNECTING:
            return BUSY_S
        if active and self.session.state is LinkState.CONNECTED:
            return BUSY_S
        return CONNECTED_S if self.session.state is not LinkState.OFF else IDLE_S


_runtime: list[Runtime] = []


def state() -> Runtime:
    """The one Runtime of this Blender."""
    if not _runtime:
        _runtime.append(Runtime())
    return _runtime[0]


def facts(scene: bpy.types.Scene | None) -> Facts:
    """What the panel and the buttons depend on, for this scene."""
    runtime = state()
    session = runtime.session
    settings = scene.panoloom if scene is not None else None
    return Facts(
        link=session.state,
        status=session.status,
        is_starting=runtime.starting_since is not None,
        has_program=preferences.program() is not None,
        started_here=runtime.engine is not None and runtime.engine.is_running,
        job=runtime.job,
        problems=tuple(runtime.shown_problems()),
        has_words=bool(settings and settings.prompt.strip()),
        wants_reference=bool(settings and settings.use_reference),
        has_camera=scene is not None and scene.camera is not None,
        can_restore=scene is not None and world.can_restore(scene),
        is_rendering=is_rendering(),
    )


def is_rendering() -> bool:
    """Whether data must be left alone."""
    return bpy.app.is_job_running("RENDER") or bpy.app.is_job_running("OBJECT_BAKE")


def push_undo(message: str) -> None:
    """An undo step of its own, where undo brings a World back: in Object Mode, between two acts."""
    if bpy.app.background or bpy.context.mode != "OBJECT":
        return
    windows = bpy.context.window_manager.windows
    if any(getattr(window, "modal_operators", ()) for window in windows):
        return
    if windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)


def close() -> None:
    """Let go of the engine, and forget everything."""
    while _runtime:
        _runtime.pop().close()
