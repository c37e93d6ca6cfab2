"""The words of `panoloom generate` as a JobSpec and the files it names."""

from __future__ import annotations

import argparse
import hashlib
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Lora, Reference
from ..broker.images import check_mask_size, read_head, reference_sides
from ..models import catalog
from .directions import add_direction_words, angles, places_of

DEFAULTS = JobSpec(prompt="")
DEFAULT_SECONDS = 5.0
"""Length of a loop when nothing is said about it: what artists use."""
SECONDS_FPS = 24.0
"""Frames a second when only a length is asked for: what Blender's scenes run at."""

DEFAULT_STRENGTH = {"keep": 1.0, "photograph": 0.8, "animate": 0.8}
"""Of --reference; around a photograph that is kept its colours spread before the model begins."""
PHOTOGRAPH_AT = "YAW,PITCH,FOV"
MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job and the bytes its references are hashes of.

    Attributes:
        estimate_s: About how many seconds the work takes, see `catalog.estimate_s`.
    """

    spec: JobSpec
    estimate_s: float = 0.0
    blobs: tuple[bytes, ...] = ()


def add_job_words(parser: argparse.ArgumentParser) -> None:
    """Every word that shapes the pictures; defaults are those of JobSpec."""
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="what to show")
    add = parser.add_argument
    add("--model", default=DEFAULTS.model, help="which model (default: %(default)s)")
    add("--size", metavar="WxH", help="pixels; 2:1 but for a planar picture (the model's smallest)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--frames", type=int, metavar="N", help="frames of the loop")
    length.add_argument("--seconds", type=float, metavar="S", help="length of the loop (5)")
    add("--fps", type=float, metavar="F", help="frames a second (default: see below)")
    add("--seed", type=int, default=DEFAULTS.seed, help="same seed, same pictures")
    steps = "denoising steps, or those of every stage from coarse to fine (what the model wants)"
    add("--steps", metavar="N[,N...]", help=steps)
    add("--guidance", type=float, metavar="G",
        help="how strictly the prompt is followed, 1 is off (what the model wants)")  # fmt: skip
    add("--method", default=DEFAULTS.method, help="how views agree (%(default)s)")
    add("--negative", default="", metavar="PROMPT", help="what to steer away from")
    add("--no-loop", dest="loop", action="store_false", help="a clip with two ends")
    add("--no-ring", dest="ring", action="store_false",
        help="a planar picture whose sides do not meet")  # fmt: skip
    add("--lora", action="append", default=[], metavar="ID[@REVISION][:WEIGHT[:EXPERT]]",
        help="a change to the weights; may be given again; EXPERT: high or low")  # fmt: skip
    add("--ring-rope", default="", metavar="AXES", help="time,width: told to go all round")
    add_direction_words(parser)
    add = parser.add_argument_group("a picture to start from").add_argument
    add("--reference", type=Path, metavar="IMG", help="a panorama, or a photograph")
    add("--reference-at", metavar=PHOTOGRAPH_AT, help="where the photograph hangs; degrees")
    add("--mask", type=Path, metavar="IMG", help="white keeps that part of the picture")
    add("--animate", action="store_true", help="bring it to life; it stays itself")
    add("--follow", type=Path, metavar="IMG", help="a panorama of depth or lines to follow")
    add("--strength", type=float, metavar="X", help="0 keeps the picture, 1 only its mask")


def request_from(options: argparse.Namespace, *, is_elsewhere: bool = False) -> Request:
    """What was asked for, checked against everything that can be known before work begins.

    Args:
        is_elsewhere: The engine is on another machine, which knows best what is installed there.

    Raises:
        InvalidJob: `details["field"]` names the word to change.
        ModelNotInstalled: The model's weights are not on this machine.
    """
    spec, blobs = spec_from(options)
    planned = catalog.outline(spec) if is_elsewhere else catalog.plan(spec)
    estimate_s = catalog.estimate_s(planned)
    return Request(spec=spec, estimate_s=estimate_s, blobs=blobs)


def spec_from(options: argparse.Namespace) -> tuple[JobSpec, tuple[bytes, ...]]:
    """The job and the bytes its references are hashes of, whether the model is here or not.

    Raises:
        InvalidJob: `details["field"]` names the word to change.
    """
    card = catalog.find(options.model)
    width, height = parse_size(options.size) if options.size else card.ladder[0].size
    num_frames, fps = frames_and_fps(options.frames, options.seconds, options.fps, card.fps)
    steps = parse_steps(options.steps) if options.steps else (card.steps,)
    spec = JobSpec(
        prompt=options.prompt,
        negative_prompt=options.negative,
        seed=options.seed,
        width=width,
        height=height,
        num_frames=num_frames,
        fps=fps,
        loop=options.loop,
        method=options.method,
        model=options.model,
        steps=steps[0],
        guidance_scale=card.guidance_scale if options.guidance is None else options.guidance,
        sky=options.sky,
        horizon=options.horizon,
        ground=options.ground,
        places=places_of(options),
        ring=options.ring,
        loras=tuple(parse_lora(text) for text in options.lora),
        ring_rope=tuple(word.strip() for word in options.ring_rope.split(",") if word.strip()),
    )
    reference, blobs = _reference(options, spec)
    if options.follow is not None:
        follow = read_file(options.follow, "follow")
        read_head(options.follow, field="follow")
        spec = replace(spec, follow_sha256=hashlib.sha256(follow).hexdigest())
        blobs = (*blobs, follow)
    spec = replace(spec, reference=reference)
    spec.validate()
    return (_with_stage_steps(spec, steps) if len(steps) > 1 else spec), blobs


def parse_steps(text: str) -> tuple[int, ...]:
    """Steps of "24", or of every stage in "24,10,6".

    Raises:
        InvalidJob: It does not read like that.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as why:
        raise InvalidJob(
            f"Steps are a whole number, or one for every stage like 24,10,6, not '{text}'.",
            field="steps",
        ) from why


