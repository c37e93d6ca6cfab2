"""How long the page shows the last frame of a loop, by the wall clock: a measurement, no test.

    python tests/viewer/join_gap.py FILM.mp4 [SECONDS]

Plays the film's page in a headless Chromium and prints, for Media Source and for `<video loop>`,
the time from the last frame of a round to the next frame, in frames of the film, beside the same
inside of rounds. What another process does to the machine meanwhile is in both.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from headless import ANSWER_S, Browser
from pages import playing, served

from panoloom.engine_server.viewer.page import read_film

WATCH = """
new Promise((done) => {
  const film = document.getElementById("film"), seen = [];
  const next = (_, told) => {
    seen.push([told.expectedDisplayTime, told.mediaTime, told.presentedFrames]);
    if (seen[seen.length - 1][0] - seen[0][0] > SECONDS * 1000) done(seen);
    else film.requestVideoFrameCallback(next);
  };
  film.requestVideoFrameCallback(next);
})
"""


def gaps(seen: list[list[float]], num_frames: int, fps: float) -> tuple[list[float], list[float]]:
    """Frames between neighbours on the wall: (over the join, inside of a round)."""
    joins, inside = [], []
    for (t0, at0, n0), (t1, at1, n1) in itertools.pairwise(seen):
        first, second = round(at0 * fps) % num_frames, round(at1 * fps) % num_frames
        if n1 != n0 + 1:
            continue  # shown, but not told of: the callback came too late
        (joins if second < first else inside).append((t1 - t0) / 1000 * fps)
    return joins, inside


def main(film: str, seconds: str = "30") -> None:
    told = read_film(Path(film), title="join")
    fps = float(told.fps)
    for hidden in ("", "window.MediaSource = window.ManagedMediaSource = undefined;"):
        with tempfile.TemporaryDirectory() as folder:
            page = served(Path(film), Path(folder))
            with Browser(Path(folder, "profile")) as browser, page as address:
                browser.open(address, script=hidden)
                playing(browser)
                way = browser.value("panoloom.playing")
                watch = WATCH.replace("SECONDS", seconds)
                seen = browser.value(watch, within_s=float(seconds) + ANSWER_S)
        joins, inside = gaps(seen, told.num_frames, fps)
        for name, found in (("join", joins), ("inside", inside)):
            if found:
                middle, most = statistics.median(found), max(found)
                print(
                    f"{way}, {name}: {len(found)} seen, median {middle:.3f} frames, most {most:.3f}"
                )
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
