"""Measures the preview model: `python -m panoloom.engine_server.models.preview.evaluate`.

Parts: a the family is named, b colour, contrast, sharpness and motion, c the horizon, d variety,
e the autoencoder. Prints a table, or with --json one JSON document. Exit status 0 when all passes,
1 when something does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ....config import cache_folder
from ... import catalog
from .. import families
from ..adapter import PreviewAdapter
from .classifier import FamilyNet, Lesson, kept, renderer_hash, save, trained
from .examples import Sampling
from .horizon import look_for_horizons
from .measure import (
    Clips,
    Size,
    distances,
    facts,
    fidelity,
    gather,
    held_out_psnr_db,
    named,
    named_held_out,
    ratios,
    variety,
)
from .report import markdown, write_card
from .sheets import save_sheet
from .verdicts import LIMITS, verdicts

PARTS = "abcde"
QUICK_LESSON = Lesson(level=50, free=400, epochs=10)
QUICK_SIZE = Size(captions=2, seeds=1, named=10)


def note(line: str) -> None:
    """Tell on standard error how far it is."""
    print(line, file=sys.stderr, flush=True)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="preview-evaluate", description=__doc__)
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON document instead of the table")
    add("--quick", action="store_true", help="fewer clips and a smaller classifier")
    add("--out", type=Path, help="folder for evaluation.json, evaluation.md and contact sheets")
    add("--only", default=PARTS, metavar="a,b,…", help="parts to measure (all)")
    add("--families", default="", metavar="NAME,…", help="families to measure (all)")
    add("--write-card", action="store_true", help="put the table into the model's card")
    add("--weights", type=Path, help="folder of other weights than the shipped ones")
    add("--trained-on", choices=tuple(LIMITS), default="cpu", help="what is asked (%(default)s)")
    add("--captions", type=int, help="held-out worlds a family that a clip is made for")
    add("--work", type=Path, help="where the classifier is kept (the user's cache)")
    add("--classifier", type=Path, metavar="FILE", help="also write the classifier there")
    add("--threads", type=int, default=1, help="of torch (%(default)s)")
    args = parser.parse_args(argv)
    args.only = set(args.only.replace(",", ""))
    if not args.only <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    args.families = [name for name in args.families.split(",") if name] or list(families.FAMILIES)
    unknown = [name for name in args.families if name not in families.FAMILIES]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}; known: {', '.join(families.FAMILIES)}")
    return args


def size_of(args: argparse.Namespace) -> Size:
    """How much is looked at."""
    size = QUICK_SIZE if args.quick else Size()
    if not args.captions:
        return size
    return Size(captions=args.captions, seeds=size.seeds, named=size.named)


def measure_family(
    clips: Clips, classifier: FamilyNet | None, size: Size, parts: set[str]
) -> dict[str, Any]:
    """What is found of one family, plain data."""
    row: dict[str, Any] = dict(fidelity(clips))
    if classifier is not None and "a" in parts:
        made = named(classifier, clips.captioned), named(classifier, clips.plain)
        told = named_held_out(classifier, clips.family, size.named)
        total = made[0] + made[1]
        row["taken_for"] = {
            "captions": dict(made[0]),
            "plain": dict(made[1]),
            "generated": dict(total),
            "through_autoencoder": dict(named(classifier, clips.passed)),
            "held_out": dict(told),
        }
        row["named"] = {
            key: _share(Counter(row["taken_for"][key]), clips.family) for key in row["taken_for"]
        }
    if "b" in parts:
        made, passed = facts(clips.captioned), facts(clips.passed)
        row["generated"], row["through_autoencoder"] = made, passed
        row["rendered"] = facts(clips.rendered)
        row["ratios"], row["ratios_to_rendered"] = (
            ratios(made, passed),
            ratios(made, row["rendered"]),
        )
    if "d" in parts:
        row["variety"] = variety(clips)
    return row


def _share(counts: Counter[str], family: str) -> float:
    return counts[family] / max(1, counts.total())


def overall(
    rows: dict[str, dict[str, Any]], firsts: list[torch.Tensor], psnr_db: float | None = None
) -> dict[str, Any]:
    """Totals over families: top-1, confusion, variety, autoencoder.

    psnr_db: Of frames in every direction; None takes that of the families' clips.
    """
    found: dict[str, Any] = {}
    if all("named" in row for row in rows.values()):
        keys = ("generated", "captions", "plain", "held_out", "through_autoencoder")
        found["top1"] = {
            key: sum(row["named"][key] for row in rows.values()) / len(rows) for key in keys
        }
        found["confusion"] = {
            key: {family: row["taken_for"][key] for family, row in rows.items()}
            for key in ("generated", "held_out")
        }
    varieties = {family: row["variety"] for family, row in rows.items() if "variety" in row}
    found["variety"] = _variety(varieties, firsts)
    count = len(rows)
    level = sum(row["psnr_db"] for row in rows.values()) / count
    found["autoencoder"] = {
        "psnr_db": level if psnr_db is None else psnr_db,
        "level_psnr_db": level,
        "drift_rgb": [sum(row["drift_rgb"][c] for row in rows.values()) / count for c in range(3)],
    }
    return {key: value for key, value in found.items() if value}


def _variety(rows: dict[str, dict[str, float]], firsts: list[torch.Tensor]) -> dict[str, Any]:
    """The families that vary least, and what another prompt does, beside another seed."""
    found: dict[str, Any] = {}
    for key in ("least", "seeds"):
        values = {family: row[key] for family, row in rows.items() if key in row}
        if values:
            family = min(values, key=lambda name: values[name])
            found |= {key: values[family], f"{key}_family": family}
    seeds = [row["seed_distance"] for row in rows.values() if "seed_distance" in row]
    if seeds and len(firsts) > 1:
        found["prompt_effect"] = median(distances(firsts)) / max(median(seeds), 1e-6)
    return found


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for, plain data."""
    started = time.monotonic()
    torch.set_num_threads(args.threads)
    sampling, size = Sampling(), size_of(args)
    adapter = PreviewAdapter(args.weights)
    classifier = None
    if args.only & set("ac"):
        work = args.work or cache_folder() / "evaluation"
        lesson = QUICK_LESSON if args.quick and not kept(Lesson(), work).is_file() else Lesson()
        classifier = trained(lesson, work, note)
        if args.classifier:
            save(classifier, args.classifier)
    rows: dict[str, dict[str, Any]] = {}
    firsts = []
    for family in args.families:
        if not args.only & set("abde"):
            break
        clips = gather(
            adapter, family, size, sampling, make=bool(args.only & set("abd")), note=note
        )
        rows[family] = measure_family(clips, classifier, size, args.only)
        firsts += clips.seeded[:1]
        if args.out and clips.captioned:
            save_sheet(clips, args.out / f"{family}.png")
    report: dict[str, Any] = {
        "settings": {
            "command": "python -m panoloom.engine_server.models.preview.evaluate",
            "quick": args.quick,
            "trained_on": args.trained_on,
            "clips": size.captions,
            **asdict(sampling),
        },
        "revision": "not the shipped one" if args.weights else _revision(),
        "renderer": renderer_hash(),
        "families": rows,
    }
    if rows:
        note("autoencoder: frames in every direction")
        psnr_db = held_out_psnr_db(adapter, 16 if args.quick else 96)
        report |= overall(rows, firsts, psnr_db)
    if "c" in args.only and classifier is not None:
        found = look_for_horizons(adapter, classifier, sampling, quick=args.quick, note=note)
        report["horizon"] = asdict(found)
    report["seconds"] = round(time.monotonic() - started)
    return report


def _revision() -> str:
    return catalog.revision(catalog.MODELS["preview"])


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = arguments(argv)
    report = evaluate(args)
    judged = verdicts(report, LIMITS[args.trained_on])
    report["verdicts"] = [asdict(verdict) for verdict in judged]
    report["passed"] = all(verdict.passed for verdict in judged)
    text = markdown(report, judged)
    document = json.dumps(report, indent=1)
    print(document if args.json else text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "evaluation.json").write_text(document + "\n", encoding="utf-8")
        (args.out / "evaluation.md").write_text(text + "\n", encoding="utf-8")
    if args.write_card:
        write_card(Path(__file__).parents[1] / "weights" / "MODEL_CARD.md", text)
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
