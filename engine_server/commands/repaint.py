"""`panoloom repaint`: one part of a finished loop made anew, every pixel outside left as it is."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobcheck import MAX_SEED, is_plane
from ...shared.jobs import Base, Part, Place
from ..models import catalog
from .access import add_executor_words, add_library_word, asked_executors, library_of
from .directions import add_place_word, places_of
from .generate import make
from .request import Request
from .result import Result, read_result

FEATHER_DEG = 8.0
"""Over so much the new goes over into the old, when nothing is said about it."""


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "repaint",
        help="make one part of a finished result anew",
        epilog="Every pixel outside of the part and its feather stays as it is, bit by bit, in the "
        "EXR frames; the movie is encoded anew. The result is a new folder; the old one stays.",
    )
    parser.add_argument("result", type=Path, metavar="DIR", help="folder of the result")
    add_place_word(parser, "which part, in degrees, and what to show there")
    parser.add_argument(
        "--feather",
        type=float,
        default=FEATHER_DEG,
        metavar="DEG",
        help="around the part, where new goes over into old (%(default)g)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="default: the result's, plus one")
    parser.add_argument(
        "--sigma",
        type=float,
        default=1.0,
        metavar="S",
        help="noise level the part is brought to: below 1 something of it stays (%(default)g)",
    )
    add_library_word(parser, default="where DIR lies")
    add_executor_words(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, check, submit, watch, report."""
    result = read_result(options.result)
    places = places_of(options)
    if len(places) != 1:
        raise InvalidJob(
            f'One part at a time: give --at YAW,PITCH,RADIUS "text" once, not {len(places)} times.',
            field="at",
        )
    library = result.folder.parent
    if options.library is not None and library.resolve() != library_of(options).resolve():
        raise InvalidJob(
            f"{result.folder} does not lie in the library {library_of(options)}: what stays of a "
            "result is read where it lies. Leave the library out.",
            field="library",
        )
    request = repainted(
        result, places[0], feather_deg=options.feather, seed=options.seed, sigma=options.sigma
    )
    executors = asked_executors(options)
    return make(request, library, as_json=options.json, executors=executors)


def repainted(
    result: Result,
    place: Place,
    *,
    feather_deg: float = FEATHER_DEG,
    seed: int | None = None,
    sigma: float = 1.0,
) -> Request:
    """The job that makes `place` of `result` anew.

    Args:
        feather_deg: Around it, where new goes over into old.
        seed: Of the new part; None is the result's plus one.
        sigma: Noise level the part is brought to.

    Raises:
        InvalidJob: Angles, seed or noise level that cannot be, or a flat picture.
    """
    old = result.spec
    if is_plane(old.method):
        raise InvalidJob(
            f"{result.folder} is a flat picture; only parts of panoramas can be repainted.",
            field="folder",
        )
    part = Part(
        yaw_deg=place.yaw_deg,
        pitch_deg=place.pitch_deg,
        radius_deg=place.radius_deg,
        feather_deg=feather_deg,
        manifest_sha256=result.manifest_sha256,
    )
    spec = replace(
        old,
        seed=(old.seed + 1) % (MAX_SEED + 1) if seed is None else seed,
        reference=None,
        places=(*old.places, place),
        base=Base(sha256=result.latents_sha256, sigma=sigma, part=part),
        stages=(),
    )
    spec.validate()
    planned = catalog.plan(spec)
    return Request(spec=planned, estimate_s=catalog.estimate_s(planned), blobs=(result.latents,))
