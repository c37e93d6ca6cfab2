"""Line plots as SVG text: no library, no script, the same text for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

WIDTH, HEIGHT = 560, 130
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 20
COLOURS = ("#7fb2ff", "#ffb45c", "#8fd694")


def line_plot(
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    x_end: float,
    x_unit: str,
    marks: Sequence[tuple[float, str]] = (),
    levels: Sequence[tuple[float, str]] = (),
    x_start: float = 0.0,
) -> str:
    """A plot of one or more series over the same span.

    Args:
        series: Names and values, spread evenly from `x_start` to `x_end`.
        x_end, x_start: Ends of the axis.
        x_unit: Written after the numbers of the axis.
        marks: Vertical lines: (place on the axis, name).
        levels: Horizontal lines: (value, name).
    """
    values = [value for _, line in series for value in line] + [value for value, _ in levels]
    if not values:
        return ""
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    span = x_end - x_start or 1.0

    def x_of(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place - x_start) / span

    def y_of(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">', _frame(low, high, y_of)]
    for place in (x_start, x_start + span / 2, x_end):
        label = f"{place:.4g}{x_unit}"
        parts.append(_text(x_of(place), HEIGHT - 5, label, "middle" if place < x_end else "end"))
    for value, name in levels:
        y = y_of(value)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "level"))
        parts.append(_text(WIDTH - RIGHT, y - 3, name, "end"))
    for place, name in marks:
        x = x_of(place)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM, "mark"))
        parts.append(_text(x - 3, TOP + 9, name, "end"))
    for colour, (name, line) in zip(COLOURS, series, strict=False):
        step = span / max(len(line) - 1, 1)
        points = " ".join(
            f"{x_of(x_start + index * step):.1f},{y_of(value):.1f}"
            for index, value in enumerate(line)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(f"<title>{escape(name)}</title>")
    return "".join([*parts, "</svg>"])


def _frame(low: float, high: float, y_of: Callable[[float], float]) -> str:
    lines = [_line(LEFT, y_of(value), WIDTH - RIGHT, y_of(value), "axis") for value in (low, high)]
    texts = [_text(LEFT - 4, y_of(value) + 4, f"{value:.3g}", "end") for value in (low, high)]
    return "".join([*lines, *texts])


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
