"""How far a job is and how long it takes, with a clock that goes as told."""

from __future__ import annotations

import pytest

from panoloom.engine_server.worker.progress import SHARES, ProgressMeter
from panoloom.shared.jobs import Progress


class Clock:
    """Shows `now_s`."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def meter(clock: Clock, told: list[Progress]) -> ProgressMeter:
    return ProgressMeter(told.append, clock=clock)


def test_phases_share_the_whole_job() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_phase_without_steps_begins_where_the_one_before_it_ends(
    meter: ProgressMeter, told: list[Progress]
) -> None:
    for phase in SHARES:
        meter.tell(phase)
    fractions = [progress.fraction for progress in told]
    assert fractions[0] == 0.0
    assert fractions == sorted(set(fractions))
    assert all(progress.time_left_s is None for progress in told)


def test_time_left_is_that_of_the_steps_to_come_and_of_the_phases_after(
    meter: ProgressMeter, told: list[Progress], clock: Clock
) -> None:
    meter.tell("denoise", 0, 10)
    clock.now_s += 20.0
    meter.tell("denoise", 4, 10)
    after_s = 5.0 * 10 * SHARES["write"] / SHARES["denoise"]
    assert told[-1].time_left_s == pytest.approx(5.0 * 6 + after_s)
    assert told[-1].elapsed_s == 20.0


def test_resumed_job_does_not_count_the_steps_of_before(
    meter: ProgressMeter, told: list[Progress], clock: Clock
) -> None:
    meter.tell("denoise", 8, 10)
    clock.now_s += 3.0
    meter.tell("denoise", 9, 10)
    after_s = 3.0 * 10 * SHARES["write"] / SHARES["denoise"]
    assert told[-1].time_left_s == pytest.approx(3.0 + after_s)
