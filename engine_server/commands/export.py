"""`panoloom export`: a result as the file that a headset, a site or Blender takes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from .exits import DONE
from .progress_bar import clock

PRESETS = (
    "web-safe | quest2 | quest3 | vision-pro | youtube | pico | steamvr | blender-hdr | hdri | web"
)
QUIET_STEP, JSON_STEP = 0.1, 0.01
"""Without a terminal, a line for every tenth of the work; for a program, for every hundredth."""


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="make the file that a headset, a site or Blender takes",
        epilog=f"Presets: {PRESETS}. docs/delivery.md has what each of them is.",
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a finished result")
    add("--preset", required=True, metavar="NAME", help="who it is for")
    add("--out", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    add("--size", metavar="WxH", help="another size (default: the loop's own)")
    add("--fit", action="store_true", help="make it smaller where it is too large for the preset")
    add("--codec", choices=("h264", "hevc", "av1"), help="instead of the preset's first")
    add("--yaw", type=float, default=0.0, metavar="DEG", help="what is turned into the middle")
    add("--seconds", type=float, metavar="S", help="play the loop on for at least so long")
    add("--sun", choices=("picture", "lamp"), help="HDR: the sun in the picture, or left to a lamp")
    add("--force", action="store_true", help="replace what is there")
    add("--json", action="store_true", help="print what was made, and progress, as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, make, report."""
    from ..output.export.plan import ExportRequest, plan_export  # loads torch
    from ..output.export.run import export

    request = ExportRequest(
        folder=options.folder,
        preset=options.preset,
        out=options.out,
        size=None if options.size is None else read_size(options.size),
        fit=options.fit,
        codec=options.codec,
        yaw_deg=options.yaw,
        seconds=options.seconds,
        sun_in=options.sun,
        force=options.force,
    )
    plan = plan_export(request)
    os.putenv("SVT_LOG", "1")  # of SVT-AV1: errors alone, else it fills the terminal
    with stopped_like_ctrl_c():
        made = export(plan, Meter(as_json=options.json).show)
    if options.json:
        print(json.dumps({"path": str(made.path), "sidecar": str(made.sidecar), **made.told}))
    else:
        for note in made.notes:
            print(note, file=sys.stderr)
        print(made.path)
    return DONE


def read_size(text: str) -> tuple[int, int]:
    """Width and height out of WIDTHxHEIGHT.

    Raises:
        InvalidJob: It is something else.
    """
    wide, _, high = text.lower().partition("x")
    if not (wide.isdecimal() and high.isdecimal() and len(text) < 16):
        raise InvalidJob(f"A size is WIDTHxHEIGHT, like 4096x2048, not {text!r}.", field="size")
    return int(wide), int(high)


class Meter:
    """Progress and time left on standard error: one line that is rewritten, or one a tenth.

    Args:
        as_json: A line of JSON instead, for a program that shows it:
            {"progress": {"what": "encoding", "done": 3, "total": 16, "left_s": 12.5}}
            `left_s` is null before anything is done.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._what = ""
        self._began = 0.0
        self._said = 0.0
        self._as_json = as_json
        self._step = JSON_STEP if as_json else QUIET_STEP
        self._live = sys.stderr.isatty() and not as_json

    def show(self, what: str, done: int, total: int) -> None:
        """`done` of `total` of what is done now."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._said = what, now, 0.0
        share = done / total
        left_s = (now - self._began) / share * (1 - share) if done else None
        line = f"{what} {done}/{total}" + ("" if left_s is None else f", {clock(left_s)} left")
        if self._live:
            print(f"\r\x1b[K{line}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done in (0, total) or share >= self._said + self._step:
            self._said = share
            if self._as_json:
                told = {"what": what, "done": done, "total": total}
                told["left_s"] = None if left_s is None else round(left_s, 1)
                line = json.dumps({"progress": told})
            print(line, file=sys.stderr, flush=True)


@contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
    """Being told to end is the same as Ctrl-C: what was begun is taken away again."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
