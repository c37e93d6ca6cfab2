"""Who looks at a job's finished frames while they are written, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What an inspector found.

    Attributes:
        files: Names and bytes that go into the result's folder.
        summary: Plain data for the manifest.
        notes: Sentences for the user.
    """

    files: dict[str, bytes]
    summary: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Inspector(Protocol):
    """Sees every finished frame once, in order."""

    def add(self, frame: np.ndarray) -> None:
        """The next frame [H, W, 3] float32, display-referred sRGB, 0..1."""
        ...

    def finish(self) -> Inspection:
        """What was found, after the last frame."""
        ...
