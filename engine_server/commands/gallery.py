"""One loop of every family of the preview model, measured:
`python -m panoloom.engine_server.commands.gallery --library DIR --out DIR`.

Each loop is an ordinary job of the library: what is there already is not made again, so that a run
which was interrupted goes on where it stopped. Figures are those of quality.json (docs/quality.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...shared.errors import PanoloomError
from ...shared.jobs import JobState
from ...shared.jobview import JobView
from ...shared.wire import new_id
from ..marked_text import put_between
from ..quality.document import JSON_NAME
from ..quality.report import evaluate_video
from .access import add_library_word, engine_or_own, library_of
from .exits import DONE, INTERRUPTED, JOB_FAILED
from .generate import carry_out
from .progress_bar import ProgressBar
from .request import add_job_words, request_from

PROMPTS = {
    "clouds": "fluffy white clouds in a blue sky over green hills",
    "sunset": "orange sunset over the sea with glowing clouds",
    "aurora": "green northern lights over snow and mountains",
    "stars": "starry night with the milky way above mountains",
    "sea": "blue open sea by day with waves",
    "snow": "snowfall over snowy hills and a forest",
    "desert": "golden desert dunes under a blue sky",
    "storm": "a dramatic thunderstorm with lightning over the sea",
    "rain": "grey rain over a meadow and hills",
    "nebula": "purple and blue nebula in deep space",
    "fire": "fire and embers",
    "lava": "red lava under a dark sky",
    "mist": "mountains in the mist in the morning",
    "underwater": "turquoise underwater world with caustics over sand",
    "meadow": "a green meadow with trees by day",
}
"""A prompt for each family of the preview model."""

COLUMNS = {
    "join_worst_view": "join, worst view",
    "join_mean_view": "join, mean",
    "end_continuity": "end continuity",
    "end_continuity_ratio": "its ratio",
    "end_continuity_interior_p95": "inside, 95 %",
    "pole_constancy": "pole constancy",
    "pole_crossing": "pole crossing",
    "motion_deg_s": "motion °/s",
}
"""Figures in the table, and what they are called there."""

BEGIN, END = "<!-- gallery -->", "<!-- end of gallery -->"
TILE_WIDTH = 480
ACROSS = 3


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="panoloom-gallery", description=__doc__)
    add_library_word(parser)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for gallery.json, .md and .jpg")
    add("--families", default=",".join(PROMPTS), help="which (all)")
    add("--size", default="1024x512", help="pixels (%(default)s)")
    add("--frames", type=int, default=16, help="of each loop (%(default)s)")
    add("--seed", type=int, default=1, help="of all loops (%(default)s)")
    add("--docs", type=Path, help="markdown file whose gallery table is written anew")
    args = parser.parse_args(argv)
    args.families = [name for name in args.families.split(",") if name]
    unknown = [name for name in args.families if name not in PROMPTS]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}; known: {', '.join(PROMPTS)}")
    return args


def make_loop(family: str, args: argparse.Namespace, library: Path, bar: ProgressBar) -> JobView:
    """The job of a family, carried out or taken from the library."""
    words = argparse.ArgumentParser()
    add_job_words(words)
    numbers = [f"--size={args.size}", f"--frames={args.frames}", f"--seed={args.seed}"]
    request = request_from(words.parse_args([PROMPTS[family], *numbers]))
    view = JobView(job_id=new_id())
    carry_out(library, request, view, bar)
    return view


def measured(family: str, folder: Path) -> dict[str, Any]:
    """The figures of a result: those that lie in its folder, else measured now."""
    kept = folder / JSON_NAME
    if kept.is_file():
        plain = json.loads(kept.read_text(encoding="utf-8"))
    else:
        plain = evaluate_video(folder).to_plain()
    return {
        "prompt": PROMPTS[family],
        "folder": folder.name,
        "level": plain["verdict"]["level"],
        "headline": plain["verdict"]["headline"],
        "figures": plain["figures"],
    }


def table(rows: dict[str, dict[str, Any]], what: str) -> str:
    """Markdown: a row for each family, and what the loops were made with."""
    lines = [what, "", f"| family | {' | '.join(COLUMNS.values())} | verdict |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for family, row in rows.items():
        cells = [_cell(row["figures"].get(name)) for name in COLUMNS]
        lines.append(f"| {family} | {' | '.join(cells)} | {row['level']} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def contact_sheet(posters: dict[str, Path], across: int = ACROSS) -> np.ndarray:
    """Posters in rows, with the family's name on each, uint8 BGR."""
    height, across = TILE_WIDTH // 2, min(across, len(posters))
    tiles = []
    for family, path in posters.items():
        picture = cv2.imread(str(path))
        if picture is None:
            raise FileNotFoundError(path)
        tile = cv2.resize(picture, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(tile, family, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6,
                        colour, thickness, cv2.LINE_AA)  # fmt: skip
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)]
    return np.vstack(rows)


def write_docs(path: Path, text: str) -> None:
    """Put the table between its marks.

    Raises:
        ValueError: The file has no such marks.
    """
    before = path.read_text(encoding="utf-8")
    path.write_text(put_between(before, text, begin=BEGIN, end=END), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Make, measure, write; exit status 4 when a loop could not be made."""
    args = arguments(argv)
    library = library_of(args)
    args.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}
    posters: dict[str, Path] = {}
    failed = False
    with engine_or_own(library), ProgressBar() as bar:
        for family in args.families:
            bar.say(f"{family}: {PROMPTS[family]}")
            view = make_loop(family, args, library, bar)
            if view.state is JobState.CANCELLED:
                return INTERRUPTED
            if view.artifact is None:
                failed = True
                bar.say(f"{family}: {view.error}")
                continue
            folder = Path(view.artifact.folder)
            rows[family] = measured(family, folder)
            posters[family] = folder / "poster.png"
            bar.say(f"{family}: {rows[family]['level']}, {rows[family]['headline']}")
    if rows:
        write(args, rows, posters)
    return JOB_FAILED if failed else DONE


def write(
    args: argparse.Namespace, rows: dict[str, dict[str, Any]], posters: dict[str, Path]
) -> None:
    """The table, the figures and the pictures."""
    text = table(rows, f"{args.size}, {args.frames} frames, seed {args.seed}, default method.")
    print(text)
    (args.out / "gallery.md").write_text(text + "\n", encoding="utf-8")
    (args.out / "gallery.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    cv2.imwrite(
        str(args.out / "gallery.jpg"), contact_sheet(posters), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )
    if args.docs:
        write_docs(args.docs, text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PanoloomError as why:
        print(f"panoloom: {why}", file=sys.stderr)
        sys.exit(JOB_FAILED)
