"""What a job is: the complete request, its states, its progress and what it leaves behind.

A `JobSpec` holds everything that shapes the pictures. Two equal specs have equal canonical bytes,
whoever wrote them down, so their SHA-256 names the result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from .errors import InvalidJob
from .plain import from_plain, to_plain

MAX_FRAMES = 2000
MAX_PROMPT_CHARS = 4000
MAX_SIDE_PX = 16384
MAX_SEED = 2**63 - 1
MAX_REFERENCE_PIXELS = 64 * 10**6
LARGEST_REFERENCE = (11312, 5656)
"""Width and height of the largest 2:1 picture within `MAX_REFERENCE_PIXELS`, in steps of 16."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
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
    """A panorama the loop starts from.

    Attributes:
        sha256: Hash of the image's bytes, which are stored in the engine as a blob.
        mask_sha256: Hash of a mask image, or None for the image's own alpha; 1 keeps that part of
            the picture.
        strength: The noise level the loop starts from, 0 (nothing changes) to 1 (only the mask
            keeps anything).
    """

    sha256: str
    mask_sha256: str | None = None
    strength: float = 1.0


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
        width, height: Pixels of the panorama, 2:1.
        num_frames, fps: Of the finished loop; the model's own frame rate is the engine's affair.
        loop: Whether the last frame leads back to the first.
        method: Name of the way views are kept in agreement.
        model, model_revision: Name and exact version; the engine fills in an empty revision.
        steps: Denoising steps of the first stage.
        guidance_scale: Classifier-free guidance; 1 is off.
        reference: Panorama to start from.
        stages: The ladder; empty means: the engine plans it.
        view_batch: Views in one model evaluation; it is here because the last bits depend on it.
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
        """The one byte string of this request: compact JSON with sorted keys."""
        text = json.dumps(self.to_plain(), sort_keys=True, separators=(",", ":"), allow_nan=False)
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
        _check_words(self)
        _check_size(self.width, self.height, "width")
        _check_numbers(self)
        if self.reference is not None:
            _check_reference(self.reference)
        for index, stage in enumerate(self.stages):
            _check_stage(stage, f"stages[{index}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        phase: "load" (the model), "condition", "denoise" or "write".
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


def is_sha256(text: object) -> bool:
    """Whether `text` is a SHA-256 in lower-case hex."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def nearest_2_to_1(width: int, height: int) -> tuple[int, int]:
    """The 2:1 size closest to (width, height) in pixels, at least 32x16."""
    half = min(max(round((2 * width + height) / 5), 16), MAX_SIDE_PX // 2)
    return 2 * half, half


def _shallow(spec: JobSpec) -> dict[str, Any]:
    plain = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    if isinstance(spec.reference, Reference):
        plain["reference"] = to_plain(spec.reference)
    if isinstance(spec.stages, tuple):
        plain["stages"] = [to_plain(s) if isinstance(s, Stage) else s for s in spec.stages]
    return plain


def _check_words(spec: JobSpec) -> None:
    if not spec.prompt.strip() and spec.reference is None:
        raise InvalidJob("Write a prompt, or give a reference to start from.", field="prompt")
    for name in ("prompt", "negative_prompt", "method", "model", "model_revision"):
        text: str = getattr(spec, name)
        longest = MAX_PROMPT_CHARS if "prompt" in name else 200
        what = name.replace("_", " ")
        if len(text) > longest:
            raise InvalidJob(
                f"The {what} is {len(text)} characters long; {longest} is the most.",
                field=name,
                largest=longest,
            )
        if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
            raise InvalidJob(f"The {what} holds characters that are not text.", field=name)
    for name in ("method", "model"):
        if not getattr(spec, name).strip():
            raise InvalidJob(f"Name a {name}.", field=name)


def _check_size(width: int, height: int, field: str) -> None:
    if width == 2 * height and 32 <= width <= MAX_SIDE_PX:
        return
    near = nearest_2_to_1(width, height)
    why = (
        "a panorama is twice as wide as it is high"
        if width != 2 * height
        else f"it goes from 32x16 to {MAX_SIDE_PX}x{MAX_SIDE_PX // 2}"
    )
    raise InvalidJob(
        f"The size {width}x{height} is not possible: {why}. The nearest is {near[0]}x{near[1]}.",
        field=field,
        nearest=list(near),
    )


def _check_numbers(spec: JobSpec) -> None:
    _check_range("seed", spec.seed, 0, MAX_SEED)
    _check_range("num_frames", spec.num_frames, 2, MAX_FRAMES, what="number of frames")
    _check_range("steps", spec.steps, 1, 200, what="number of steps")
    _check_range("guidance_scale", spec.guidance_scale, 1.0, 30.0)
    _check_range("fps", spec.fps, 0.0, 240.0, what="frame rate", above=True)
    _check_range("view_batch", spec.view_batch, 1, 256)
    if len(spec.stages) > 8:
        raise InvalidJob(f"{len(spec.stages)} stages are too many; 8 is the most.", field="stages")


def _check_reference(reference: Reference) -> None:
    for name in ("sha256", "mask_sha256"):
        value = getattr(reference, name)
        if not (is_sha256(value) or (value is None and name == "mask_sha256")):
            raise InvalidJob(
                "A reference is named by the SHA-256 of its bytes, 64 lower-case hex digits.",
                field=f"reference.{name}",
            )
    _check_range("reference.strength", reference.strength, 0.0, 1.0, what="strength")


def _check_stage(stage: Stage, where: str) -> None:
    _check_size(stage.width, stage.height, f"{where}.width")
    _check_range(f"{where}.steps", stage.steps, 1, 200, what="number of steps")
    _check_range(
        f"{where}.sigma_start", stage.sigma_start, 0.0, 1.0, what="noise level", above=True
    )
    _check_range(f"{where}.fov_deg", stage.fov_deg, 10.0, 150.0, what="field of view")


def _short(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_range(
    field: str, value: float, low: float, high: float, *, what: str = "", above: bool = False
) -> None:
    """Refuse NaN, infinity and what lies outside [low, high] (above: outside (low, high])."""
    inside = math.isfinite(value) and (low < value if above else low <= value) and value <= high
    if inside:
        return
    reach = (
        f"above {low:g} and at most {high:g}" if above else f"from {_short(low)} to {_short(high)}"
    )
    nearest = {} if not math.isfinite(value) or above else {"nearest": min(max(value, low), high)}
    name = what or field.replace("_", " ")
    raise InvalidJob(f"The {name} is {value}; it goes {reach}.", field=field, **nearest)
