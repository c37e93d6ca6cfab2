"""The running state of this Blender, moved on by `Runtime.step`.

It lives in the module, since neither undo nor loading a file may touch it. It keeps numbers and
names, never Blender's own objects: those are looked up each time.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..shared.errors import PanoloomError
from ..shared.jobs import JobState, Reference
from ..shared.jobview import JobView
from ..shared.remote import RemoteEngine
from ..shared.wire import new_id
from . import core, estimate, modes, preferences, reference, showing, thumbnails, travel, world
from .engine_care import EngineCare
from .engine_process import EngineProcess
from .history import History
from .job import Job
from .job_queue import JobQueue, Place, pictures
from .loops import Keeping
from .properties import settings_of
from .session import LinkState, Session

BUSY_S, CONNECTED_S, IDLE_S = 0.03, 0.25, 1.0
LIBRARY_S = 3.0  # between two looks at what is in the library
REST_S = 0.6  # of a setting that is being dragged, before the World follows it
MAX_PROBLEMS = 3
MAX_EDITS = 2  # of Blender's data in one tick


class Runtime:
    """One for the whole Blender; see `state`."""

    def __init__(self) -> None:
        self.care = EngineCare()
        self.queue = JobQueue()
        self.showing = showing.Showing(self.queue)
        self.history = History(preferences.library())
        self.problems: list[PanoloomError] = []
        self.keeping: tuple[int, Keeping] | None = None
        self.surroundings: dict[int, Path] = {}  # by scene: its picture, as the last loop saw it
        self._reference: tuple[str, reference.ReferenceRender] | None = None
        self._folder: Path | None = None
        self._reported: set[str] = set()
        self._looked_at = 0.0
        self._prune_due = False
        self._saved: list[tuple[str, bool, bool]] = []
        self._unrest: tuple[list[object], float] | None = None

    @property
    def session(self) -> Session:
        """What speaks to the engine."""
        return self.care.session

    @session.setter
    def session(self, session: Session) -> None:
        """Let another one speak, as tests do."""
        self.care.session = session

    @property
    def engine(self) -> EngineProcess | None:
        """The engine that was started here."""
        return self.care.process

    @property
    def place(self) -> Path | RemoteEngine | None:
        """Library folder or connection file in use, or the engine elsewhere."""
        return self.care.place

    @property
    def models(self) -> Sequence[Mapping[str, Any]]:
        """What the engine says about its models; nothing while there is none."""
        welcome = self.session.welcome
        is_there = welcome is not None and self.session.state is LinkState.CONNECTED
        return welcome.models if is_there else ()

    @property
    def starting_since(self) -> float | None:
        """When an engine was started that does not answer yet."""
        return self.care.starting_since

    @property
    def job(self) -> Job | None:
        """The newest job of all."""
        return self._newest

    _newest: Job | None = None

    def newest(self, scene: bpy.types.Scene | None) -> Job | None:
        """The newest job of a scene, else the newest of all."""
        uid = scene.session_uid if scene is not None else None
        mine = [job for job in self.queue if job.scene_uid == uid]
        return mine[-1] if mine else self._newest

    # What the buttons do ----------------------------------------------------------------------

    def generate(self, scene: bpy.types.Scene, place: Place = Place.LAST) -> Job:
        """Ask for a loop in the scene's words; what it takes of the scene is rendered first.

        Raises:
            PanoloomError: The words make no sense, or the scene cannot be copied.
        """
        words = settings_of(scene)
        words = replace(words, follow_depth=self.follows_depth(words))
        placeholder = Reference(sha256=core.PENDING, strength=words.strength)
        spec = core.job_spec(words, placeholder if words.use_reference else None)
        welcome = self.session.welcome
        if welcome is not None:
            core.check_model(words, welcome.models, welcome.protocol)
        job = Job(
            view=JobView(job_id=new_id()),
            spec=spec,
            scene_uid=scene.session_uid,
            world_uid=world.now(scene).uid,
            heading=world.camera_heading(scene),
            scene_name=scene.name,
            is_sent=False,
        )
        if job.takes_scene:  # as it is now, whenever it is rendered
            job.is_prepared = False
            job.folder = self._pictures() / job.job_id
            reference.copy(
                scene,
                job.folder,
                width=spec.width,
                height=spec.height,
                picture=words.use_reference,
                depth=words.follow_depth,
            )
        self._temporary()  # made here, where a tick needs not
        self.problems.clear()
        for dropped in self.queue.add(job, place):
            self.cancel(dropped.job_id)
        self._newest = job
        self._move_queue()
        return job

    def follows_depth(self, words: core.SceneSettings) -> bool:
        """Whether the scene's depth is to be followed, and the model can."""
        return words.follow_depth and not core.why_no_depth(words.model, self.models)

    def cancel(self, job_id: str) -> None:
        """Stop a job, wherever it is."""
        job = self.queue.find(job_id)
        if job is None or not job.is_active:
            return
        if job.is_sent:
            job.is_cancelling = True
            self.session.cancel(job_id)
            return
        if self._reference is not None and self._reference[0] == job_id:
            self._reference[1].stop()
            self._reference = None
        job.cancel_here()

    def keep(self, scene: bpy.types.Scene) -> None:
        """Keep the scene's loop with the file: the tick copies it.

        Raises:
            PanoloomError: There is none.
        """
        keeping = travel.begin(scene)
        self.keeping = None if keeping is None else (scene.session_uid, keeping)

    # What the tick does -----------------------------------------------------------------------

    def step(self) -> None:
        """Everything that may happen between two redraws; never waits."""
        rendering = is_rendering()
        if self.showing.undo_step and not rendering:
            # With the picture in it, and not in the same tick: its cost grows with the scene.
            step, self.showing.undo_step = self.showing.undo_step, ""
            showing.push_undo(step)
        self.care.watch()
        was_connected = self.session.state is LinkState.CONNECTED
        self.session.poll()
        if self.session.state is LinkState.CONNECTED and not was_connected:
            self._adopt()
        self._watch_reference()
        self._move_queue()
        edits = 0
        if not rendering:
            if not modes.held_by():
                edits = self._show()
                self._keep_up()
            self._go_on_keeping()
        self._collect_problems()
        if not edits:  # a tick that changed a World has done enough
            self._look_at_library()

    def _move_queue(self) -> None:
        """Start what can be started: one picture of a scene, and one job at the engine."""
        job = self.queue.to_prepare()
        is_free = self._reference is None and not is_rendering()
        if job is not None and job.folder is not None and is_free:
            self._start_reference(job, job.folder)
        job = self.queue.to_send()
        if job is not None and self.session.state is LinkState.CONNECTED:
            job.view = self.session.submit(job.spec, job.job_id, _blobs(job))
            job.is_sent = True
        self._drop_pictures()
        self._write_down()

    def _start_reference(self, job: Job, folder: Path) -> None:
        try:
            self._reference = (job.job_id, reference.start(folder))
        except PanoloomError as error:
            job.view.state, job.view.error = JobState.FAILED, error

    def _drop_pictures(self) -> None:
        """Delete the scenes and pictures of jobs that need them no longer."""
        for job in self.queue:
            is_there = job.is_sent and self.session.is_accepted(job.job_id)
            if job.folder is not None and (is_there or not job.is_active):
                shutil.rmtree(job.folder, ignore_errors=True)
                job.folder = None

    def _write_down(self) -> None:
        """Keep the list of open jobs for the next run of Blender, when it changed."""
        folder = self.care.state_folder
        if folder is None:
            return
        now = [(job.job_id, job.is_prepared, job.is_sent) for job in self.queue.open]
        if now != self._saved:
            self._saved = now
            self.queue.save(folder)

    def _adopt(self) -> None:
        """Pick up what an earlier run of Blender left behind for this engine.

        What was sent is asked for once more: the engine goes on with the job if it has it, and
        begins it if Blender ended before it had.
        """
        folder = self.care.state_folder
        found = self.queue.adopt(folder) if folder is not None else []
        for job in found:
            if job.is_sent:
                job.view = self.session.submit(job.spec, job.job_id, _blobs(job))
        if found:
            self._newest = self._newest or found[-1]
            showing.claim_scenes(self.queue)

    def _watch_reference(self) -> None:
        if self._reference is None:
            return
        job_id, render = self._reference
        job = self.queue.find(job_id)
        try:
            made = render.poll()
        except PanoloomError as error:
            self._reference = None
            if job is not None:
                job.view.state, job.view.error = JobState.FAILED, error
            return
        if made is None:
            return
        self._reference = None
        if job is None:
            return
        if made.picture is not None and job.spec.reference is not None:
            asked = job.spec.reference.strength
            job.spec, job.remark = core.with_reference(
                job.spec, made.picture.read_bytes(), asked, is_opaque=made.is_opaque
            )
            seen = self._temporary() / f"{job_id[:8]}-surroundings.png"
            shutil.copyfile(made.picture, seen)  # the first goes when the engine has it
            self.surroundings[job.scene_uid] = seen
        if made.depth is not None:
            job.spec = core.with_depth(job.spec, made.depth.read_bytes())
        job.is_prepared = True

    def _show(self) -> int:
        """Bring what came of the jobs into their scenes, a little at a time; how many changes."""
        edits = 0
        for job in self.queue:
            if edits >= MAX_EDITS:
                return edits
            edits += self.showing.show_preview(job, self._temporary())
            was_done = job.is_done
            edits += self.showing.show_result(job)
            if job.is_done and not was_done and job.artifact is not None:
                self._finished(job)
        for gone in self.queue.tidy():
            self.session.forget(gone.job_id)
        return edits

    def _finished(self, job: Job) -> None:
        """A loop is there: show it in the history, and learn how long it took."""
        self._looked_at = 0.0
        self._prune_due = True
        self.history.is_complete = False  # until it was looked at again
        progress, spec = job.view.progress, job.spec
        is_usual = spec.model == core.DEFAULT_MODEL and not spec.base
        if progress is None or job.view.attempt != 1 or not is_usual:
            return
        table = estimate.table_s(
            width=spec.width,
            num_frames=spec.num_frames,
            seconds=spec.num_frames / spec.fps,
            steps=spec.steps,
            guided=spec.guidance_scale != 1,
        )
        paces = estimate.with_pace(self.history.notes.paces, progress.elapsed_s, table)
        self.history.remember_pace(paces)

    def _keep_up(self) -> None:
        """Follow a scene's view or frame rate, once it has come to rest."""
        behind = [scene for scene in bpy.data.scenes if world.is_behind(scene)]
        if not behind:
            self._unrest = None
            return
        now = [world.asked_of(scene) for scene in behind]
        if self._unrest is None or self._unrest[0] != now:
            self._unrest = (now, time.monotonic())
        elif time.monotonic() - self._unrest[1] >= REST_S:
            self._unrest = None
            try:
                world.keep_up(behind[0])
            except PanoloomError:
                behind[0].panoloom.look = "LINEAR"
                raise

    def _go_on_keeping(self) -> None:
        if self.keeping is None:
            return
        uid, keeping = self.keeping
        self.keeping = None
        if keeping.step(travel.TICK_BYTES):
            scene = world.scene_of(uid)
            if scene is not None:
                travel.finish(scene, keeping)
                self.showing.undo_step = "Keep the loop with the file"
        else:
            self.keeping = (uid, keeping)

    # The library ------------------------------------------------------------------------------

    def _look_at_library(self) -> None:
        now = time.monotonic()
        library = preferences.library()
        if library != self.history.library:
            self.history = History(library)
            self._looked_at = 0.0
        if now - self._looked_at >= LIBRARY_S or not self.history.is_complete:
            self._looked_at = now
            self.history.refresh()
        if self._prune_due and self.history.is_complete:
            self._prune_due = False
            self.prune()
        posters = [entry.poster for entry in self.history.entries[: thumbnails.MOST]]
        thumbnails.read([*self.surroundings.values(), *posters])

    def prune(self) -> list[str]:
        """Delete the oldest loops beyond the library's limit; returns their titles.

        Never one with a star, nor one that this file or another known .blend shows, nor one that an
        open job goes on from.
        """
        shown = self.shown_loops()
        gone = self.history.to_prune(preferences.limit_bytes(), shown)
        for entry in gone:
            self.history.delete(entry.name, shown)
        return [entry.title for entry in gone]

    def shown_loops(self) -> set[str]:
        """Names of the library's loops that the open file or an unfinished job uses."""
        library = self.history.library
        folders = world.loops_shown()
        folders |= {Path(j.artifact.folder) for j in self.queue if j.artifact and not j.is_done}
        return {folder.name for folder in folders if folder.parent == library}

    # Errors and files -------------------------------------------------------------------

    def report(self, error: PanoloomError) -> None:
        """Show an error in the panel until it is dismissed or the next job starts."""
        if str(error) not in {str(known) for known in self.problems}:
            self.problems = [error, *self.problems][:MAX_PROBLEMS]

    def _collect_problems(self) -> None:
        for job in self.queue:
            if job.view.error is not None and job.job_id not in self._reported:
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

    def _pictures(self) -> Path:
        """Where scenes and pictures wait that the next run of Blender may need."""
        folder = self.care.state_folder
        return pictures(folder) if folder is not None else self._temporary()

    def _temporary(self) -> Path:
        """A folder of this run of Blender, for what may be lost with it."""
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="panoloom-", dir=bpy.app.tempdir or None))
        return self._folder

    def close(self) -> None:
        """Let go of everything; the engine and its jobs go on."""
        if self._reference is not None:
            self._reference[1].stop()
        self.session.disconnect()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def interval(self) -> float:
        """Seconds until the next tick."""
        active = any(job.is_active or not job.is_done for job in self.queue)
        if self.showing.undo_step or self.keeping or self.starting_since is not None:
            return BUSY_S
        if self.session.state is LinkState.CONNECTING:
            return BUSY_S
        if active and self.session.state is LinkState.CONNECTED:
            return BUSY_S
        return CONNECTED_S if self.session.state is not LinkState.OFF else IDLE_S


def _blobs(job: Job) -> list[bytes]:
    """The files that a request names by hash, where they are still here."""
    if job.folder is None:
        return []
    wanted = (
        (job.spec.reference, reference.picture_in(job.folder)),
        (job.spec.follow_sha256, reference.depth_in(job.folder)),
    )
    # A file that is not here the engine has, or says that it lacks it.
    return [path.read_bytes() for asked, path in wanted if asked is not None and path.is_file()]


_runtime: list[Runtime] = []


def state() -> Runtime:
    """The one Runtime of this Blender."""
    if not _runtime:
        _runtime.append(Runtime())
    return _runtime[0]


def is_rendering() -> bool:
    """Whether data must be left alone."""
    return bpy.app.is_job_running("RENDER") or bpy.app.is_job_running("OBJECT_BAKE")


def close() -> None:
    """Let go of the engine, and forget everything."""
    while _runtime:
        _runtime.pop().close()
