"""`panoloom evaluate`: what a viewer would notice in a loop, in figures and in sentences."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...shared.errors import ArtifactWriteFailed, InvalidJob
from ..output.manifest import NAME as MANIFEST
from .exits import DONE

if TYPE_CHECKING:
    from ..quality.document import Report

WIDTH = 30
NAMES = {
    "join_worst_view": "loop join, worst of 14 views",
    "join_flow_worst_view": "loop join by flow",
    "velocity_jump": "velocity jump at the join",
    "end_continuity_ratio": "seam step, 1 is unseen",
    "seam_line": "standing line at the seam",
    "discontinuity_score": "discontinuity score",
    "pole_constancy": "pole constancy",
    "pole_crossing": "pole crossing",
    "pole_pinch": "pole pinch, 1 is none",
    "motion_deg_s": "motion, degrees a second",
    "dynamic_degree": "dynamic degree (DIS)",
    "smoothness": "motion smoothness (DIS)",
    "flickering": "temporal flickering",
    "mawe_dis": "MAWE-DIS",
    "cuts": "hard cuts",
    "cuts_rolled": "hard cuts, rolled by half",
    "yaw_rate_deg_s": "turning, degrees a second",
    "flashes_per_s": "flashes a second, worst place",
}


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="what a viewer would notice in a result, a film or a folder of frames",
        epilog="A film or a folder is taken for a loop unless --no-loop is given.",
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="result folder, MP4 or MOV, folder of EXR or PNG")
    add("--out", type=Path, metavar="DIR", help="write quality.json and quality.html there")
    add("--fps", type=float, metavar="F", help="frames a second, where the files do not say")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--loop", dest="loop", action="store_true", default=None, help="it loops")
    ends.add_argument("--no-loop", dest="loop", action="store_false", help="it has two ends")
    add("--surface", choices=("sphere", "ring", "plane"),
        help="what frames lie on (default: a sphere when twice as wide as high)")  # fmt: skip
    add("--json", action="store_true", help="print quality.json")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, write, report. The status is 0 whatever the verdict."""
    from ..quality.report import evaluate_video  # loads OpenCV and torch: not for --help

    if options.out is not None and (options.out / MANIFEST).exists():
        raise InvalidJob(
            f"{options.out} is a result with a report of its own, and stays as it is. Name another "
            "folder with --out.",
            field="out",
        )
    report = evaluate_video(
        options.path, fps=options.fps, loop=options.loop, surface=options.surface
    )
    written = [] if options.out is None else write_report(report, options.out)
    if options.json:
        print(json.dumps(report.to_plain()))
    else:
        print("\n".join(lines(report)))
    for path in written:
        print(path, file=sys.stderr if options.json else sys.stdout)
    return DONE


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the report's files into `folder`, which is made when missing.

    Raises:
        ArtifactWriteFailed: That was not possible.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in report.files().items():
            path = folder / name
            path.write_bytes(data)
            paths.append(path)
    except OSError as why:
        raise ArtifactWriteFailed(
            f"The report could not be written to {folder}: {why.strerror or why}. Name another "
            "folder with --out.",
            path=str(folder),
        ) from why
    return paths


def lines(report: Report) -> list[str]:
    """The verdict and the chief figures, for a terminal."""
    verdict = report.verdict
    found = [f"{verdict.level.upper()}: {verdict.headline}", ""]
    for finding in verdict.findings:
        text = finding.text[:1].upper() + finding.text[1:]
        found.append(f"  {finding.level:<10} {text}")
    found.append("")
    figures = report.figures()
    for name, label in NAMES.items():
        value = figures[name]
        found.append(f"  {label:<{WIDTH}} {'-' if value is None else f'{value:.4g}'}")
    found += [f"  {each['text']}" for each in report.metrics["plugins"].values() if "text" in each]
    return [*found, *report.video["remarks"]]
