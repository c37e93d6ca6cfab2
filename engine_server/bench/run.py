"""A whole run: what is cached is read, the rest is made, one file a case in the work folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..worker.models import LoadedModels
from .cases import Case
from .measure import measure

Say = Callable[[str], None]


def run_cases(cases: Sequence[Case], work: Path, *, say: Say) -> list[dict[str, Any]]:
    """Results of all cases, in order; each is written as soon as it is there.

    A run that was stopped goes on where it was, and several may share one folder if they take
    different cases. On the processor each uses one thread: threads that wait for one another count
    as busy, and seconds of the processor would say more of the machine's other work than of ours.

    Args:
        cases: What to measure.
        work: Folder of the results; made when missing.
        say: Told a sentence for every case.
    """
    work.mkdir(parents=True, exist_ok=True)
    models = LoadedModels()
    torch.set_num_threads(1)
    results = []
    for index, case in enumerate(cases):
        path = work / f"{case.key}.json"
        if not path.is_file():
            picture = work / f"{case.key}.jpg"
            result = measure(case, models.load(case.model), picture=picture)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(result, indent=1, sort_keys=True), encoding="utf-8")
            partial.replace(path)
        result = json.loads(path.read_text(encoding="utf-8"))
        results.append(result)
        say(
            f"[{index + 1}/{len(cases)}] {case.variant.name}, '{case.prompt}', seed {case.seed}: "
            f"{result['counts']['evaluations']} evaluations, "
            f"{result['cost']['seconds']:.0f} s"
        )
    return results


def finished(cases: Sequence[Case], work: Path) -> list[dict[str, Any]]:
    """Results of those cases that are there."""
    paths = (work / f"{case.key}.json" for case in cases)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
