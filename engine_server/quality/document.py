"""A finished evaluation: plain figures, a flat table, JSON, a page.

quality.json (`Report.to_plain`), format version 1: `format`, `format_version`, `video` (what was
measured), `verdict` (level, headline, findings), `figures` (the flat table), `metrics` (every
figure by group; docs/quality.md defines each), `series` (frame by frame), `limits` (what was judged
by) and `tools` (versions). No value is NaN or infinite; what could not be told is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from .figures import plain
from .page import page
from .verdict import LIMITS, Verdict

FORMAT = "panoloom.quality"
FORMAT_VERSION = 1
JSON_NAME = "quality.json"
PAGE_NAME = "quality.html"
TOOLS = ("opencv-python-headless", "scenedetect-headless", "numpy")

_FLAT = {
    "join_worst_view": ("loop_join", "worst_view"),
    "join_against_pairs": ("loop_join", "against_pairs"),
    "loudest_pair": ("loop_join", "loudest_pair"),
    "join_mean_view": ("loop_join", "mean_view"),
    "join_worst_region": ("loop_join", "worst_region"),
    "join_flow_worst_view": ("loop_join", "worst_view_by_flow"),
    "velocity_jump": ("velocity_dis", "jump"),
    "velocity_jump_interior_p95": ("velocity_dis", "interior_p95"),
    "ping_pong": ("loop_join", "ping_pong"),
    "end_continuity": ("seam", "end_continuity"),
    "end_continuity_ratio": ("seam", "ratio"),
    "end_continuity_interior_p95": ("seam", "interior_p95"),
    "seam_line": ("seam", "line"),
    "seam_line_interior_p95": ("seam", "line_interior_p95"),
    "discontinuity_score": ("seam", "discontinuity_score"),
    "flickering": ("flickering", "score"),
    "dynamic_degree": ("dynamic_degree_dis", "is_dynamic"),
    "dynamic_top5": ("dynamic_degree_dis", "top5_px256"),
    "motion_deg_s": ("warp_dis", "mean_speed_deg_s"),
    "smoothness": ("smoothness_dis", "score"),
    "boiling": ("smoothness_dis", "boiling"),
    "mawe_dis": ("warp_dis", "mawe_dis"),
    "cuts": ("cuts", "cuts"),
    "cuts_rolled": ("cuts", "cuts_rolled"),
    "yaw_rate_deg_s": ("comfort", "yaw_rate_deg_s"),
    "tilt_rate_deg_s": ("comfort", "tilt_rate_deg_s"),
    "horizon_drift_deg": ("comfort", "horizon_tilt_deg"),
    "sharpness": ("look", "sharpness"),
    "contrast": ("look", "contrast"),
}
_WORSE_POLE = {
    "pole_constancy": "constancy",
    "pole_closing": "closing",
    "pole_crossing": "crossing",
    "pole_pinch": "pinch",
    "pole_spin_deg_s": "spin_deg_s",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is known of a video.

    Attributes:
        video: What was measured.
        metrics: Every figure, by group; docs/quality.md defines them.
        series: Figures frame by frame.
        verdict: What it means for a viewer.
        pictures: Name to bytes (PNG or JPEG) of what the page shows.
    """

    video: dict[str, Any]
    metrics: dict[str, Any]
    series: dict[str, Any]
    verdict: Verdict
    pictures: dict[str, bytes] = field(default_factory=dict, repr=False)

    def figures(self) -> dict[str, float | None]:
        """One number a figure, for tables; None where it could not be told."""
        found: dict[str, float | None] = {}
        for name, (group, key) in _FLAT.items():
            found[name] = _number((self.metrics.get(group) or {}).get(key))
        poles = self.metrics.get("poles") or {}
        for name, key in _WORSE_POLE.items():
            values = [pole[key] for pole in poles.values() if pole[key] is not None]
            found[name] = _number(max(values, key=_badness(key), default=None))
        found["flashes_per_s"] = _number(self.metrics["flashes"]["general"]["flashes_per_s"])
        return found

    def to_plain(self) -> dict[str, Any]:
        """The content of quality.json."""
        return plain(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "video": self.video,
                "verdict": self.verdict.to_plain(),
                "figures": self.figures(),
                "metrics": self.metrics,
                "series": self.series,
                "limits": LIMITS,
                "tools": {name: metadata.version(name) for name in TOOLS},
            }
        )

    def to_json(self) -> bytes:
        """quality.json: sorted keys, no NaN; the same video gives the same bytes."""
        text = json.dumps(self.to_plain(), sort_keys=True, indent=1, allow_nan=False)
        return text.encode("ascii") + b"\n"

    def to_html(self) -> bytes:
        """quality.html: one page that needs nothing else."""
        return page(self.to_plain(), self.pictures)

    def files(self) -> dict[str, bytes]:
        """The files of a report by name."""
        return {JSON_NAME: self.to_json(), PAGE_NAME: self.to_html()}

    def summary(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"level": self.verdict.level, "headline": self.verdict.headline, "report": JSON_NAME}


def _number(value: Any) -> float | None:
    return None if value is None else float(plain(float(value)))


def _badness(key: str) -> Callable[[float], float]:
    """How far a pole's figure is from what it should be."""
    if key == "pinch":
        return lambda value: abs(float(np.log(max(value, 1e-6))))
    return abs
