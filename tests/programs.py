"""Small programs that tests start, written for the Python that runs: pytest's, or Blender's."""

from __future__ import annotations

import sys
from pathlib import Path


def write_program(path: Path, source: str) -> str:
    """A program that this Python runs, wherever that lies: `#!` takes no path with spaces."""
    head = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
    path.write_text(head + source)
    path.chmod(0o700)
    return str(path)
