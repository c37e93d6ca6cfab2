"""One page and its files: the film, the same film in fragments, and what the page must know.

The page holds all of its code; it loads nothing from anywhere else. Fragments are what a browser
can append to themselves without a gap (Media Source); the plain film is for those that cannot, and
for downloading.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ...shared.errors import InvalidJob
from ..output.codec import codec_string
from ..output.export.unroll import FRAGMENTS, unroll
from ..output.spherical import Layout, read_spherical

PAGE = Path(__file__).with_name("page.html")
FILM, FRAGMENTED, INDEX = "loop.mp4", "loop-fragments.mp4", "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What the page must know of a film.

    Attributes:
        title: For people.
        layout: How the eyes lie in a frame.
        media_type: As Media Source wants it, codec included.
        num_frames, fps: Of one round.
    """

    title: str
    layout: Layout
    media_type: str
    num_frames: int
    fps: Fraction

    def to_plain(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "layout": self.layout,
            "type": self.media_type,
            "frames": self.num_frames,
            "fps": [self.fps.numerator, self.fps.denominator],
            "film": FILM,
            "fragments": FRAGMENTED,
        }


def read_film(path: Path, *, title: str) -> Film:
    """What a film says of itself.

    Raises:
        InvalidJob: It is no MP4 or MOV with H.264, HEVC or AV1, or has no pictures.
    """
    spherical = read_spherical(path)
    codec = codec_string(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        num_frames, fps = stream.frames, stream.average_rate
    if not num_frames or not fps:
        raise InvalidJob(f"{path} has no pictures in it.", field="path")
    return Film(
        title=title,
        layout=spherical.layout if spherical else "mono",
        media_type=f'video/mp4; codecs="{codec}"',
        num_frames=num_frames,
        fps=Fraction(fps),
    )


def write_page(folder: Path, film: Path, *, title: str) -> None:
    """Put `index.html` and the fragments of `film` into `folder`.

    Raises:
        InvalidJob: The film is none that a page could show.
        OSError: They could not be written.
    """
    told = read_film(film, title=title)
    unroll(film, folder / FRAGMENTED, repeats=1, movflags=FRAGMENTS)
    (folder / INDEX).write_bytes(page_bytes(told))


def page_bytes(film: Film) -> bytes:
    """The page for a film that lies beside it."""
    told = json.dumps(film.to_plain(), sort_keys=True).replace("<", "\\u003c")
    text = PAGE.read_text(encoding="utf-8")
    return text.replace("@TITLE@", html.escape(film.title)).replace("@LOOP@", told).encode()
