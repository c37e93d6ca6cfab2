"""`run.py bench-addon`: what the add-on costs Blender, as ratios to its budgets. No test."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from environments import ROOT, SetupFailed, clean_environ, say

INSIDE = ROOT / "tests" / "blender" / "inside"
TICK_MS, GROWTH_MB = 5.0, 50.0


def measure(blender: Path, zip_path: Path) -> int:
    """Install the zip into a profile of its own, measure, print; the exit status is 0.

    Raises:
        SetupFailed: Blender did not come to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile")
        run_inside(blender, profile, "install.py", zip_path)
        place = Path(folder, "place")
        place.mkdir()
        found = run_inside(blender, profile, "bench.py", place)
    for line in lines(found):
        say(line)
    return 0


def run_inside(blender: Path, profile: Path, script: str, *words: object) -> Any:
    """The JSON document that a script of `tests/blender/inside` prints.

    Raises:
        SetupFailed: It failed; with its last words.
    """
    environ = clean_environ() | {"BLENDER_USER_RESOURCES": str(profile)}
    command = [str(blender), str(INSIDE / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not told:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise SetupFailed(f"{script} did not come to its end in Blender:\n{last}")
    return json.loads(told[-1].removeprefix("RESULT "))


def lines(found: dict[str, Any]) -> list[str]:
    """The figures, each with its budget and the ratio to it."""
    wall, cpu, growth = found["tick_ms"], found["tick_cpu_ms"], found["swap_growth_mb"]
    table = [
        ("tick, p99, clock", wall["p99"], TICK_MS, "ms"),
        ("tick, p99, processor", cpu["p99"], TICK_MS, "ms"),
        ("50 hot swaps, growth", growth, GROWTH_MB, "MB"),
    ]
    said = [f"Blender {found['blender']}, {found['num_ticks']} ticks with 1000 messages waiting."]
    for name, value, budget, unit in table:
        said.append(
            f"  {name:<22} {value:7.2f} of {budget:g} {unit}, {value / budget:.2f} of the budget"
        )
    medians = f"{wall['median']:7.2f} ms, {cpu['median']:.2f} ms of the processor"
    said.append(f"  tick, median           {medians}")
    said.append(f"  tick, most             {wall['most']:7.2f} ms, {cpu['most']:.2f} ms")
    if hasattr(os, "getloadavg"):
        said.append(f"  load of the machine    {os.getloadavg()[0]:7.2f} ({os.cpu_count()} cores)")
    return said
