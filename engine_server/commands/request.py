"""The words of `panoloom generate` as a JobSpec and the files it names."""

from __future__ import annotations

import argparse
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Reference
from ..broker.images import check_mask_size, read_head
from ..models import catalog

DEFAULTS = JobSpec(prompt="")
SECONDS_FPS = 24.0
"""Frames a second when only a length is asked for: what Blender's scenes run at."""

MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job and the bytes its references are hashes of."""

    spec: JobSpec
    blobs: tuple[bytes, ...] = ()


def add_job_words(parser: argparse.ArgumentParser) -> None:
    """Every word that shapes the pictures; defaults are those of JobSpec."""
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="what to show")
    add = parser.add_argument
    add("--model", default=DEFAULTS.model, help="which model (default: %(default)s)")
    size = f"{DEFAULTS.width}x{DEFAULTS.height}"
    add("--size", default=size, metavar="WxH", help="pixels, 2:1 (default: %(default)s)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--frames", type=int, metavar="N", help="frames of the loop")
    length.add_argument("--seconds", type=float, metavar="S", help="length of the loop")
    add("--fps", type=float, metavar="F", help="frames a second (default: see below)")
    add("--seed", type=int, default=DEFAULTS.seed, help="same seed, same pictures")
    add("--steps", type=int, default=DEFAULTS.steps, help="denoising steps (%(default)s)")
    add("--guidance", type=float, default=DEFAULTS.guidance_scale, metavar="G",
        help="how strictly the prompt is followed, 1 is off (%(default)s)")  # fmt: skip
    add("--method", default=DEFAULTS.method, help="how views agree (%(default)s)")
    add("--negative", default="", metavar="PROMPT", help="what to steer away from")
    add("--reference", type=Path, metavar="IMG", help="panorama to start from")
    add("--mask", type=Path, metavar="IMG", help="white keeps that part of the reference")
    add("--strength", type=float, metavar="X", help="0 keeps the reference, 1 only its mask")
    add("--no-loop", dest="loop", action="store_false", help="a clip with two ends")


def request_from(options: argparse.Namespace) -> Request:
    """What was asked for, checked against everything that can be known before work begins.

    Raises:
        InvalidJob: `details["field"]` names the word to change.
        ModelNotInstalled: The model's weights are not on this machine.
    """
    width, height = parse_size(options.size)
    card = catalog.find(options.model)
    num_frames, fps = frames_and_fps(options.frames, options.seconds, options.fps, card.fps)
    reference, blobs = _reference(options)
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
        steps=options.steps,
        guidance_scale=options.guidance,
        reference=reference,
    )
    spec.validate()
    catalog.plan(spec)
    return Request(spec=spec, blobs=blobs)


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

    Only frames: at the model's own rate. Only seconds: at 24 a second. Neither: the length of a
    JobSpec's defaults, at the asked rate.

    Raises:
        InvalidJob: A length or a rate that is no positive number.
    """
    for field, value in (("seconds", seconds), ("fps", fps)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidJob(f"{field} has to be a number above 0, not {value}.", field=field)
    if frames is not None:
        return frames, model_fps if fps is None else fps
    if seconds is None:
        if fps is None:
            return DEFAULTS.num_frames, DEFAULTS.fps
        seconds = DEFAULTS.num_frames / DEFAULTS.fps
    rate = SECONDS_FPS if fps is None else fps
    return round(min(seconds * rate, 1e9)), rate


def _reference(options: argparse.Namespace) -> tuple[Reference | None, tuple[bytes, ...]]:
    if options.reference is None:
        for word in ("mask", "strength"):
            if getattr(options, word) is not None:
                raise InvalidJob(f"--{word} needs a --reference to work on.", field=word)
        return None, ()
    image = read_file(options.reference, "reference")
    mask = read_file(options.mask, "mask") if options.mask is not None else None
    _check_pictures(options.reference, options.mask)
    strength = 1.0 if options.strength is None else options.strength
    reference = Reference(
        sha256=hashlib.sha256(image).hexdigest(),
        mask_sha256=None if mask is None else hashlib.sha256(mask).hexdigest(),
        strength=strength,
    )
    return reference, tuple(blob for blob in (image, mask) if blob is not None)


def _check_pictures(reference: Path, mask: Path | None) -> None:
    image = read_head(reference, field="reference")
    if mask is not None:
        check_mask_size(read_head(mask, field="mask"), image, field="mask")


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
