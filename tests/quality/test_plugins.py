from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest

from panoloom.engine_server.quality import plugins
from panoloom.engine_server.quality.report import evaluate_frames

FRAMES = [np.full((16, 32, 3), 40 * index, np.uint8) for index in range(6)]


def mean_level(frames, *, fps, loop, prompt):
    return {"mean": float(np.mean(frames)), "frames": len(frames), "prompt": prompt}


def broken(frames, *, fps, loop, prompt):
    raise RuntimeError("no weights")


@pytest.fixture
def installed(monkeypatch):
    """Entry points by name, as if packages had brought them."""

    def install(**names):
        found = [
            metadata.EntryPoint(name, f"{__name__}:{function.__name__}", plugins.GROUP)
            for name, function in names.items()
        ]
        functions = {function.__name__: function for function in names.values()}
        monkeypatch.setattr(
            metadata.EntryPoint, "load", lambda self: functions[self.value.partition(":")[2]]
        )
        monkeypatch.setattr(metadata, "entry_points", lambda group: found)

    return install


def test_what_is_not_installed_is_said_to_be_so_with_the_way_to_it():
    found = evaluate_frames(FRAMES, fps=8).metrics["plugins"]
    assert set(found) == {"clip_score", "aesthetic"}
    for each in found.values():
        assert each["status"] == "not installed"
        assert "figures" not in each
        assert plugins.GROUP in each["text"]


def test_an_installed_plug_in_sees_frames_and_prompt(installed):
    installed(clip_score=mean_level)
    report = evaluate_frames(FRAMES, fps=8, prompt="a sea")
    assert report.metrics["plugins"]["clip_score"] == {
        "status": "measured",
        "from": f"{__name__}:mean_level",
        "figures": {"mean": 100.0, "frames": 6, "prompt": "a sea"},
    }
    assert report.metrics["plugins"]["aesthetic"]["status"] == "not installed"


def test_a_plug_in_gets_at_most_sixteen_frames_spread_evenly(installed):
    installed(mine=lambda frames, **rest: {"levels": [int(frame[0, 0, 0]) for frame in frames]})
    frames = [np.full((4, 8, 3), index, np.uint8) for index in range(100)]
    levels = evaluate_frames(frames, fps=8).metrics["plugins"]["mine"]["figures"]["levels"]
    assert 8 <= len(levels) <= plugins.MAX_FRAMES
    assert len(set(np.diff(levels))) == 1
    assert levels[-1] > 80


def test_a_plug_in_that_fails_is_reported_and_stops_nothing(installed):
    installed(clip_score=broken)
    found = evaluate_frames(FRAMES, fps=8).metrics["plugins"]["clip_score"]
    assert found == {"status": "failed", "text": "RuntimeError: no weights"}
