"""The latents a result keeps, so that it can be refined or repainted later: the head of the file.

A latents file is safetensors with one tensor, `latents`, float32 [C, F, H, W], and a table of facts
about it. The head says all that a request has to be checked against; it is read here without any
library of arrays. Equal latents with equal facts have equal bytes.

Source: the safetensors format: 8 bytes that count the header's, little-endian, then the header in
JSON, then the numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from .errors import InvalidJob

NAME = "latents.safetensors"
TENSOR = "latents"
FORMAT = "panoloom.latents"
FORMAT_VERSION = "1"
MAX_HEAD_BYTES = 64 * 1024
_ITEM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsHead:
    """What a latents file says of itself.

    Attributes:
        channels, frames, height, width: C, F, H, W: channels of a cell, latent frames, and cells
            of the grid.
        model, model_revision: What made them, and what alone can read them.
        method, seed: How they were made.
        numerics_version: Of the engine that made them.
        fps: Model frames a second.
        loop: Whether time is a ring.
    """

    channels: int
    frames: int
    height: int
    width: int
    model: str
    model_revision: str
    method: str
    seed: int
    numerics_version: str
    fps: float
    loop: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, F, H, W)."""
        return self.channels, self.frames, self.height, self.width

    @property
    def data_bytes(self) -> int:
        """Bytes of the numbers behind the head."""
        return math.prod(self.shape) * _ITEM_BYTES

    def to_bytes(self) -> bytes:
        """The beginning of the file, up to the numbers."""
        facts = {name: _text(value) for name, value in asdict(self).items()}
        facts |= {"format": FORMAT, "format_version": FORMAT_VERSION, "sigma": "0"}
        tensor = {"dtype": "F32", "shape": self.shape, "data_offsets": (0, self.data_bytes)}
        header = json.dumps(
            {"__metadata__": facts, TENSOR: tensor}, sort_keys=True, separators=(",", ":")
        )
        padded = header + " " * (-len(header) % 8)  # numbers begin at a multiple of 8 bytes
        return len(padded).to_bytes(8, "little") + padded.encode("ascii")


def read_head(file: BinaryIO) -> LatentsHead:
    """The head of a latents file; afterwards `file` stands at the first number.

    Raises:
        InvalidJob: These are not the latents of a result, or those of a newer Panoloom.
    """
    length = int.from_bytes(file.read(8), "little")
    raw = file.read(length) if 2 <= length <= MAX_HEAD_BYTES else b""
    try:
        header = json.loads(raw)
        facts, tensor = dict(header["__metadata__"]), header[TENSOR]
        known = facts["format"] == FORMAT
        version = facts["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise _foreign() from why
    if known and version != FORMAT_VERSION:
        raise InvalidJob(
            f"The latents have format version {str(version)[:20]}; this Panoloom reads "
            f"{FORMAT_VERSION}. Update Panoloom.",
            field="base",
        )
    head = _head_of(facts) if known else None
    if head is None or tensor != _declared(head):
        raise _foreign()
    return head


def check_maker(head: LatentsHead, model: str, revision: str) -> None:
    """Refuse latents that another model made, which this one cannot read.

    Raises:
        InvalidJob: Says who made them.
    """
    if (head.model, head.model_revision) == (model, revision):
        return
    raise InvalidJob(
        f"The result was made by model '{head.model}' in revision {head.model_revision}; here is "
        f"'{model}' in revision {revision}. Only the model that made latents can go on from them: "
        "make the result again with the model that is here.",
        field="base",
        nearest=revision,
    )


def _declared(head: LatentsHead) -> dict[str, Any]:
    return {"dtype": "F32", "shape": list(head.shape), "data_offsets": [0, head.data_bytes]}


def _head_of(facts: dict[str, Any]) -> LatentsHead | None:
    """The facts as a head, or None where one is missing or makes no sense."""
    try:
        head = LatentsHead(
            channels=int(facts["channels"]),
            frames=int(facts["frames"]),
            height=int(facts["height"]),
            width=int(facts["width"]),
            model=str(facts["model"]),
            model_revision=str(facts["model_revision"]),
            method=str(facts["method"]),
            seed=int(facts["seed"]),
            numerics_version=str(facts["numerics_version"]),
            fps=float(facts["fps"]),
            loop=facts["loop"] == "true",
        )
    except (KeyError, ValueError, TypeError):
        return None
    return head if min(head.shape) > 0 and max(head.shape) <= 2**16 else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _foreign() -> InvalidJob:
    return InvalidJob(
        "These are not the latents of a Panoloom result, or they are damaged.", field="base"
    )
