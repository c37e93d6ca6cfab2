"""Files of weights that can be read without running anything in them, and those that cannot.

A safetensors file begins with the length of a JSON table (eight bytes, little endian) that names
every tensor with its type, shape and place; nothing in it is executable. A pickle (`.bin`, `.pt`,
`.ckpt`, `.pth`) is a program that runs when it is read: those are refused.
Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ...shared.errors import InvalidJob

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
SAFE = (".safetensors", ".gguf")
MAX_HEADER_BYTES = 100_000_000
_ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
}

CONVERT = (
    "Convert it to safetensors where you trust it: "
    '`python -c "import sys, torch, safetensors.torch as s; w = torch.load(sys.argv[1], '
    "weights_only=True); s.save_file(w.get('state_dict', w), sys.argv[2])\" "
    "{name} {stem}.safetensors`, then install that file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What the table of a file says of a tensor."""

    dtype: str
    shape: tuple[int, ...]


def is_pickle(name: str) -> bool:
    """Whether a file of this name is a pickle."""
    return name.lower().endswith(PICKLES)


def refuse_pickle(path: Path) -> None:
    """Refuse a pickle, whatever its name, with the reason and the way to convert it.

    Raises:
        InvalidJob: It is one.
    """
    if not is_pickle(path.name):
        with path.open("rb") as file:
            start = file.read(4)
        if start[:2] != b"PK" and not (start[:1] == b"\x80" and start[1:2] <= b"\x05"):
            return
    raise InvalidJob(
        f"{path.name} is a pickle: reading it would run whatever program it holds, so it is not "
        f"read. {CONVERT.format(name=path.name, stem=path.stem)}",
        field="source",
    )


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors that a safetensors file holds, by name; no weight is read.

    Raises:
        InvalidJob: It is a pickle, no safetensors file, or cut off.
    """
    refuse_pickle(path)
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise ValueError(f"a table of {length} bytes in a file of {size}")
            table = json.loads(file.read(length))
        table.pop("__metadata__", None)
        found, end = {}, 0
        for name, fact in table.items():
            begin, stop = fact["data_offsets"]
            shape = tuple(int(side) for side in fact["shape"])
            bits = _ITEM_BITS.get(fact["dtype"])
            if bits is not None and (stop - begin) * 8 != math.prod(shape) * bits:
                raise ValueError(f"{name} has {stop - begin} bytes for the shape {shape}")
            found[name], end = Tensor(dtype=fact["dtype"], shape=shape), max(end, stop)
        if 8 + length + end != size:
            raise ValueError(f"{8 + length + end} bytes are told of, {size} are there")
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        raise InvalidJob(
            f"{path.name} is no whole safetensors file: {why}. Fetch it again.", field="source"
        ) from why
    return found
