"""From cached results to tables: mean and spread of every figure, the best in bold, losses too."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..marked_text import put_between

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of a table.

    Attributes:
        title: Its head.
        group, name: Where it lies in a result.
        better: -1 the smaller, 1 the larger, 0 neither.
        digits: After the point.
    """

    title: str
    group: str
    name: str
    better: int
    digits: int = 2


COST = (
    Column("evaluations", "counts", "evaluations", -1, 0),
    Column("windows a step", "counts", "evaluations_a_step", -1, 1),
    Column("redundancy", "counts", "redundancy", -1, 2),
    Column("s in the model", "cost", "model_seconds", -1, 1),
    Column("seconds", "cost", "seconds", -1, 1),
    Column("overhead", "cost", "overhead", -1, 3),
    Column("by the clock", "cost", "wall_s", 0, 1),
    Column("peak MiB", "cost", "host_mib", -1, 0),
)
QUALITY = (
    Column("join, worst view", "quality", "join_worst_view", -1),
    Column("join / all pairs", "quality", "join_against_pairs", -1),
    Column("loudest pair", "quality", "loudest_pair", -1),
    Column("seam / inside", "quality", "end_continuity_ratio", -1),
    Column("pole constancy", "quality", "pole_constancy", -1),
    Column("pole crossing", "quality", "pole_crossing", -1),
    Column("smoothness", "quality", "smoothness", 1, 4),
    Column("boiling", "quality", "boiling", -1, 3),
    Column("dynamic top 5 %", "quality", "dynamic_top5", 0),
    Column("flickering", "quality", "flickering", 1, 4),
    Column("MAWE-DIS", "quality", "mawe_dis", -1, 3),
    Column("sharpness", "quality", "sharpness", 1, 3),
    Column("contrast", "quality", "contrast", 0, 3),
)


def values(results: Sequence[Result], column: Column) -> list[float]:
    """What is known of a figure over the results of one variant."""
    found = (result[column.group].get(column.name) for result in results)
    return [float(value) for value in found if value is not None and math.isfinite(value)]


def mean_and_spread(found: Sequence[float]) -> tuple[float, float] | None:
    """Mean and standard deviation, or None for nothing."""
    if not found:
        return None
    return statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else 0.0


def summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row a variant and table, in order of appearance: plain data."""
    rows = []
    for table, variant in dict.fromkeys((r["table"], r["variant"]) for r in results):
        own = [r for r in results if (r["table"], r["variant"]) == (table, variant)]
        figures = {}
        for column in (*COST, *QUALITY):
            pair = mean_and_spread(values(own, column))
            figures[column.name] = None if pair is None else {"mean": pair[0], "spread": pair[1]}
        rows.append(
            {
                "table": table,
                "variant": variant,
                "runs": len(own),
                "size": own[0]["size"],
                "machines": sorted({r["machine"] for r in own}),
                "devices": sorted({r["device"] for r in own}),
                "figures": figures,
            }
        )
    return rows


def markdown(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    """Rows of `summary` as a Markdown table, `mean ± spread`; the best mean in bold."""
    head = f"| variant | runs | {' | '.join(column.title for column in columns)} |"
    lines = [head, f"|---|---|{'---|' * len(columns)}"]
    best = {column.name: _best(rows, column) for column in columns}
    for row in rows:
        cells = [_cell(row, column, best[column.name]) for column in columns]
        lines.append(f"| {row['variant']} | {row['runs']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _best(rows: Sequence[dict[str, Any]], column: Column) -> float | None:
    means = [f["mean"] for row in rows if (f := row["figures"][column.name]) is not None]
    if column.better == 0 or len(means) < 2:
        return None
    return max(means) if column.better > 0 else min(means)


def _cell(row: dict[str, Any], column: Column, best: float | None) -> str:
    figure = row["figures"][column.name]
    if figure is None:
        return "-"
    text = f"{figure['mean']:.{column.digits}f}"
    if figure["mean"] == best:
        text = f"**{text}**"
    return f"{text} ± {figure['spread']:.{column.digits}f}" if figure["spread"] else text


def document(rows: Sequence[dict[str, Any]], command: str) -> dict[str, str]:
    """The texts of both tables by name, each with the command and machine it was read on."""
    texts = {}
    for table in ("methods", "ablation"):
        own = [row for row in rows if row["table"] == table]
        if own:
            size = "x".join(str(side) for side in own[0]["size"])
            machines = "; ".join(sorted({name for row in own for name in row["machines"]}))
            note = f"`{command}`, {size} pixels, on: {machines}. Mean ± standard deviation."
            if all(row["devices"] == ["cpu"] for row in own):
                note += " Seconds are of the processor, one thread; *by the clock* others share it."
            texts[table] = "\n\n".join((note, markdown(own, COST), markdown(own, QUALITY)))
    return texts


def with_tables(text: str, tables: dict[str, str]) -> str:
    """A document with its tables put between ``<!-- bench:NAME -->`` and ``<!-- /bench -->``.

    Raises:
        ValueError: There is no such place for one of them.
    """
    for name, table in tables.items():
        text = put_between(text, table, begin=f"<!-- bench:{name} -->", end="<!-- /bench -->")
    return text
