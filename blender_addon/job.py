"""One request of this Blender, and what it may do to the World of its scene. No Blender.

The rules of ownership live here. A job makes its World while its scene still has the one it had at
Generate, or that of another job of the same scene that was put in the same way; from then on it
touches that World alone. Whatever an artist chose, restored or undid since is left alone, and the
result waits in the history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..shared.errors import MalformedMessage
from ..shared.jobs import ArtifactRef, JobSpec, JobState, is_job_id
from ..shared.jobview import JobView

NO_SCENE = 0
"""Session number of a scene that is not in this Blender; real ones start at 1."""
LEFT_ALONE = "The scene has another World now, so the loop was not put in: it is in the history."
SCENE_GONE = "Its scene is not in this file, so the loop was not put in: it is in the history."


class Standing(Enum):
    """What a job may do to the World of its scene."""

    CREATE = "create"  # the scene has the World of Generate, or that of a job before this one
    SWAP = "swap"  # the scene shows this job's World
    LEAVE = "leave"  # someone chose another World since: hands off


@dataclass(frozen=True, slots=True)
class WorldNow:
    """Which World a scene has; both None: it has none, or the scene is gone.

    Attributes:
        uid: Blender's session number of the data-block.
        job_id: The job whose World it is, None for the user's own.
    """

    uid: int | None = None
    job_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Job:
    """One request of this Blender, from the button to the World.

    Attributes:
        view: What the engine said about it.
        scene_uid: Session number of the scene it belongs to; NO_SCENE when that is gone.
        world_uid: Session number of the World that scene had at Generate, None for none.
        heading: Where the camera looked at Generate, radians; the ERP's centre goes there.
        scene_name: Shown where several scenes have jobs.
        is_prepared: Whether what it takes of its scene was rendered.
        is_sent: Whether it left for the engine; until then it waits here.
        is_cancelling: Whether Cancel was pressed.
        is_applied: Whether its World was made; from then on only that World is touched.
        shown_step: Step of the preview that was dealt with last.
        is_done: Whether its result was dealt with: shown, or left for a reason.
        left_why: Why the World was left alone, empty while it was not.
        remark: What was done otherwise than asked, empty for nothing.
        folder: Where the copy of its scene and what was rendered of it lie, until the engine has
            them.
    """

    view: JobView
    spec: JobSpec
    scene_uid: int
    world_uid: int | None
    heading: float
    scene_name: str = ""
    is_prepared: bool = True
    is_sent: bool = True
    is_cancelling: bool = False
    is_applied: bool = False
    shown_step: int = -1
    is_done: bool = False
    left_why: str = ""
    remark: str = ""
    folder: Path | None = None

    @property
    def job_id(self) -> str:
        """Its name here, on the wire and in the tag of its World."""
        return self.view.job_id

    @property
    def is_active(self) -> bool:
        """Whether more is to come of it."""
        return not self.view.state.is_terminal

    @property
    def takes_scene(self) -> bool:
        """Whether it is given files that are rendered of its scene."""
        return self.spec.reference is not None or self.spec.follow_sha256 is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits here, where its place can be changed and nothing was spent on it."""
        return self.is_active and not self.is_sent

    @property
    def artifact(self) -> ArtifactRef | None:
        """The finished loop, None before the end and after a failure."""
        return self.view.artifact

    @property
    def title(self) -> str:
        """The words a person knows it by."""
        return self.spec.title.strip() or "your scene"

    def cancel_here(self) -> None:
        """End it without the engine, which never had it."""
        self.is_cancelling = True
        self.view.state = JobState.CANCELLED
        self.is_done = True


def standing(job: Job, now: WorldNow, peers: Collection[str] = ()) -> Standing:
    """Whether this job may write to a scene that has the World `now`.

    Args:
        peers: Ids of the other jobs of this scene whose Worlds were put in while they were made.
    """
    if now.job_id == job.job_id:
        return Standing.SWAP
    if job.is_applied:
        return Standing.LEAVE
    if now.uid == job.world_uid or (now.job_id is not None and now.job_id in peers):
        return Standing.CREATE
    return Standing.LEAVE


def to_record(job: Job) -> dict[str, Any]:
    """What another run of Blender needs to go on with it, as plain data."""
    return {
        "job_id": job.job_id,
        "spec": job.spec.to_plain(),
        "heading": job.heading,
        "scene_name": job.scene_name,
        "is_prepared": job.is_prepared,
        "is_sent": job.is_sent,
    }


def from_record(record: Mapping[str, Any]) -> Job:
    """The job of such a record; which scene it belongs to, only its World can tell.

    Raises:
        MalformedMessage: It is none.
        InvalidJob: Its request is of a kind that is not known here.
    """
    job_id, heading = record.get("job_id"), record.get("heading")
    if not is_job_id(job_id) or not isinstance(heading, (int, float)):
        raise MalformedMessage("A job of an earlier run cannot be read.")
    return Job(
        view=JobView(job_id=str(job_id)),
        spec=JobSpec.from_plain(record.get("spec")),
        scene_uid=NO_SCENE,
        world_uid=None,
        heading=float(heading),
        scene_name=str(record.get("scene_name", "")),
        is_prepared=record.get("is_prepared") is not False,
        is_sent=record.get("is_sent") is True,
        is_applied=True,
    )
