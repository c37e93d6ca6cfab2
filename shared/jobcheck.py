"""What no model could make, refused by the name of the field, its value and the way out.

The limits of a request live here. What depends on the model is for the engine's plan.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from .errors import InvalidJob

if TYPE_CHECKING:
    from .jobs import Base, JobSpec, Lora, Part, Place, Reference, Stage

METHODS = (
    "fused",
    "paper",
    "planar",
    "paper-planar",
    "whole",
    "multidiffusion",
    "independent",
)
"""Ways to keep views in agreement, by name."""
PLANE_METHODS = ("planar", "paper-planar")
"""Those that make a flat picture of any width and height."""
REFERENCE_MODES = ("keep", "animate")

MAX_FRAMES = 2000
MAX_PROMPT_CHARS = 4000
MAX_SIDE_PX = 16384
MIN_SIDE_PX = 32
MAX_SEED = 2**63 - 1
MAX_STAGES = 8
MAX_PLACES = 16
MAX_LORAS = 8
RING_AXES = ("time", "width")
EXPERTS = ("high", "low")
"""Denoisers of a model with two, in its order: of high noise and of low."""
_LORA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT_TEXTS = ("method", "model", "model_revision")
_DIRECTIONS = ("sky", "horizon", "ground")


def is_sha256(text: object) -> bool:
    """Whether `text` is a SHA-256 in lower-case hex."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def is_plane(method: str) -> bool:
    """Whether `method` makes a flat picture, no panorama."""
    return method in PLANE_METHODS


