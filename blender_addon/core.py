"""What the buttons do and when the World may change: decisions over plain values.

Angles are in radians and positions in Blender's world: x right, y away, z up; a heading is measured
from +x, counter-clockwise seen from above.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..shared.errors import InvalidJob, PanoloomError
from ..shared.jobs import ArtifactRef, JobSpec, Reference
from ..shared.jobview import JobView

SIZES = {"512x256": (512, 256), "1024x512": (1024, 512)}
OPAQUE_STRENGTH = 0.6  # of a reference without open parts: its layout stays, the rest moves
FRAMES = "frames"  # folder of the EXRs in that of a loop
LEVEL = 1e-3  # below this much of a unit vector in the plane, a camera looks straight up or down


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """The panel's words, read from the scene at the press of Generate.

    Attributes:
        size: A key of `SIZES`.
        seconds: Length of the loop.
        scene_fps: Frames a second of the scene; the loop gets one frame for each of the scene's.
        steps: Denoising steps.
        use_reference: Start from a picture of the scene around the active camera.
        strength: How much of that picture may change, 0 to 1.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    size: str = "512x256"
    seconds: float = 2.0
    scene_fps: float = 24.0
    steps: int = 16
    guidance_scale: float = 4.0
    model: str = "preview"
    use_reference: bool = False
    strength: float = 1.0


def frames_of_loop(seconds: float, fps: float) -> int:
    """Whole frames of a loop of this length at the scene's frame rate, at least two."""
    if not (math.isfinite(seconds) and math.isfinite(fps)):
        raise InvalidJob("The length of the loop is not a number.", field="seconds")
    return max(2, round(seconds * fps))


def job_spec(settings: SceneSettings, reference: Reference | None = None) -> JobSpec:
    """The request behind the Generate button.

    Raises:
        InvalidJob: Something in it cannot be made; the sentence is fit for the panel.
    """
    width, height = SIZES[settings.size]
    spec = JobSpec(
        prompt=settings.prompt.strip(),
        negative_prompt=settings.negative_prompt.strip(),
        seed=settings.seed,
        width=width,
        height=height,
        num_frames=frames_of_loop(settings.seconds, settings.scene_fps),
        fps=settings.scene_fps,
        model=settings.model,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        reference=reference,
    )
    spec.validate()
    return spec


