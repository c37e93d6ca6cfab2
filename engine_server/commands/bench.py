"""`panoloom bench`: the methods measured against one another, and the parts of one taken away."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...shared.errors import InvalidJob
from .exits import DONE

if TYPE_CHECKING:
    from ..bench.cases import Setting

WORK, DOCUMENT = Path("bench"), Path("docs/method.md")


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench",
        help="measure the methods: evaluations, time, memory, quality",
        description="The same model, prompts, seeds and steps for every method. Every result is "
        "kept in the work folder as soon as it is there; a run that was stopped goes on.",
    )
    words = parser.add_argument
    words("--json", action="store_true", help="print one JSON document")
    words("--quick", action="store_true", help="one prompt, one seed, 3 steps: to see that it runs")
    words("--methods", metavar="A,B", help="methods of the first table; 'none' leaves it out")
    words("--ablation", action="store_true", help="also the parts of 'fused', at twice the size")
    words("--prompts", type=int, metavar="N", help="how many prompts (8)")
    words("--seeds", type=int, metavar="N", help="how many seeds (2)")
    words("--steps", type=int, metavar="N", help="denoising steps of the first stage (12)")
    words("--frames", type=int, metavar="N", help="frames of a loop, at the model's rate (8)")
    words("--width", type=int, metavar="PX", help="width of the panoramas (512)")
    words("--model", metavar="NAME", help="the model (preview)")
    words("--work", type=Path, default=WORK, metavar="DIR", help=f"results so far ({WORK})")
    words("--tables", action="store_true", help="make nothing: the tables of what is there")
    words("--share", metavar="K/N", help="only the K-th of N parts, to run N of them at once")
    words(
        "--write-docs",
        type=Path,
        nargs="?",
        const=DOCUMENT,
        metavar="FILE",
        help=f"put the tables into a document ({DOCUMENT})",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure what is missing, then print the tables of all that is there.

    Raises:
        InvalidJob: A number or name that makes no sense.
    """
    from ..bench import cases, pairs, tables  # they load torch, which no other command waits for
    from ..bench.run import finished, run_cases

    setting = _setting(options)
    every = setting.cases()
    index, count = _share(options.share)
    say = (lambda text: None) if options.json else _say
    if not options.tables:
        run_cases(cases.share_of(every, index, count), options.work, say=say)
    results = finished(every, options.work)
    rows = tables.summary(results)
    texts = pairs.with_pairs(tables.document(rows, _command(options)), results)
    if options.write_docs is not None:
        _write(options.write_docs, tables.with_tables, texts)
    if options.json:
        print(json.dumps({"results": len(results), "of": len(every), "rows": rows}))
        return DONE
    for text in texts.values():
        print(f"\n{text}")
    if len(results) < len(every):
        _say(f"{len(results)} of {len(every)} results are there.")
    return DONE


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _setting(options: argparse.Namespace) -> Setting:
    from ..bench.cases import Setting

    words: dict[str, Any] = {"ablation": options.ablation}
    if options.quick:
        words |= {"num_prompts": 1, "num_seeds": 1, "steps": 3}
    asked = {
        "num_prompts": options.prompts,
        "num_seeds": options.seeds,
        "steps": options.steps,
        "num_frames": options.frames,
        "width": options.width,
        "model": options.model,
    }
    words |= {name: value for name, value in asked.items() if value is not None}
    for name in ("num_prompts", "num_seeds"):
        if words.get(name, 1) < 1:
            raise InvalidJob(f"At least 1 is needed, got {words[name]}.", field=name)
    if options.methods is not None:
        named = [name.strip() for name in options.methods.split(",")]
        words["methods"] = () if named == ["none"] else tuple(named)
    return Setting(**words)


def _share(text: str | None) -> tuple[int, int]:
    """(index from 0, count) of ``K/N``."""
    if text is None:
        return 0, 1
    part, _, count = text.partition("/")
    if part.isdigit() and count.isdigit() and 1 <= int(part) <= int(count):
        return int(part) - 1, int(count)
    raise InvalidJob(f"A share is written K/N, such as 1/2, got '{text}'.", field="share")


def _command(options: argparse.Namespace) -> str:
    """The words that make these tables, without those that only say where they go."""
    words = ["panoloom", "bench"]
    if options.quick:
        words.append("--quick")
    if options.ablation:
        words.append("--ablation")
    for name in ("methods", "prompts", "seeds", "steps", "frames", "width", "model"):
        if getattr(options, name) is not None:
            words += [f"--{name}", str(getattr(options, name))]
    return shlex.join(words)


def _write(path: Path, put: Any, texts: dict[str, str]) -> None:
    if not path.is_file():
        raise InvalidJob(f"There is no document {path} to put tables into.", field="write_docs")
    try:
        text = put(path.read_text(encoding="utf-8"), texts)
    except ValueError as why:
        raise InvalidJob(f"{path}: {why}", field="write_docs") from None
    path.write_text(text, encoding="utf-8")