def nearest_2_to_1(width: int, height: int) -> tuple[int, int]:
    """The 2:1 size closest to (width, height) in pixels, at least 32x16."""
    half = min(max(round((2 * width + height) / 5), 16), MAX_SIDE_PX // 2)
    return 2 * half, half


def check_spec(spec: JobSpec) -> None:
    """Refuse what no model could make; the types are right already.

    Raises:
        InvalidJob: With `details["field"]` and, where there is one, a remedy (`nearest`,
            `largest`, `known`).
    """
    _check_words(spec)
    _check_name("method", spec.method, METHODS)
    flat = is_plane(spec.method)
    _check_size(spec.width, spec.height, "width", flat=flat)
    _check_numbers(spec)
    if spec.reference is not None:
        _check_reference(spec.reference)
    if spec.base is not None:
        _check_base(spec.base)
    for index, stage in enumerate(spec.stages):
        _check_stage(stage, f"stages[{index}]", flat=flat)
    for index, place in enumerate(spec.places):
        _check_place(place, f"places[{index}]")
    for index, lora in enumerate(spec.loras):
        _check_lora(lora, f"loras[{index}]")
    _check_ring_rope(spec.ring_rope)
    if spec.follow_sha256 is not None:
        _check_hash("follow_sha256", spec.follow_sha256)
    if flat:
        _check_flat(spec)
    elif not spec.ring:
        raise InvalidJob(
            f"Method '{spec.method}' makes panoramas, whose width is always a ring; "
            f"without a ring there is {PLANE_METHODS[0]}.",
            field="ring",
            nearest=True,
        )


def _check_words(spec: JobSpec) -> None:
    starts = (spec.prompt, *(getattr(spec, name) for name in _DIRECTIONS))
    if not any(text.strip() for text in starts) and not (
        spec.reference or spec.base or spec.places
    ):
        raise InvalidJob("Write a prompt, or give a reference to start from.", field="prompt")
    for name in ("prompt", "negative_prompt", *_DIRECTIONS, *_SHORT_TEXTS):
        what = f"prompt of the {name}" if name in _DIRECTIONS else name.replace("_", " ")
        longest = 200 if name in _SHORT_TEXTS else MAX_PROMPT_CHARS
        _check_text(getattr(spec, name), name, what, longest)
    for name in ("method", "model"):
        if not getattr(spec, name).strip():
            raise InvalidJob(f"Name a {name}.", field=name)


def _check_text(text: str, field: str, what: str, longest: int) -> None:
    if len(text) > longest:
        raise InvalidJob(
            f"The {what} is {len(text)} characters long; {longest} is the most.",
            field=field,
            largest=longest,
        )
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise InvalidJob(f"The {what} holds characters that are not text.", field=field)


def _check_name(field: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise InvalidJob(
            f"There is no {field.rpartition('.')[2]} '{name}'. Known: {', '.join(known)}.",
            field=field,
            known=list(known),
        )


def _check_size(width: int, height: int, field: str, *, flat: bool) -> None:
    if flat:
        _check_range(field, width, MIN_SIDE_PX, MAX_SIDE_PX, what="width")
        _check_range(
            field.replace("width", "height"), height, MIN_SIDE_PX, MAX_SIDE_PX, what="height"
        )
        return
    if width == 2 * height and MIN_SIDE_PX <= width <= MAX_SIDE_PX:
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
    for field, longest in (("stages", MAX_STAGES), ("places", MAX_PLACES), ("loras", MAX_LORAS)):
        count = len(getattr(spec, field))
        if count > longest:
            raise InvalidJob(
                f"{count} {field} are too many; {longest} is the most.",
                field=field,
                largest=longest,
            )


def _check_flat(spec: JobSpec) -> None:
    """A flat picture has no up and no down, and nothing hangs at an angle on it."""
    for name in (*_DIRECTIONS, "places"):
        if getattr(spec, name):
            raise InvalidJob(
                f"Method '{spec.method}' makes a flat picture, where words have no direction: "
                f"leave '{name}' empty or take the method {METHODS[0]}.",
                field=name,
            )
    if spec.reference is not None and spec.reference.yaw_deg is not None:
        raise InvalidJob(
            f"Method '{spec.method}' makes a flat picture, on which a photograph has no yaw "
            f"({spec.reference.yaw_deg:g}): leave it out or take the method {METHODS[0]}.",
            field="reference.yaw_deg",
        )


def _check_reference(reference: Reference) -> None:
    _check_hash("reference.sha256", reference.sha256)
    if reference.mask_sha256 is not None:
        _check_hash("reference.mask_sha256", reference.mask_sha256)
    _check_range("reference.strength", reference.strength, 0.0, 1.0, what="strength")
    _check_name("reference.mode", reference.mode, REFERENCE_MODES)
    _check_range("reference.pitch_deg", reference.pitch_deg, -90.0, 90.0, what="pitch")
    if (reference.yaw_deg is None) != (reference.fov_deg is None):
        lacks = "yaw_deg" if reference.yaw_deg is None else "fov_deg"
        raise InvalidJob(
            "A photograph hangs at a yaw and has a field of view: give both, or neither for a "
            "picture that is a panorama.",
            field=f"reference.{lacks}",
        )
    if reference.yaw_deg is not None and reference.fov_deg is not None:
        _check_range("reference.yaw_deg", reference.yaw_deg, -360.0, 360.0, what="yaw")
        _check_range("reference.fov_deg", reference.fov_deg, 5.0, 150.0, what="field of view")


def _check_base(base: Base) -> None:
    _check_hash("base.sha256", base.sha256)
    _check_range("base.sigma", base.sigma, 0.0, 1.0, what="noise level", above=True)
    _check_range("base.stage", base.stage, 0, MAX_STAGES - 1)
    if base.part is not None:
        _check_part(base.part)


def _check_part(part: Part) -> None:
    where = "base.part"
    _check_hash(f"{where}.manifest_sha256", part.manifest_sha256)
    _check_range(f"{where}.yaw_deg", part.yaw_deg, -360.0, 360.0, what="yaw")
    _check_range(f"{where}.pitch_deg", part.pitch_deg, -90.0, 90.0, what="pitch")
    _check_range(f"{where}.radius_deg", part.radius_deg, 1.0, 180.0, what="radius")
    _check_range(f"{where}.feather_deg", part.feather_deg, 0.0, 90.0, what="feather")


def _check_hash(field: str, value: str | None) -> None:
    if not is_sha256(value):
        raise InvalidJob(
            f"A {field.partition('.')[0]} is named by the SHA-256 of its bytes, 64 lower-case hex "
            "digits.",
            field=field,
        )


def _check_stage(stage: Stage, where: str, *, flat: bool) -> None:
    _check_size(stage.width, stage.height, f"{where}.width", flat=flat)
    _check_range(f"{where}.steps", stage.steps, 1, 200, what="number of steps")
    _check_range(
        f"{where}.sigma_start", stage.sigma_start, 0.0, 1.0, what="noise level", above=True
    )
    _check_range(f"{where}.fov_deg", stage.fov_deg, 5.0, 150.0, what="field of view")


def _check_place(place: Place, where: str) -> None:
    if not place.text.strip():
        raise InvalidJob("A place needs words: what to show there.", field=f"{where}.text")
    _check_text(place.text, f"{where}.text", "prompt of a place", MAX_PROMPT_CHARS)
    _check_range(f"{where}.yaw_deg", place.yaw_deg, -360.0, 360.0, what="yaw")
    _check_range(f"{where}.pitch_deg", place.pitch_deg, -90.0, 90.0, what="pitch")
    _check_range(f"{where}.radius_deg", place.radius_deg, 1.0, 180.0, what="radius")


def _check_lora(lora: Lora, where: str) -> None:
    if _LORA_ID.fullmatch(lora.id) is None or ".." in lora.id:
        raise InvalidJob(
            f"A LoRA is named like owner/name, or as it was installed, not '{lora.id[:100]}'.",
            field=f"{where}.id",
        )
    _check_text(lora.revision, f"{where}.revision", "revision of a LoRA", 200)
    _check_range(f"{where}.weight", lora.weight, -4.0, 4.0, what="weight of a LoRA")
    if lora.expert:
        _check_name(f"{where}.expert", lora.expert, EXPERTS)


def _check_ring_rope(axes: tuple[str, ...]) -> None:
    for axis in axes:
        if axis not in RING_AXES or axes.count(axis) > 1:
            raise InvalidJob(
                f"ring-rope names {' and '.join(RING_AXES)}, each at most once, "
                f"not '{','.join(axes)}'.",
                field="ring_rope",
                known=list(RING_AXES),
            )


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
