"""The sun that a loop or an export suggests, turned to where the World has it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..shared.errors import InvalidJob

EXPORT, LOOP = "panoloom.export", "panoloom.artifact"
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Sun:
    """A Sun lamp.

    Attributes:
        direction: Unit vector from the middle of the panorama to the sun: x ahead (the centre of
            the panorama), y to the right, z up.
        strength: Blender's, what it sheds on a surface that faces it.
        colour: Linear RGB, the largest is 1.
        angle_deg: How wide it is.
    """

    direction: tuple[float, float, float]
    strength: float
    colour: tuple[float, float, float]
    angle_deg: float


def read_sun(path: Path) -> Sun:
    """What the manifest of a loop, or the sidecar of an export, says of its sun.

    Raises:
        InvalidJob: It is neither, knows no sun, or the picture has all of the sun in it.
    """
    try:
        raw = path.read_bytes()
        told = json.loads(raw) if len(raw) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError) as why:
        raise InvalidJob(f"{path.name} cannot be read: {why}.", field="filepath") from why
    if not isinstance(told, dict) or told.get("format") not in (EXPORT, LOOP):
        raise InvalidJob(
            f"{path.name} does not describe an export. Choose the .json beside an exported film or "
            "folder, or a loop's manifest.json.",
            field="filepath",
        )
    sun = (told if told["format"] == LOOP else told.get("hdr") or {}).get("sun")
    if not sun:
        raise InvalidJob(
            f"{path.name} knows of no sun: none was found in the loop, or it was exported without "
            "light. Export it for Blender HDR.",
            field="filepath",
        )
    found = _sun(sun, path)
    if found.strength <= 0.01 * float(sun["illuminance"]):
        raise InvalidJob(
            "The picture has all of the sun's light already; a lamp would double it. Export with "
            "the sun left to a lamp.",
            field="filepath",
        )
    return found


def is_known(path: Path) -> bool:
    """Whether `read_sun` finds a sun in this file."""
    try:
        read_sun(path)
    except InvalidJob:
        return False
    return True


def towards(
    direction: tuple[float, float, float], mapping_rotation: float
) -> tuple[float, float, float]:
    """A direction of the panorama in the scene, by the turn of the World's texture coordinates."""
    ahead, right, up = direction
    c, s = math.cos(-mapping_rotation), math.sin(-mapping_rotation)
    return (ahead * c + right * s, ahead * s - right * c, up)


def _sun(told: dict[str, Any], path: Path) -> Sun:
    try:
        x, y, z = (float(value) for value in told["direction"])
        red, green, blue = (float(value) for value in told["colour"])
        sun = Sun((x, y, z), float(told["lamp_strength"]), (red, green, blue), told["angle_deg"])
        float(told["illuminance"])
    except (KeyError, TypeError, ValueError) as why:
        raise InvalidJob(f"{path.name} is damaged: {why}.", field="filepath") from why
    if not all(map(math.isfinite, (*sun.direction, *sun.colour, sun.strength, sun.angle_deg))):
        raise InvalidJob(f"{path.name} is damaged: it holds no numbers.", field="filepath")
    return sun
