"""What counts as good enough, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GATED = ("colour", "contrast", "slope", "motion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the evaluation asks for.

    Attributes:
        top1: Share of generated clips whose family the classifier names.
        low, high: Between these each ratio of generated to rendered has to lie.
    """

    top1: float
    low: float
    high: float


LIMITS = {
    "cpu": Limits(top1=0.70, low=0.5, high=2.0),
    "gpu": Limits(top1=0.85, low=0.7, high=1.4),
}
"""By what the model was trained on."""

LEAST_CORRELATION = 0.9
WORST_HORIZON_PX = 8.0  # of 128
LEAST_ORDERED = 0.8
LEAST_SEEDS = 0.1
LEAST_VARIETY = 0.5
LEAST_PROMPT_EFFECT = 1.0
LEAST_PSNR_DB = 32.0
WORST_DRIFT = 2.0 / 255.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the judgement."""

    what: str
    value: str
    rule: str
    passed: bool


def outside(families: dict[str, Any], limits: Limits) -> list[str]:
    """Families and statistics whose ratio lies outside the limits."""
    return [
        f"{family} {name} {row['ratios'][name]:.2f}"
        for family, row in families.items()
        for name in GATED
        if "ratios" in row and not limits.low <= row["ratios"][name] <= limits.high
    ]


def verdicts(report: dict[str, Any], limits: Limits) -> list[Verdict]:
    """A judgement of each part that was measured."""
    found: list[Verdict] = []

    def judge(what: str, value: str, rule: str, passed: bool) -> None:
        found.append(Verdict(what=what, value=value, rule=rule, passed=passed))

    if "top1" in report:
        top1 = report["top1"]
        value = f"{top1['generated']:.1%} (rendered: {top1['held_out']:.1%})"
        judge("(a) family named", value, f"at least {limits.top1:.0%}", _at_least(top1, limits))
    rows = report["families"]
    if any("ratios" in row for row in rows.values()):
        wrong = outside(rows, limits)
        total = len(GATED) * len(rows)
        value = f"{total - len(wrong)} of {total}" + (f"; {', '.join(wrong)}" if wrong else "")
        rule = f"all within {limits.low} to {limits.high}"
        judge("(b) colour, contrast, slope, motion", value, rule, not wrong)
    if "horizon" in report:
        _judge_horizon(report["horizon"], judge)
    if "variety" in report:
        _judge_variety(report["variety"], judge)
    if "autoencoder" in report:
        psnr, drift = report["autoencoder"]["psnr_db"], report["autoencoder"]["drift_rgb"]
        level = report["autoencoder"]["level_psnr_db"]
        value = f"{psnr:.1f} dB (wide views of the horizon alone: {level:.1f} dB)"
        judge("(e) autoencoder", value, f"at least {LEAST_PSNR_DB:g} dB",
              psnr >= LEAST_PSNR_DB)  # fmt: skip
        worst = max(abs(value) for value in drift)
        judge("(e) colour drift", f"{255 * worst:.2f} of 255", f"at most {255 * WORST_DRIFT:g}",
              worst <= WORST_DRIFT)  # fmt: skip
    return found


def _at_least(top1: dict[str, float], limits: Limits) -> bool:
    return top1["generated"] >= limits.top1


def _judge_horizon(found: dict[str, Any], judge: Any) -> None:
    value = f"{found['correlation']:.3f} (rendered: {found['rendered_correlation']:.3f})"
    judge("(c) horizon, told: correlation", value, f"at least {LEAST_CORRELATION}",
          found["correlation"] >= LEAST_CORRELATION)  # fmt: skip
    value = f"{found['error_px']:.1f} px of 128 (rendered: {found['rendered_error_px']:.1f})"
    judge("(c) horizon, told: error", value, f"at most {WORST_HORIZON_PX:g} px",
          found["error_px"] <= WORST_HORIZON_PX)  # fmt: skip
    for key, what in (("told_", "told 60° up, level, 60° down"), ("", "untold, by words")):
        read = ", ".join(f"{n} {value:+.0f}°" for n, value in found[f"{key}pitch_deg"].items())
        share = found[f"{key}ordered"]
        judge(f"(c) direction, {what}", f"{share:.0%} in order; read: {read}",
              f"at least {LEAST_ORDERED:.0%} in order", share >= LEAST_ORDERED)  # fmt: skip


def _judge_variety(found: dict[str, Any], judge: Any) -> None:
    asked = {
        "seeds": ("two seeds of one prompt, to rendered worlds", LEAST_SEEDS),
        "least": ("nearest pair, to that of rendered worlds", LEAST_VARIETY),
        "prompt_effect": ("another prompt, to another seed", LEAST_PROMPT_EFFECT),
    }
    for key, (what, least) in asked.items():
        if key in found:
            family = f" ({found[f'{key}_family']})" if f"{key}_family" in found else ""
            value = f"{found[key]:.2f}{family}"
            judge(f"(d) {what}", value, f"at least {least:g}", found[key] >= least)
