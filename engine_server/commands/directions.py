"""Words for a direction on the command line: `--sky`, `--horizon`, `--ground`, `--at`, and angles.

`--at` may begin with a minus sign, which argparse would take for an option: `spelled` guards it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobs import Place

AT = "YAW,PITCH,RADIUS"
_ANGLES_BELOW_ZERO = re.compile(r"-\s*[\d.][^,\s]*(,[^,\s]+)+")


def add_direction_words(parser: argparse.ArgumentParser) -> None:
    """The words for parts of the panorama."""
    group = parser.add_argument_group(
        "prompts by direction", "Degrees; yaw 0 is the middle, to the right is positive, up too."
    )
    group.add_argument("--sky", default="", metavar="TEXT", help="what is up there")
    group.add_argument("--horizon", default="", metavar="TEXT", help="what is all around")
    group.add_argument("--ground", default="", metavar="TEXT", help="what is down there")
    add_place_word(group, "what is at one place; may be given again")


def add_place_word(parser: Any, help: str) -> None:
    """`--at YAW,PITCH,RADIUS TEXT`, any number of times, as `options.at`, in a parser or group."""
    parser.add_argument("--at", nargs=2, action="append", metavar=(AT, "TEXT"), help=help)


def places_of(options: argparse.Namespace) -> tuple[Place, ...]:
    """The places of `--at`.

    Raises:
        InvalidJob: Angles that do not read like angles.
    """
    found = []
    for where, text in options.at or ():
        yaw_deg, pitch_deg, radius_deg = angles(where, "at", AT, "90,20,30")
        found.append(Place(text=text, yaw_deg=yaw_deg, pitch_deg=pitch_deg, radius_deg=radius_deg))
    return tuple(found)


def angles(text: str, word: str, names: str, example: str) -> tuple[float, float, float]:
    """Three numbers with commas between them.

    Raises:
        InvalidJob: It does not read like that; `details["field"]` is `word`.
    """
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError as why:
        raise InvalidJob(
            f"--{word} takes {names} in degrees, like {example}, not '{text.strip()}'.", field=word
        ) from why
    return first, second, third


def spelled(words: Sequence[str]) -> list[str]:
    """The words of the command line, with a space before angles that begin with a minus sign."""
    return [f" {word}" if _ANGLES_BELOW_ZERO.fullmatch(word) else word for word in words]
