"""The join of the loop as the page plays it: frame by frame, by the film's own times.

How long the clock on the wall takes is for `python tests/viewer/join_gap.py`, not for a test.
"""

from __future__ import annotations

import itertools

import pytest
from pages import playing, served

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine
NUM_FRAMES, FPS = 12, 12

STEP = """
(async () => {
  const film = document.getElementById("film");
  film.pause();
  const canvas = new OffscreenCanvas(1, 1), ink = canvas.getContext("2d");
  const seen = [];
  for (const at of TIMES) {
    const shown = new Promise((done) => film.requestVideoFrameCallback((_, told) => done(told)));
    film.currentTime = at;
    const told = await shown;
    ink.drawImage(film, 0, 0, 1, 1);
    seen.push([told.mediaTime, ink.getImageData(0, 0, 1, 1).data[0]]);
  }
  return seen;
})()
"""
"""Seek to each time, and tell the time of the frame that is shown and how bright it is."""


def test_frames_over_the_join_follow_each_other_at_the_films_own_pace(
    counted_film, browser, tmp_path
):
    with served(counted_film, tmp_path) as address:
        browser.open(f"{address}#join=1")
        playing(browser)
        browser.until("panoloom.rounds >= 2")
        numbers = range(NUM_FRAMES - 3, NUM_FRAMES + 3)  # the last of a round, the next's first
        times = [(number + 0.5) / FPS for number in numbers]
        seen = browser.value(STEP.replace("TIMES", str(times)))
    assert browser.value("panoloom.playing") == "media-source"
    gaps = [(b[0] - a[0]) * FPS for a, b in itertools.pairwise(seen)]
    assert gaps == pytest.approx([1.0] * 5, abs=0.1)  # in frames
    assert [time for time, _ in seen] == pytest.approx([n / FPS for n in numbers], abs=0.005)
    brightness = [grey for _, grey in seen]
    assert brightness == sorted(brightness[:3]) + sorted(brightness[3:])
    assert brightness[3] < brightness[0]  # the loop's first frame, not its last again
