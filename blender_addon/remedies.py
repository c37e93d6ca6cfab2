"""Errors that a button can mend: what it is called, and what it does. No Blender.

An error carries its remedy as plain data (`field` and `nearest`, a stale engine, a full disk); here
that becomes one action for the panel. Without one an error still has its sentence and Copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.errors import (
    ArtifactWriteFailed,
    EngineUnreachable,
    ModelNotInstalled,
    OutOfMemory,
    PanoloomError,
    ProtocolMismatch,
)
from .core import DEFAULT_MODEL, SIZES, size_name


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button: its text, what it does, and with what.

    Attributes:
        action: "seconds", "size", "model", "directions", "start", "preferences",
            "network" or "log".
        value: Of the setting, where it is one.
    """

    text: str
    action: str
    value: float | str = ""


def remedy_for(error: PanoloomError, *, can_start: bool = False) -> Remedy | None:
    """What mends an error; None when no button can.

    Args:
        can_start: Whether an engine could be started here and now.
    """
    if isinstance(error, EngineUnreachable):
        if "online_access" in error.details:
            return Remedy("Open the preferences", "network")
        if error.details.get("field") == "key":
            return Remedy("Choose the key file", "preferences")
        if can_start:
            return Remedy("Start the engine", "start")
        return Remedy("Read the log", "log") if "log" in error.details else None
    if isinstance(error, ArtifactWriteFailed):
        return Remedy("Choose another library", "preferences")
    if isinstance(error, ProtocolMismatch):
        return None
    if isinstance(error, ModelNotInstalled) and error.details.get("model") != DEFAULT_MODEL:
        return Remedy("Take the preview model", "model", DEFAULT_MODEL)
    if isinstance(error, OutOfMemory):
        return _smaller(error.details)
    return _of_the_field(error.details)


def _of_the_field(details: dict[str, Any]) -> Remedy | None:
    field, nearest = details.get("field"), details.get("nearest")
    if field == "seconds" and isinstance(nearest, (int, float)):
        return Remedy(f"Make it {nearest:g} s", "seconds", float(nearest))
    if field == "address":
        return Remedy("Write another address", "preferences")
    if field == "directions":
        return Remedy("Clear the directions", "directions")
    if field in ("size", "width", "height"):
        name = _size(nearest)
        return Remedy(f"Make it {name}", "size", name) if name else None
    return None


def _smaller(details: dict[str, Any]) -> Remedy | None:
    name = _size(details.get("largest_that_fits")) or next(iter(SIZES))
    return Remedy(f"Make it {name}", "size", name)


def _size(value: object) -> str:
    """The panel's name of a size in an error's details, empty when it has none."""
    if isinstance(value, str):
        return value if value in SIZES else ""
    if isinstance(value, Sequence) and len(value) == 2:
        return size_name(*value)
    return ""