def check_length(settings: SceneSettings, models: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a loop whose length its model cannot make, before any work is done for it.

    Args:
        models: The engine's words about its models, as in `Welcomed`; a model that is not among
            them, or tells no limits, is left to the engine.

    Raises:
        InvalidJob: It is too short or too long; `details["nearest"]` are the seconds to ask for.
    """
    model = next((model for model in models if model.get("name") == settings.model), {})
    least, most = model.get("min_seconds", 0.0), model.get("max_seconds", math.inf)
    if least <= settings.seconds <= most:
        return
    raise InvalidJob(
        f"The loop would last {settings.seconds:g} s, and model '{settings.model}' makes loops of "
        f"{least:g} to {most:g} s.",
        field="seconds",
        nearest=least if settings.seconds < least else most,
    )


def with_reference(
    spec: JobSpec, picture: bytes, strength: float, *, is_opaque: bool
) -> tuple[JobSpec, str]:
    """`spec` starting from this picture, whose alpha says what to keep, and a remark on it.

    Args:
        strength: How much of the picture may change, 0 to 1.
        is_opaque: Whether the picture has no open part. At full strength nothing of such a picture
            would be left, so it gets `OPAQUE_STRENGTH` and a remark.
    """
    is_weakened = is_opaque and strength >= 1.0
    reference = Reference(
        sha256=hashlib.sha256(picture).hexdigest(),
        strength=OPAQUE_STRENGTH if is_weakened else strength,
    )
    return dataclasses.replace(spec, reference=reference), NOTHING_OPEN if is_weakened else ""


def heading_of(rotation: Sequence[Sequence[float]]) -> float:
    """Heading of a camera with this 3x3 (or larger) matrix to the world: yaw alone, level horizon.

    A Blender camera looks along its own -z with +y up. Looking straight down, the top of the
    picture is ahead; looking straight up, the bottom is.
    """
    ahead = (-rotation[0][2], -rotation[1][2], -rotation[2][2])
    up = (rotation[0][1], rotation[1][1])
    if math.hypot(ahead[0], ahead[1]) > LEVEL * math.hypot(*ahead):
        return math.atan2(ahead[1], ahead[0])
    sign = 1.0 if ahead[2] < 0 else -1.0
    return math.atan2(sign * up[1], sign * up[0])


def mapping_rotation(heading: float, yaw: float = 0.0) -> float:
    """Turn about z of the World's texture coordinates that puts the ERP centre at `heading`.

    Blender's environment texture has its centre along +x and turns left as u falls, so +yaw in the
    ERP is to the right already. `yaw` turns the World further to the right.
    """
    return yaw - heading


class Standing(Enum):
    """What a job may do to the World of its scene."""

    CREATE = "create"  # the scene still has the World it had at Generate
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
        scene_uid: Session number of the scene it belongs to.
        world_uid: Session number of the World that scene had at Generate, None for none.
        heading: Where the camera looked at Generate, radians; the ERP's centre goes there.
        is_prepared: Whether it left for the engine; before that its reference is rendered.
        is_cancelling: Whether Cancel was pressed.
        is_applied: Whether its World was made; from then on only that World is touched.
        shown_step: Step of the preview that was dealt with last.
        is_done: Whether its result was dealt with: shown, or left for a reason.
        left_why: Why the World was left alone, empty while it was not.
        remark: What was done otherwise than asked, empty for nothing.
    """

    view: JobView
    spec: JobSpec
    scene_uid: int
    world_uid: int | None
    heading: float
    is_prepared: bool = True
    is_cancelling: bool = False
    is_applied: bool = False
    shown_step: int = -1
    is_done: bool = False
    left_why: str = ""
    remark: str = ""

    @property
    def job_id(self) -> str:
        """Its name here, on the wire and in the tag of its World."""
        return self.view.job_id

    @property
    def is_active(self) -> bool:
        """Whether more is to come of it."""
        return not self.view.state.is_terminal

    @property
    def artifact(self) -> ArtifactRef | None:
        """The finished loop, None before the end and after a failure."""
        return self.view.artifact


def standing(job: Job, now: WorldNow) -> Standing:
    """Whether this job may write to a scene that has the World `now`."""
    if now.job_id == job.job_id:
        return Standing.SWAP
    if not job.is_applied and now.uid == job.world_uid:
        return Standing.CREATE
    return Standing.LEAVE


def loop_file(folder: Path | str, *, prefer_movie: bool = False) -> Path:
    """The file Blender loads for the finished loop in `folder`: its first EXR, or the movie.

    Raises:
        PanoloomError: Neither is on this computer.
    """
    folder = Path(folder)
    frames = folder / FRAMES / "loop_0001.exr"
    movie = folder / "loop.mp4"
    for path in (movie, frames) if prefer_movie else (frames, movie):
        if path.is_file():
            return path
    raise PanoloomError(
        f"The finished loop is not on this computer: {folder} is missing or has no frames.",
        folder=str(folder),
    )


def folder_of_loop(file: Path) -> Path:
    """The folder of the finished loop that `file`, as `loop_file` gives it, belongs to."""
    return file.parents[1] if file.parent.name == FRAMES else file.parent


def time_left(seconds: float | None) -> str:
    """ "about 40 s left", or nothing while nobody knows."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    return f"about {round(seconds / 60)} min left"


NOTHING_OPEN = (
    f"The scene fills the view all around, so {OPAQUE_STRENGTH:g} of it may change: "
    "at 1 nothing of it would be left."
)
LEFT_ALONE = "The scene has another World now, so the loop was not put in. Apply shows it."
SCENE_GONE = "Its scene is gone, so the loop was not put in. Apply shows it in this one."


def world_name(prompt: str) -> str:
    """A short name for the World of a prompt, as Blender's lists can show it."""
    words = " ".join(prompt.split())
    return f"Panoloom {words[:40].rstrip(' ,.;')}".rstrip()
