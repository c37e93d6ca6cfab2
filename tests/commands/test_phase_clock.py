"""Seconds by phase."""

from __future__ import annotations

from panoloom.engine_server.commands.phase_clock import PhaseClock


def test_seconds_of_phases_add_up_to_the_total_also_where_a_phase_comes_back():
    now = [100.0]
    clock = PhaseClock(lambda: now[0])
    for phase, lasts in (("load", 2.0), ("denoise", 3.0), ("denoise", 4.0), ("load", 1.0)):
        now[0] += 0.5
        clock.enter(phase)
        now[0] += lasts
    assert clock.seconds() == {"start": 0.5, "load": 3.5, "denoise": 8.0, "total": 12.0}


def test_a_job_that_never_began_has_waited():
    assert PhaseClock(lambda: 1.0).seconds() == {"start": 0.0, "total": 0.0}
