"""What a job is: the complete request, its states, its progress and what it leaves behind.

A `JobSpec` holds everything that shapes the pictures. Two equal specs have equal canonical bytes,
whoever wrote them down, so their SHA-256 names the result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from .errors import InvalidJob
from .jobcheck import check_spec, is_plane
from .plain import from_plain, to_plain

MAX_REFERENCE_PIXELS = 64 * 10**6
LARGEST_REFERENCE = (11312, 5656)
"""Width and height of the largest 2:1 picture within `MAX_REFERENCE_PIXELS`, in steps of 16."""
_NEWER = {
    "sky": "",
    "horizon": "",
    "ground": "",
    "places": [],
    "ring": True,
    "base": None,
    "loras": [],
    "ring_rope": [],
    "follow_sha256": None,
}
_NEWER_IN_REFERENCE = {"mode": "keep", "yaw_deg": None, "pitch_deg": 0.0, "fov_deg": None}
_NEWER_IN_LORA = {"expert": ""}
"""Fields newer than the first version of each with what they hold while unused; never changed."""
_NEVER = object()
_JOB_ID = re.compile(r"[0-9a-f]{32}")


class JobState(StrEnum):
    """Where a job stands; the last three are terminal and never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A picture the loop starts from: a panorama, or a photograph that hangs somewhere on it.

    Attributes:
        sha256: Hash of the image's bytes, which are stored in the engine as a blob.
        mask_sha256: Hash of a mask image, or None for the image's own alpha; 1 keeps that part of
            the picture.
        strength: The noise level the loop starts from, 0 (nothing changes) to 1 (pure noise: what
            the mask or the mode holds is all that is left).
        mode: "keep" (what the mask holds stays as it is, the rest grows out of it) or "animate"
            (the whole picture comes alive and stays itself; what the mask holds stands still).
        yaw_deg, pitch_deg: Where the middle of a perspective photograph hangs; a yaw of None says
            that the picture is a panorama.
        fov_deg: Horizontal field of view of the photograph; None for a panorama.
    """

    sha256: str
    mask_sha256: str | None = None
    strength: float = 1.0
    mode: str = "keep"
    yaw_deg: float | None = None
    pitch_deg: float = 0.0
    fov_deg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Words for a round part of the panorama.

    Attributes:
        text: What to show there.
        yaw_deg, pitch_deg: Its middle.
        radius_deg: Angle from the middle at which half of the words' weight is left.
    """

    text: str
    yaw_deg: float
    pitch_deg: float
    radius_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The round part of a finished result that is made anew.

    Attributes:
        yaw_deg, pitch_deg: Its middle.
        radius_deg: Up to this angle from the middle all is new.
        feather_deg: Over so much more the new goes over into the old; beyond it nothing changes.
        manifest_sha256: Hash of that result's manifest; its folder lies in the engine's library.
    """

    yaw_deg: float
    pitch_deg: float
    radius_deg: float
    feather_deg: float
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A finished result that the job goes on from.

    Attributes:
        sha256: Hash of its stored latents (safetensors), a blob.
        sigma: Noise level that they are brought to, in (0, 1].
        stage: Index of the stage that starts from them; the stages before it are not made again.
        part: What of it is made anew; None is all of it.
    """

    sha256: str
    sigma: float
    stage: int = 0
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A small change to the model's weights that was trained for it, such as a style.

    Attributes:
        id: "owner/name" on the hub, or the name it was installed under from a file.
        revision: Its exact version; the engine fills in an empty one.
        weight: How much of it, 1 is all.
        expert: Which denoiser of a model with two it changes, that of "high" or of "low" noise;
            empty: all there are.
    """

    id: str
    revision: str = ""
    weight: float = 1.0
    expert: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One rung of the ladder from coarse to fine.

    Attributes:
        width, height: Pixels of the panorama.
        steps: Denoising steps.
        sigma_start: Noise level this stage begins at, in (0, 1]; 1 is pure noise.
        fov_deg: Horizontal field of view of its views.
    """

    width: int
    height: int
    steps: int
    sigma_start: float = 1.0
    fov_deg: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """The complete request: everything that shapes the pictures, and nothing else.

    Attributes:
        prompt: What to show; may be empty when there is a reference.
        negative_prompt: What to steer away from.
        seed: 0 to 2**63 - 1.
        width, height: Pixels of the panorama, 2:1; any sides where the method is `planar`.
        num_frames, fps: Of the finished loop; the model's own frame rate is the engine's affair.
        loop: Whether the last frame leads back to the first.
        method: Name of the way views are kept in agreement.
        model, model_revision: Name and exact version; the engine fills in an empty revision.
        steps: Denoising steps of the first stage.
        guidance_scale: Classifier-free guidance; 1 is off.
        reference: Panorama to start from.
        stages: The ladder; empty means: the engine plans it.
        view_batch: Views in one model evaluation; it is here because the last bits depend on it.
        sky, horizon, ground: What to show up there, around and down there, blended by elevation.
        places: What to show at single places, over all of these.
        ring: Whether the width of a `planar` picture is a ring; panoramas always are.
        base: Finished result to go on from.
        loras: Changes to the model's weights, one after the other.
        ring_rope: Axes ("time", "width") that the model is told go all round, where its windows do.
        follow_sha256: Hash of a panorama whose shapes the pictures follow, such as the scene's
            depth; a blob.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    width: int = 512
    height: int = 256
    num_frames: int = 16
    fps: float = 8.0
    loop: bool = True
    method: str = "fused"
    model: str = "preview"
    model_revision: str = ""
    steps: int = 16
    guidance_scale: float = 4.0
    reference: Reference | None = None
    stages: tuple[Stage, ...] = ()
    view_batch: int = 6
    sky: str = ""
    horizon: str = ""
    ground: str = ""
    places: tuple[Place, ...] = ()
    ring: bool = True
    base: Base | None = None
    loras: tuple[Lora, ...] = ()
    ring_rope: tuple[str, ...] = ()
    follow_sha256: str | None = None

    @property
    def kind(self) -> str:
        """What the job does: "generate" something new, "refine" or "repaint" a result."""
        if self.base is None:
            return "generate"
        return "refine" if self.base.part is None else "repaint"

    @property
    def title(self) -> str:
        """The words a person knows the job by: those of the part that is repainted, else the prompt
        or, without one, the first words that say anything.
        """
        if self.kind == "repaint" and self.places:
            return self.places[-1].text
        texts = (self.prompt, self.sky, self.horizon, self.ground, *(p.text for p in self.places))
        return next((text for text in texts if text.strip()), "")

    @property
    def surface(self) -> str:
        """What the pictures lie on: a "sphere", a "ring" (flat, its sides meet) or a "plane"."""
        if not is_plane(self.method):
            return "sphere"
        return "ring" if self.ring else "plane"

    def to_plain(self) -> dict[str, Any]:
        """Dicts, lists, strings and numbers only."""
        return cast("dict[str, Any]", to_plain(self))

    @staticmethod
    def from_plain(plain: Any) -> JobSpec:
        """The spec in `plain`; unknown fields are ignored and missing ones take their defaults.

        Raises:
            InvalidJob: A field has the wrong type; `details["field"]` names it.
        """
        if isinstance(plain, dict) and "prompt" not in plain:
            plain = {**plain, "prompt": ""}
        return from_plain(JobSpec, plain, error=InvalidJob, where="job")

    def canonical(self) -> bytes:
        """The one byte string of this request: compact JSON with sorted keys.

        Fields newer than version 1.0 stand in it only where they say something, so a request that
        does not use them has the hash it always had.
        """
        plain = _without_unused(self.to_plain(), _NEWER)
        if plain["reference"] is not None:
            plain["reference"] = _without_unused(plain["reference"], _NEWER_IN_REFERENCE)
        if "loras" in plain:
            plain["loras"] = [_without_unused(lora, _NEWER_IN_LORA) for lora in plain["loras"]]
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return text.encode("ascii")

    def sha256(self) -> str:
        """Hex digest of `canonical()`."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def validate(self) -> None:
        """Refuse what no model could make; what depends on the model is for the engine's plan.

        Raises:
            InvalidJob: With `details["field"]` and, where there is one, a remedy (`nearest`,
                `largest`).
        """
        from_plain(
            JobSpec, _shallow(self), error=InvalidJob, where="job"
        )  # types, also when built by hand
        check_spec(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        phase: "load" (the model), "condition", "denoise" or "write"; a client that brings the files
            from another machine adds "fetch".
        step, num_steps: Within the phase; step counts what is done. 0 of 0 where nothing is
            counted.
        fraction: Of the whole job, 0 to 1.
        elapsed_s, time_left_s: Seconds; time left is None while nobody knows.
        message: A sentence worth showing, or empty.
    """

    phase: str
    step: int
    num_steps: int
    fraction: float
    elapsed_s: float
    time_left_s: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRef:
    """A finished result on the engine's machine.

    Attributes:
        folder: Absolute path on the engine's machine.
        manifest_sha256: Hex digest of the bytes of `manifest.json` in it.
        notes: Sentences for the user, such as which words of the prompt the model does not know.
    """

    job_id: str
    folder: str
    manifest_sha256: str
    width: int
    height: int
    num_frames: int
    fps: float
    loop: bool
    notes: tuple[str, ...] = ()


def is_job_id(text: object) -> bool:
    """Whether `text` is a job id: 32 lower-case hex digits, as `uuid.uuid4().hex` gives."""
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


def _without_unused(plain: dict[str, Any], unused: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if unused.get(key, _NEVER) != value}


def _shallow(spec: JobSpec) -> dict[str, Any]:
    plain = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    for name, cls in (("reference", Reference), ("base", Base)):
        if isinstance(plain[name], cls):
            plain[name] = to_plain(plain[name])
    for name, cls in (("stages", Stage), ("places", Place), ("loras", Lora)):
        if isinstance(plain[name], tuple):
            plain[name] = [to_plain(s) if isinstance(s, cls) else s for s in plain[name]]
    return plain
