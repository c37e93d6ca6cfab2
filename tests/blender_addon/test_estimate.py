"""Time and disk, told before a loop is asked for."""

from __future__ import annotations

import pytest

from panoloom.blender_addon import core, estimate
from panoloom.engine_server.models.catalog import estimate_s, plan
from panoloom.engine_server.room import estimate_bytes
from panoloom.shared.jobs import JobSpec


def asked(size: str, steps: int, seconds: float, fps: float = 24.0) -> dict[str, object]:
    frames = core.frames_of_loop(seconds, fps)
    width = core.SIZES[size][0]
    return {"width": width, "num_frames": frames, "seconds": seconds, "steps": steps}


@pytest.mark.parametrize("seconds", [1.0, 5.0, 12.0])
@pytest.mark.parametrize("steps", core.QUALITIES.values())
@pytest.mark.parametrize("size", core.SIZES)
def test_table_says_what_the_engine_itself_expects(size, steps, seconds):
    words = asked(size, steps, seconds)
    width, height = core.SIZES[size]
    spec = JobSpec(
        prompt="sea",
        width=width,
        height=height,
        num_frames=words["num_frames"],
        fps=24.0,
        steps=steps,
    )
    found = estimate.estimate(**words, guided=True, paces=())
    assert found.seconds == pytest.approx(estimate_s(plan(spec)), rel=0.25)
    assert found.disk_bytes == pytest.approx(estimate_bytes(spec), rel=0.25)


def test_another_models_time_is_not_made_up():
    words = asked("512x256", 16, 5.0)
    found = estimate.estimate(**words, guided=True, paces=[2.0], model="wan-1.3b")
    assert found.disk_bytes == estimate.estimate(**words, guided=True, paces=()).disk_bytes
    assert found.text.endswith("`panoloom generate --dry-run` tells")
    assert not found.is_measured


def test_past_loops_correct_the_table():
    words = asked("512x256", 16, 5.0)
    table = estimate.table_s(**words, guided=True)
    paces: list[float] = []
    for took in (2.0, 2.2, 40.0):  # one of them on a busy machine
        paces = estimate.with_pace(paces, took * table, table)
    found = estimate.estimate(**words, guided=True, paces=paces)
    assert found.is_measured
    assert found.seconds == pytest.approx(2.2 * table, rel=0.01)


def test_result_that_was_there_already_teaches_nothing():
    assert estimate.with_pace([], 0.2, 60.0) == []


def test_only_the_last_few_loops_count():
    paces: list[float] = []
    for _ in range(30):
        paces = estimate.with_pace(paces, 60.0, 60.0)
    assert len(paces) == estimate.MAX_PACES


def test_guess_says_that_it_is_one():
    words = asked("512x256", 16, 5.0)
    assert "a guess" in estimate.estimate(**words, guided=True, paces=()).text
    assert "a guess" not in estimate.estimate(**words, guided=True, paces=(1.0,)).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "about 1 s left"), (40.4, "about 40 s left"), (150, "about 2 min left")],
)
def test_time_left_reads_as_words(seconds, text):
    assert estimate.time_left(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (3.2e10, "32 GB")]
)
def test_sizes_read_as_words(num_bytes, text):
    assert estimate.size(num_bytes) == text
