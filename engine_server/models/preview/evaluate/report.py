"""The evaluation as a table, in the terminal and in the model's card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....marked_text import put_between
from .verdicts import GATED, Verdict

BEGIN, END = "<!-- evaluation -->", "<!-- end of evaluation -->"

LEGEND = """\
Per family: *named*: clips whose family the classifier names, of those made for captions of held-out
worlds and for plain prompts; *rendered*: the same of held-out rendered clips. *colour* (mean of
red, green or blue, whichever is furthest off), *contrast* (RMS), *slope* (of the log power
spectrum; below 1 is sharper), *motion* (mean optical flow): generated over rendered, the latter
through the autoencoder; *fine* is the amplitude of detail finer than a latent cell, and is not
judged. *nearest*: distance of the most alike pair of clips, over that of the worlds they were
asked for. *PSNR* of the autoencoder on the family's wide views of the horizon, its hardest frames;
(e) is judged on held-out frames in every direction and field of view, as training draws them."""


def family_table(families: dict[str, Any]) -> list[str]:
    """Markdown rows, a family each."""
    lines = [
        f"| family | named | rendered | {' | '.join(GATED)} | fine | nearest | PSNR |",
        "|---" * (len(GATED) + 6) + "|",
    ]
    for family, row in families.items():
        shares = row.get("named", {})
        cells = [family, *(_share(shares.get(key)) for key in ("generated", "held_out"))]
        measured = row.get("ratios", {})
        cells += [_number(measured.get(name)) for name in (*GATED, "fine")]
        cells += [_number(row.get("variety", {}).get("least")), _number(row.get("psnr_db"), 1)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def confusion_lines(confusion: dict[str, dict[str, int]], what: str) -> list[str]:
    """What was taken for what, in a sentence; nothing where nothing was."""
    wrong = [
        f"{family} for {other} ({count})"
        for family, row in confusion.items()
        for other, count in row.items()
        if other != family
    ]
    return [f"Taken for another, {what}: {', '.join(wrong) or 'none'}."]


def markdown(report: dict[str, Any], judged: list[Verdict]) -> str:
    """The whole evaluation as markdown."""
    settings = report["settings"]
    lines = [
        f"`{settings['command']}`, model {report['revision']}, renderer {report['renderer']}: "
        f"{settings['steps']} steps, guidance {settings['guidance_scale']:g}, "
        f"shift {settings['shift']:g}, {settings['clips']} clips a family"
        f"{'' if not settings['quick'] else ' (quick)'}; judged as trained on a "
        f"{settings['trained_on'].upper()}.",
        "",
        "| what | found | asked | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {v.what} | {v.value} | {v.rule} | {'pass' if v.passed else '**fail**'} |"
        for v in judged
    ]
    if not report["families"]:
        return "\n".join(lines)
    lines += ["", *family_table(report["families"]), ""]
    for key, what in (("generated", "generated"), ("held_out", "rendered")):
        if key in report.get("confusion", {}):
            lines += confusion_lines(report["confusion"][key], what)
    return "\n".join([*lines, "", LEGEND])


def write_card(card: Path, text: str) -> None:
    """Put the evaluation between its marks in the model's card, or at the end if it has none."""
    before = card.read_text(encoding="utf-8")
    if BEGIN not in before:
        before = f"{before.rstrip()}\n\n## Evaluation\n{BEGIN}\n{END}\n"
    card.write_text(put_between(before, text, begin=BEGIN, end=END), encoding="utf-8")
