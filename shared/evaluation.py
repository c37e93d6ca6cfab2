"""Messages between a worker and those who evaluate views for it: internal, see PROTOCOL.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel(Message):
    """Bring this job's model, at a level of the memory ladder. Answered by ModelLoaded."""

    spec: dict[str, Any]
    level: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoaded(Message):
    """Ready. `numerics` is all that the last bits of an evaluation depend on, in words."""

    pid: int
    device: str
    numerics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPrompt(Message):
    """Keep an encoded prompt, by its hash, until the next LoadModel. Not answered."""

    num_parts: ClassVar[int] = 1

    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(Message):
    """One model call on windows; the fields are those of the adapter's `ViewGeometry`."""

    num_parts: ClassVar[int] = 1

    prompt: str
    sigma: float
    fov_deg: float
    yaw_deg: tuple[float, ...] = ()
    pitch_deg: tuple[float, ...] = ()
    frames: tuple[tuple[int, ...], ...] = ()
    rings: tuple[str, ...] = ()
    sigma_next: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Message):
    """The windows, denoised."""

    num_parts: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFailed(Message):
    """Answers LoadModel or Evaluate: an error of errors.py, or the device's memory ran out."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    ran_out_of_memory: bool = False
