"""quality.html: the verdict, the pictures and the plots on one page that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from .plots import line_plot

STYLE = """
body{margin:0 auto;max-width:1160px;padding:20px;background:#16181b;color:#dcdfe3;
font:14px/1.45 system-ui,sans-serif}
h1{font-size:20px;margin:0 0 2px}h2{font-size:14px;margin:22px 0 6px;color:#fff}
p{margin:4px 0}.what{color:#99a1aa}
.verdict{padding:10px 14px;border-left:6px solid;background:#1f2226;margin:14px 0;font-size:16px}
.fine{border-color:#58b368}.noticeable{border-color:#e0a93b}.faulty{border-color:#d9534f}
ul{padding:0;list-style:none;margin:6px 0}li{border-left:4px solid;padding:2px 10px;margin:3px 0}
.row{display:flex;gap:18px;flex-wrap:wrap;align-items:flex-start}figure{margin:0}
figcaption{color:#99a1aa;font-size:12px;max-width:560px;margin-top:3px}
img{display:block;max-width:100%}svg{width:560px;max-width:100%;background:#1b1e22}
svg text{fill:#99a1aa;font-size:10px}svg polyline{stroke-width:1.5}
.axis{stroke:#3a3f45}.mark{stroke:#d9534f;stroke-dasharray:3 3}.level{stroke:#6b727a;
stroke-dasharray:2 3}
.figures{columns:3 300px}.figures div{display:flex;justify-content:space-between;
border-bottom:1px solid #24282c;break-inside:avoid}.figures b{font-weight:400;color:#fff}
"""

CAPTIONS = {
    "seam": "The seam, behind the viewer, in the middle of a picture 60 degrees wide; the frame "
    "where its step is largest.",
    "zenith": "The zenith, 90 degrees wide, first frame.",
    "nadir": "The nadir, 90 degrees wide, first frame.",
    "join_map": "Where the join changes more than any other pair of frames: yellow from 1.5 times "
    "the largest, red from twice. A few specks are chance.",
}


def page(report: dict[str, Any], pictures: dict[str, bytes]) -> bytes:
    """The page of a report.

    Args:
        report: The content of quality.json.
        pictures: Name to PNG or JPEG.
    """
    video, verdict = report["video"], report["verdict"]
    title = f"Quality of {video['source'] or 'a video'}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{escape(title)}</h1><p class=what>{escape(_what(video))}</p>",
        f'<div class="verdict {verdict["level"]}">{escape(verdict["headline"])}</div>',
        "<ul>",
        *(
            f'<li class="{each["level"]}">{escape(_sentence(each))}</li>'
            for each in verdict["findings"]
        ),
        "</ul>",
        *_time(report, pictures),
        *_space(report, pictures),
        *_figures(report),
        "</html>",
    ]
    return "\n".join(part for part in parts if part).encode()


def _what(video: dict[str, Any]) -> str:
    length = video["num_frames"] / video["fps"]
    kind = "loop" if video["loop"] else "clip with two ends"
    shape = "" if video["surface"] == "sphere" else f" on a {video['surface']}"
    text = f"{video['width']}x{video['height']}{shape}, {video['num_frames']} frames at "
    text += f"{video['fps']:g} a second ({length:.2f} s), {kind}."
    return " ".join([text, *video["remarks"]])


def _sentence(finding: dict[str, Any]) -> str:
    text = finding["text"][:1].upper() + finding["text"][1:]
    if finding["second"] is not None and finding["level"] != "fine":
        text += f" At {finding['second']:.2f} s."
    return text


def _time(report: dict[str, Any], pictures: dict[str, bytes]) -> list[str]:
    video, series = report["video"], report["series"]
    seconds = video["num_frames"] / video["fps"]
    join = [(seconds, "join")] if video["loop"] else []
    caption = "One row of the panorama through time, downwards. "
    if video["loop"]:
        caption += (
            "It starts half-way: the join lies in the middle, where nothing should break off."
        )
    difference = line_plot(
        [("change", series["difference_levels"])], x_end=seconds, x_unit=" s", marks=join
    )
    rates = line_plot(
        [("yaw", series["yaw_rate_deg_s"]), ("tilt", series["tilt_rate_deg_s"])],
        x_end=seconds,
        x_unit=" s",
        marks=join,
    )
    light = line_plot([("light", series["luminance"])], x_end=seconds, x_unit=" s")
    return [
        "<h2>Through time</h2><div class=row>",
        _picture(pictures, "slice", caption),
        _picture(pictures, "join_map", CAPTIONS["join_map"]),
        _plot(difference, "Change from frame to frame, 8-bit levels; the last is the join."),
        _plot(rates, "Turning of the whole picture (blue) and tilting (orange), degrees a second."),
        _plot(light, "Mean light, 0 to 1."),
        "</div>",
    ]


def _space(report: dict[str, Any], pictures: dict[str, bytes]) -> list[str]:
    steps = report["series"]["column_steps"]
    plot = ""
    if steps:
        half = len(steps) // 2
        turned = [*steps[half:], *steps[:half]]
        high = report["metrics"]["seam"]["interior_p95"]
        plot = line_plot(
            [("step", turned)],
            x_start=0.0,
            x_end=360.0,
            x_unit="°",
            marks=[(360.0 * (len(steps) - 1 - half) / max(len(steps) - 1, 1), "seam")],
            levels=[(high, "95 % of columns")],
        )
    return [
        "<h2>Around the viewer</h2><div class=row>",
        *(_picture(pictures, name, CAPTIONS[name]) for name in ("seam", "zenith", "nadir")),
        _plot(plot, "Step between neighbouring columns against the mean; the seam in the middle."),
        "</div>",
    ]


def _figures(report: dict[str, Any]) -> list[str]:
    rows = [
        f"<div>{escape(name.replace('_', ' '))} <b>{_number(value)}</b></div>"
        for name, value in report["figures"].items()
    ]
    missing = [
        f"<p class=what>{escape(each.get('text') or str(each.get('figures')))}</p>"
        for each in report["metrics"]["plugins"].values()
    ]
    return [
        "<h2>Figures</h2><div class=figures>",
        *rows,
        "</div>",
        *missing,
        "<p class=what>quality.json has every figure by view and region, and the limits they were "
        "judged by. Flow is classical (DIS): figures that rest on it are not those of benchmarks "
        "with learned flow.</p>",
    ]


def _picture(pictures: dict[str, bytes], name: str, caption: str) -> str:
    data = pictures.get(name)
    if data is None:
        return ""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    text = base64.b64encode(data).decode("ascii")
    image = f'<img src="data:image/{kind};base64,{text}" alt="{escape(name)}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _plot(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" if svg else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
