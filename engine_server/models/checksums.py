"""Whether a model's files are the ones it was released, or installed, with.

`SHA256SUMS` lies beside the weights, in the format of the program `sha256sum`, one line a file.
Whoever changes weights writes it anew: `python -m panoloom.engine_server.models.checksums FOLDER`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

LIST = "SHA256SUMS"
PATTERN = "*.safetensors"
EVERY = "**/*"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write(folder: Path, *, pattern: str = PATTERN, known: Mapping[str, str] | None = None) -> Path:
    """List the files in `folder`; returns the path of the list.

    Args:
        pattern: Which files: the weights in the folder itself, or `EVERY` file below it.
        known: Hashes that were computed a moment ago, by name.
    """
    known = known or {}
    names = [_name(path, folder) for path in _files(folder, pattern)]
    lines = [f"{known.get(name) or sha256_of(folder / name)}  {name}\n" for name in names]
    target = folder / LIST
    target.write_text("".join(lines), encoding="utf-8")
    return target


def verify(folder: Path, *, pattern: str = PATTERN) -> list[str]:
    """What is wrong with the files in `folder`, a sentence each; empty when all is well."""
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
        elif sha256_of(path) != sha256:
            problems.append(f"{name} is damaged: its hash is not the listed one")
    there = [_name(path, folder) for path in _files(folder, pattern)]
    return problems + [f"{name} is not listed in {LIST}" for name in there if name not in listed]


def sha256_of(path: Path) -> str:
    """Hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path, pattern: str) -> list[Path]:
    """The files meant: not the list itself, nor what is unfinished or hidden."""
    found = [path for path in folder.glob(pattern) if path.is_file() and path.name != LIST]
    return sorted(p for p in found if not p.name.startswith(".") and p.suffix != ".partial")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(write(Path(argument)))
