"""Whether a model's files are the ones it was released with.

`SHA256SUMS` lies beside the weights, in the format of the program `sha256sum`, one line a file.
Whoever changes weights writes it anew: `python -m panoloom.engine_server.models.checksums FOLDER`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

LIST = "SHA256SUMS"
PATTERN = "*.safetensors"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write(folder: Path) -> Path:
    """List the weights in `folder`; returns the path of the list."""
    lines = [f"{_sha256(path)}  {path.name}\n" for path in sorted(folder.glob(PATTERN))]
    target = folder / LIST
    target.write_text("".join(lines), encoding="utf-8")
    return target


def verify(folder: Path) -> list[str]:
    """What is wrong with the weights in `folder`, a sentence each; empty when all is well."""
    try:
        text = (folder / LIST).read_text(encoding="utf-8")
    except OSError:
        return [f"There is no {LIST} to hold the weights against"]
    listed = {name: sha256 for sha256, name in _LINE.findall(text)}
    problems = []
    for name, sha256 in listed.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif _sha256(path) != sha256:
            problems.append(f"{name} is damaged: its hash is not the listed one")
    extra = sorted(p.name for p in folder.glob(PATTERN) if p.name not in listed)
    return problems + [f"{name} is not listed in {LIST}" for name in extra]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(write(Path(argument)))
