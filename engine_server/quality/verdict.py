"""What the figures mean for somebody who looks around inside: sentences, with where and when.

A finding is `fine`, `noticeable` (a viewer who looks there will see it) or `faulty` (everybody
will, or it may harm); the verdict is its worst finding. Limits are the design's budgets and those
of the references named in docs/quality.md; those of comfort and of the poles are our own judgement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import flashes, loop_join, seam
from .canvas import Canvas, Place
from .views import Views

FINE, NOTICEABLE, FAULTY = "fine", "noticeable", "faulty"
_ORDER = (FINE, NOTICEABLE, FAULTY)

LIMITS: dict[str, float] = {
    "join_ratio": loop_join.LIMIT,
    "join_ratio_noticeable": 1.5,
    "join_ratio_faulty": 2.0,
    "join_over_max": 1.15,
    "join_region_over_max": 1.3,
    "join_over_excess": 1.1,
    "join_stall": loop_join.STALL,
    "velocity_jump_over_p95": 1.2,
    "velocity_jump_least": 0.6,
    "ping_pong": 0.15,
    "seam_ratio": seam.LIMIT,
    "seam_ratio_faulty": 2.0,
    "seam_line": 4.0,
    "seam_line_faulty": 10.0,
    "pole_closing": 2.0,
    "pole_pinch": 2.0,
    "pole_spin_deg_s": 12.0,
    "pole_spin_of_yaw": 0.15,
    "pole_spin_share": 0.5,
    "yaw_rate_deg_s": 10.0,
    "tilt_rate_deg_s": 2.0,
    "horizon_tilt_deg": 3.0,
    "turning_share": 0.5,
    "flashes_per_s": flashes.MAX_FLASHES,
    "flash_area_sr": flashes.AREA_SR,
    "boiling": 0.75,
    "still_levels": 0.05,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: fine, noticeable or faulty.
        about: The group of figures it rests on.
        text: A sentence.
        place: Where to look, if it is somewhere.
        second: When, if it is at some time.
    """

    level: str
    about: str
    text: str
    place: Place | None = None
    second: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """As quality.json has it."""
        return {
            "level": self.level,
            "about": self.about,
            "text": self.text,
            "yaw_deg": None if self.place is None else self.place.yaw_deg,
            "pitch_deg": None if self.place is None else self.place.pitch_deg,
            "second": self.second,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, worst first."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> str:
        """That of the worst finding."""
        return max((each.level for each in self.findings), key=_ORDER.index, default=FINE)

    @property
    def headline(self) -> str:
        """One sentence for the note of a job."""
        bad = [each for each in self.findings if each.level == self.level]
        if self.level == FINE:
            return "Nothing was found that a viewer would notice."
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        lead = "A viewer will notice" if self.level == FAULTY else "A viewer may notice"
        return f"{lead}: {bad[0].text}{more}"

    def to_plain(self) -> dict[str, Any]:
        """As quality.json has it."""
        return {
            "level": self.level,
            "headline": self.headline,
            "findings": [each.to_plain() for each in self.findings],
        }


def judge(metrics: dict[str, Any], video: dict[str, Any], canvas: Canvas) -> Verdict:
    """The verdict on a video's figures (see `Report.metrics`)."""
    seconds = video["num_frames"] / video["fps"]
    found: list[Finding] = []
    if metrics["look"]["is_blank"]:
        found.append(Finding(level=FAULTY, about="look", text="The picture is empty."))
    found += _motion(metrics, video)
    if video["loop"]:
        found += _join(metrics["loop_join"], canvas, seconds)
        found += _velocity(metrics, seconds)
    found += _cuts(metrics["cuts"], video["fps"], seconds)
    if metrics["seam"] is not None:
        found += _seam(metrics["seam"], video["fps"])
    for name, pole in (metrics["poles"] or {}).items():
        found += _pole(name, pole, metrics["comfort"]["yaw_rate_deg_s"] or 0.0)
    found += _flashes(metrics["flashes"])
    found += _comfort(metrics["comfort"])
    return Verdict(tuple(sorted(found, key=lambda each: -_ORDER.index(each.level))))


def where(place: Place) -> str:
    """A direction in words and degrees."""
    angles = f"(yaw {place.yaw_deg:.0f}, pitch {place.pitch_deg:.0f})"
    if place.pitch_deg > 67:
        return f"overhead {angles}"
    if place.pitch_deg < -67:
        return f"underfoot {angles}"
    turns = ("ahead", "ahead to the right", "to the right", "behind to the right", "behind")
    turns += ("behind to the left", "to the left", "ahead to the left")
    heading = turns[round(place.yaw_deg / 45) % 8]
    height = " above" if place.pitch_deg > 20 else " below" if place.pitch_deg < -20 else ""
    return f"{heading}{height} {angles}"


def _motion(metrics: dict[str, Any], video: dict[str, Any]) -> Iterator[Finding]:
    change = metrics["flickering"]["score"]
    if change is None:
        return
    if (1.0 - change) * 255.0 < LIMITS["still_levels"]:
        yield Finding(level=NOTICEABLE, about="motion", text="Nothing moves: it is a still.")
        return
    boiling = metrics["smoothness_dis"]["boiling"]
    if boiling is not None and boiling > LIMITS["boiling"]:
        text = f"the picture boils: {boiling:.0%} of what changes is not motion."
        yield Finding(level=NOTICEABLE, about="smoothness_dis", text=text)


def _join(join: dict[str, Any], canvas: Canvas, seconds: float) -> Iterator[Finding]:
    if not join["has_join"] or not join["views"]:
        return
    failed = [
        *_standing_out(join, "views", Views(canvas).places, LIMITS["join_over_max"]),
        *_standing_out(join, "regions", canvas.regions, LIMITS["join_region_over_max"]),
    ]
    if failed:
        worst, place = max(failed, key=lambda each: each[0]["ratio"])
        is_bad = worst["ratio"] > LIMITS["join_ratio_faulty"]
        text = f"the loop jumps at its join, {worst['ratio']:.1f} times the usual change, "
        yield Finding(
            level=FAULTY if is_bad else NOTICEABLE,
            about="loop_join",
            text=f"{text}most {where(place)}.",
            place=place,
            second=seconds,
        )
    elif join["stalls"]:
        yield Finding(
            level=NOTICEABLE,
            about="loop_join",
            text="the loop stands still for a frame at its join.",
            second=seconds,
        )
    else:
        text = f"The loop's join changes at most {join['worst_view']:.2f} times as much as usual"
        text += ", in any of the views."
        if not join["passes"]:
            budget = LIMITS["join_ratio"]
            text += (
                f" Somewhere it is over the budget of {budget:g}, no farther than chance allows."
            )
        yield Finding(level=FINE, about="loop_join", text=text)


def _standing_out(
    join: dict[str, Any], kind: str, places: list[Place], over_max: float
) -> list[tuple[dict[str, Any], Place]]:
    """Places whose join is far over budget and beyond any other pair there by `over_max`, if no
    other pair is beyond all others as far somewhere (see `loop_join.py`)."""
    beyond = join[f"excess_{kind}"]
    if beyond["join"] < LIMITS["join_over_excess"] * beyond["interior_max"]:
        return []
    return [
        (each, place)
        for each, place in zip(join[kind], places, strict=True)
        if each["ratio"] > LIMITS["join_ratio_noticeable"]
        and each["join"] > over_max * each["interior_max"]
    ]


def _velocity(metrics: dict[str, Any], seconds: float) -> Iterator[Finding]:
    mirrored = metrics["loop_join"].get("ping_pong")
    if mirrored is not None and mirrored < LIMITS["ping_pong"]:
        text = "the loop plays forward and then backward."
        yield Finding(level=NOTICEABLE, about="loop_join", text=text)
    velocity = metrics["velocity_dis"]
    jump, usual = velocity["jump"], velocity["interior_p95"]
    if jump is None or usual is None:
        return
    limit = max(LIMITS["velocity_jump_over_p95"] * usual, LIMITS["velocity_jump_least"])
    if jump > limit:
        text = f"motion changes its speed at the join ({jump:.2f}, elsewhere at most {usual:.2f})."
        yield Finding(level=NOTICEABLE, about="velocity_dis", text=text, second=seconds)
    else:
        text = "Motion goes on through the join at the speed it has elsewhere."
        yield Finding(level=FINE, about="velocity_dis", text=text)


def _cuts(cuts: dict[str, Any], fps: float, seconds: float) -> Iterator[Finding]:
    for frame in cuts["at_frames"]:
        yield Finding(
            level=FAULTY,
            about="cuts",
            text=f"there is a hard cut at {frame / fps:.2f} s.",
            second=frame / fps,
        )
    if cuts["cuts_at_join"]:
        text = "there is a hard cut at the join."
        yield Finding(level=FAULTY, about="cuts", text=text, second=seconds)


def _seam(figures: dict[str, Any], fps: float) -> Iterator[Finding]:
    place = Place(180.0, figures["worst_pitch_deg"])
    second = figures["worst_frame"] / fps
    ratio, line = figures["ratio"], figures["line"]
    if not figures["passes"]:
        level = FAULTY if ratio > LIMITS["seam_ratio_faulty"] else NOTICEABLE
        text = f"the seam shows behind, {ratio:.1f} times the step between other columns, "
        text += f"most at pitch {place.pitch_deg:.0f}."
        yield Finding(level=level, about="seam", text=text, place=place, second=second)
    elif line > max(LIMITS["seam_line"], figures["line_interior_p95"]):
        level = FAULTY if line > LIMITS["seam_line_faulty"] else NOTICEABLE
        text = f"a line stands at the seam behind, {line:.1f} times the usual texture."
        yield Finding(level=level, about="seam", text=text, place=place)
    else:
        text = f"The seam behind does not show: its step is {ratio:.2f} times a usual one."
        yield Finding(level=FINE, about="seam", text=text)


def _pole(name: str, pole: dict[str, Any], yaw_rate_deg_s: float) -> Iterator[Finding]:
    place = Place(0.0, 90.0 if name == "zenith" else -90.0)
    faults = []
    if pole["closing"] > LIMITS["pole_closing"]:
        faults.append("the picture does not close there")
    if pole["pinch"] > LIMITS["pole_pinch"]:
        faults.append("rays meet in a star")
    spin = pole["spin_deg_s"]
    limit = LIMITS["pole_spin_deg_s"] + LIMITS["pole_spin_of_yaw"] * abs(yaw_rate_deg_s)
    if spin is not None and abs(spin) > limit and pole["spin_share"] > LIMITS["pole_spin_share"]:
        faults.append(f"it swirls by {abs(spin):.0f} degrees a second")
    if faults:
        text = f"the {name} looks wrong: {'; '.join(faults)}."
        yield Finding(level=NOTICEABLE, about="poles", text=text, place=place)
    else:
        text = f"The {name} looks like the rest of the picture."
        yield Finding(level=FINE, about="poles", text=text, place=place)


def _flashes(figures: dict[str, Any]) -> Iterator[Finding]:
    for name, kind in (("general", "flashes"), ("red", "red flashes")):
        worst = figures[name]
        if worst["passes"]:
            continue
        place = Place(worst["yaw_deg"], worst["pitch_deg"])
        text = (
            f"{worst['flashes_per_s']:.1f} {kind} a second {where(place)}: more than three, over "
        )
        text += "a large area, may cause seizures (WCAG 2.3.1)."
        yield Finding(level=FAULTY, about="flashes", text=text, place=place, second=worst["second"])


def _comfort(figures: dict[str, Any]) -> Iterator[Finding]:
    yaw, tilt = figures["yaw_rate_deg_s"], figures["tilt_rate_deg_s"]
    if yaw is None:
        return
    share = figures["turning_share"]
    turns = share > LIMITS["turning_share"]
    if turns and abs(yaw) > LIMITS["yaw_rate_deg_s"]:
        side = "right" if yaw > 0 else "left"
        text = f"everything turns to the {side} by {abs(yaw):.0f} degrees a second, which tires."
        yield Finding(level=NOTICEABLE, about="comfort", text=text)
    if turns and tilt > LIMITS["tilt_rate_deg_s"]:
        text = f"the world tilts by {tilt:.1f} degrees a second, which makes people sick."
        yield Finding(level=NOTICEABLE, about="comfort", text=text)
    drift = figures["horizon_tilt_deg"]
    if turns and drift > LIMITS["horizon_tilt_deg"]:
        text = f"the horizon drifts out of level by up to {drift:.1f} degrees."
        yield Finding(level=NOTICEABLE, about="comfort", text=text)