def _with_stage_steps(spec: JobSpec, steps: tuple[int, ...]) -> JobSpec:
    stages = catalog.outline(spec).stages
    if len(steps) != len(stages):
        sizes = ", ".join(f"{stage.width}x{stage.height}" for stage in stages)
        raise InvalidJob(
            f"{len(steps)} numbers of steps for {len(stages)} stages ({sizes}): give one for each, "
            "or one for the first.",
            field="steps",
            nearest=len(stages),
        )
    made = zip(stages, steps, strict=True)
    spec = replace(spec, stages=tuple(replace(stage, steps=count) for stage, count in made))
    spec.validate()
    return spec


def parse_lora(text: str) -> Lora:
    """The LoRA of "owner/name@revision:weight:expert"; all but the name may be left out.

    Raises:
        InvalidJob: The weight is no number.
    """
    named, colon, rest = text.partition(":")
    weight, _, expert = rest.partition(":")
    lora_id, _, revision = named.partition("@")
    try:
        amount = float(weight) if colon else 1.0
    except ValueError as why:
        raise InvalidJob(
            f"The weight of a LoRA is a number, like {named}:0.8, not '{weight}'.", field="loras"
        ) from why
    return Lora(id=lora_id, revision=revision, weight=amount, expert=expert)


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "1024x512".

    Raises:
        InvalidJob: It does not read like that.
    """
    found = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text.strip())
    if found is None:
        raise InvalidJob(f"The size is WIDTHxHEIGHT, like 1024x512, not '{text}'.", field="size")
    return int(found[1]), int(found[2])


def frames_and_fps(
    frames: int | None, seconds: float | None, fps: float | None, model_fps: float
) -> tuple[int, float]:
    """Number of frames and rate of the finished loop.

    Only frames: at the model's own rate. Only seconds: at 24 a second. Neither: 5 seconds.

    Raises:
        InvalidJob: A length or a rate that is no positive number.
    """
    for field, value in (("seconds", seconds), ("fps", fps)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidJob(f"{field} has to be a number above 0, not {value}.", field=field)
    if frames is not None:
        return frames, model_fps if fps is None else fps
    seconds = DEFAULT_SECONDS if seconds is None else seconds
    rate = SECONDS_FPS if fps is None else fps
    return round(min(seconds * rate, 1e9)), rate


def _reference(
    options: argparse.Namespace, spec: JobSpec
) -> tuple[Reference | None, tuple[bytes, ...]]:
    if options.reference is None:
        for word in ("mask", "strength", "reference_at", "animate"):
            if getattr(options, word) not in (None, False):
                name = word.replace("_", "-")
                raise InvalidJob(f"--{name} needs a --reference to work on.", field=word)
        return None, ()
    image = read_file(options.reference, "reference")
    mask = read_file(options.mask, "mask") if options.mask is not None else None
    yaw_deg = fov_deg = None
    pitch_deg = 0.0
    if options.reference_at is not None:
        yaw_deg, pitch_deg, fov_deg = angles(
            options.reference_at, "reference-at", PHOTOGRAPH_AT, "0,10,60"
        )
    mode = "animate" if options.animate else "keep"
    kind = mode if options.animate or yaw_deg is None else "photograph"
    reference = Reference(
        sha256=hashlib.sha256(image).hexdigest(),
        mask_sha256=None if mask is None else hashlib.sha256(mask).hexdigest(),
        strength=DEFAULT_STRENGTH[kind] if options.strength is None else options.strength,
        mode=mode,
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        fov_deg=fov_deg,
    )
    sides = reference_sides(replace(spec, reference=reference))
    _check_pictures(options.reference, options.mask, sides)
    return reference, tuple(blob for blob in (image, mask) if blob is not None)


def _check_pictures(reference: Path, mask: Path | None, sides: tuple[int, int] | None) -> None:
    image = read_head(reference, field="reference", sides=sides)
    if mask is not None:
        check_mask_size(read_head(mask, field="mask", sides=sides), image, field="mask")


def read_file(path: Path, field: str) -> bytes:
    """The bytes of a picture that goes to the engine.

    Raises:
        InvalidJob: It is not there, cannot be read, or is larger than an engine takes.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InvalidJob(
                f"The {field} {path} has {size / 2**20:.0f} MiB; "
                f"{MAX_FILE_BYTES / 2**20:.0f} MiB is the most.",
                field=field,
                largest=MAX_FILE_BYTES,
            )
        return path.read_bytes()
    except OSError as why:
        raise InvalidJob(
            f"The {field} {path} cannot be read: {why.strerror}.", field=field
        ) from why
