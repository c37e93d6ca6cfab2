"""Figures that need weights of their own: found when a package brings them, told missing when not.

A plug-in is an entry point of the group `panoloom.quality`: a callable
`metric(frames, *, fps, loop, prompt) -> dict` with `frames` a list of at most `MAX_FRAMES` evenly
spaced panoramas [h, w, 3] uint8, RGB, at most 512 pixels across, and plain figures in its answer.
Nothing is downloaded, and nothing stands in for what is not there.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np

GROUP = "panoloom.quality"
MAX_FRAMES = 16
KNOWN = {
    "clip_score": "how well the pictures fit the prompt (CLIP)",
    "aesthetic": "how people would rate the look (LAION aesthetic predictor)",
}


def has_plugins() -> bool:
    """Whether any package brings a figure."""
    return bool(metadata.entry_points(group=GROUP))


def run_plugins(
    frames: list[np.ndarray], *, fps: float, loop: bool, prompt: str
) -> dict[str, dict[str, Any]]:
    """What every plug-in says; one that fails is reported with its error and stops nothing."""
    installed = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({*KNOWN, *installed}):
        if name not in installed:
            found[name] = missing(name)
            continue
        entry = installed[name]
        try:
            figures = dict(entry.load()(frames, fps=fps, loop=loop, prompt=prompt))
        except Exception as why:  # somebody else's code: its failure is a result
            found[name] = {"status": "failed", "text": f"{type(why).__name__}: {why}"}
            continue
        found[name] = {"status": "measured", "from": entry.value, "figures": figures}
    return found


def missing(name: str) -> dict[str, Any]:
    """What is said of a known figure that no package brings."""
    return {
        "status": "not installed",
        "text": f"{KNOWN[name]}: not installed. It needs weights that Panoloom does not ship. "
        f"Install a package with an entry point '{name}' in the group '{GROUP}' into the engine's "
        "environment (docs/quality.md, Plug-ins).",
    }
