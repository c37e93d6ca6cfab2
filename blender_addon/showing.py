"""What jobs do to the Worlds of their scenes: previews, then the loop, by the rules in `job`."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import core, loops, modes, world
from .job import LEFT_ALONE, SCENE_GONE, Job, Standing, standing
from .job_queue import JobQueue


class Showing:
    """The way from a job's events into Blender.

    Args:
        queue: Tells which other jobs put in Worlds.

    Attributes:
        undo_step: Name of the undo step that is due, empty for none.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self.undo_step = ""

    def show_preview(self, job: Job, folder: Path) -> bool:
        """Show a new preview of a job, if there is one; whether Blender's data changed.

        Args:
            folder: For a file that is gone afterwards.
        """
        view = job.view
        if not view.preview or view.preview_step == job.shown_step or job.is_done:
            return False
        job.shown_step = view.preview_step
        target = self._world_for(job)
        if target is None:
            return False
        suffix = "png" if view.preview.startswith(b"\x89PNG") else "jpg"
        path = folder / f"{job.job_id[:8]}-{view.seq:06d}.{suffix}"
        path.write_bytes(view.preview)
        world.show_preview(target, path)
        path.unlink()
        return True

    def show_result(self, job: Job) -> bool:
        """Deal with the end of a job, once; whether Blender's data changed.

        Raises:
            PanoloomError: The loop's files are not on this computer.
        """
        if job.is_done or job.is_active:
            return False
        job.is_done = True
        if job.artifact is None:
            return False  # cancelled or failed: the World keeps what it shows
        folder = Path(job.artifact.folder)
        loops.loop_file(folder)  # says so when its files are elsewhere, before a World is made
        scene = world.scene_of(job.scene_uid)
        target = self._world_for(job)
        if scene is None or target is None:
            job.left_why = SCENE_GONE if scene is None else LEFT_ALONE
            return False
        final = scene.panoloom.show_as == "FINAL"
        remark = world.show_loop(target, folder, job.artifact.num_frames, final=final)
        job.remark = " ".join(text for text in (job.remark, remark) if text)
        self.undo_step = "Panoloom loop"
        return True

    def _world_for(self, job: Job) -> bpy.types.World | None:
        """The World this job may write to now, made if it is time; None: hands off."""
        scene = world.scene_of(job.scene_uid)
        if scene is None:
            return None
        match standing(job, world.now(scene), self._queue.peers_of(job)):
            case Standing.SWAP:
                return scene.world
            case Standing.CREATE:
                name = core.world_name(job.title)
                made = world.create(scene, job.job_id, job.heading, name)
                job.is_applied = True
                self.undo_step = "Panoloom World"
                return made
            case _:
                return None


def claim_scenes(queue: JobQueue) -> None:
    """Give jobs the scenes that show their Worlds: after a file was loaded, or an earlier run."""
    by_job = {world.job_of(scene.world): scene for scene in bpy.data.scenes}
    for job in queue:
        scene = by_job.get(job.job_id)
        if scene is not None:
            job.scene_uid = scene.session_uid
            job.scene_name = scene.name


def push_undo(message: str) -> None:
    """An undo step of its own, between two acts: where undo brings a World back, or needs it."""
    if bpy.context.mode != "OBJECT" and not modes.held_by():
        return
    windows = bpy.context.window_manager.windows
    if any(getattr(window, "modal_operators", ()) for window in windows):
        return
    if windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
