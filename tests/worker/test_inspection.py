from __future__ import annotations

import json

import numpy as np
import pytest

from panoloom.engine_server.worker.inspection import QualityInspector
from panoloom.shared.jobs import JobSpec

SPEC = JobSpec(prompt="a sea", width=64, height=32, num_frames=8, fps=8.0)


def inspected(levels, spec=SPEC):
    inspector = QualityInspector(spec)
    slope = np.linspace(-0.1, 0.1, 32, dtype=np.float32)[:, None, None]
    for level in levels:
        inspector.add(np.broadcast_to(np.float32(level) + slope, (32, 64, 3)))
    return inspector.finish()


def test_a_job_is_measured_as_what_it_is():
    found = inspected([0.5 + 0.02 * np.sin(index / 8 * 2 * np.pi) for index in range(8)])
    document = json.loads(found.files["quality.json"])
    assert document["video"]["source"] == "a sea"
    assert document["video"]["num_frames"] == 8
    assert document["video"]["loop"] is True
    assert found.files["quality.html"].startswith(b"<!doctype html>")
    assert found.summary["level"] == document["verdict"]["level"] != "faulty"
    assert found.summary["headline"] == document["verdict"]["headline"]
    assert found.notes == ()


def test_a_bad_verdict_becomes_a_note():
    found = inspected([0.2 + 0.06 * index for index in range(8)])
    assert found.summary["level"] == "faulty"
    assert found.notes == (found.summary["headline"],)
    assert "join" in found.notes[0]


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_jobs_are_measured_too(count):
    assert set(inspected([0.5] * count).files) == {"quality.json", "quality.html"}
