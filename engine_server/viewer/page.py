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
from ..output.boxes import Box, damaged, read_index, sample_entry, video_track
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


def codec_string(path: Path) -> str:
    """What browsers call the codec of a film, by its own configuration.

    Raises:
        InvalidJob: It is another codec, or says too little.

    Source: RFC 6381, 3.3; ISO/IEC 14496-15, annex E; AV1 in ISOBMFF 1.2, 5.
    """
    moov, _ = read_index(path)
    entry = sample_entry(video_track(moov, path), path)
    for kind, name in ((b"avcC", _avc), (b"hvcC", _hevc), (b"av1C", _av1)):
        config = entry.first(kind)
        if config is not None and len(config.head) >= 4:
            return name(entry.kind.decode("latin-1"), config)
    raise damaged(path, f"a page cannot show {entry.kind.decode('latin-1')!r}")


def _avc(kind: str, config: Box) -> str:
    return f"{kind}.{config.head[1:4].hex()}"


def _hevc(kind: str, config: Box) -> str:
    raw = config.head
    space = ("", "A", "B", "C")[raw[1] >> 6]
    tier = "H" if raw[1] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(raw[2:6], 'big'):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in raw[6:12].rstrip(b"\0")]
    general = f"{space}{raw[1] & 0x1F}.{compatible:X}.{tier}{raw[12]}"
    return ".".join([kind, general, *constraints])


def _av1(kind: str, config: Box) -> str:
    profile, level = config.head[1] >> 5, config.head[1] & 0x1F
    tier = "H" if config.head[2] & 0x80 else "M"
    bits = 10 if config.head[2] & 0x40 else 8
    return f"{kind}.{profile}.{level:02d}{tier}.{bits:02d}"
