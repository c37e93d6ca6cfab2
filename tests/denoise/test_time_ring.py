"""Windows on the time ring: every frame has one owner, at every step."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoloom.engine_server.denoise.noise import Purpose, random_int
from panoloom.engine_server.denoise.time_ring import num_windows, plan_time_windows
from panoloom.shared.errors import InvalidJob


def seeded(step: int):
    def cut(index: int, low: int, high: int) -> int:
        return random_int(
            low, high, seed=5, stage=0, step=step, purpose=Purpose.TIME_CUT, index=index
        )

    return cut


@given(
    size=st.integers(2, 21),
    extra=st.integers(0, 60),
    step=st.integers(0, 50),
    loop=st.booleans(),
    edge=st.sampled_from(["low", "high", "drawn"]),
)
@settings(deadline=None, max_examples=300)
def test_every_frame_has_exactly_one_owner(size, extra, step, loop, edge):
    cuts = {"low": lambda k, low, high: low, "high": lambda k, low, high: high}
    cut = cuts.get(edge, seeded(step))
    windows = plan_time_windows(size + extra, size, loop=loop, step=step, cut=cut)
    owners = Counter(frame for window in windows for frame in window.owned)
    assert owners == Counter(range(size + extra))
    assert all(len(window.frames) == size for window in windows)
    assert all(0 <= w.own_start <= w.own_stop <= size for w in windows)


@pytest.mark.parametrize(("frames", "count"), [(8, 2), (12, 2), (13, 3), (16, 3), (64, 11)])
def test_windows_on_a_ring_overlap_and_are_at_least_two(frames, count):
    assert num_windows(frames, 8, loop=True) == count


@pytest.mark.parametrize("frames", [8, 9, 16, 40])
def test_no_window_of_a_ring_owns_its_own_ends(frames):
    for step in range(20):
        for window in plan_time_windows(frames, 8, loop=True, step=step, cut=seeded(step)):
            assert window.own_start >= 1
            assert window.own_stop <= 7


@pytest.mark.parametrize("frames", [8, 13, 16])
def test_windows_move_so_that_a_cut_comes_to_every_frame(frames):
    borders = set()
    for step in range(60):
        windows = plan_time_windows(frames, 8, loop=True, step=step, cut=seeded(step))
        assert {window.frames[0] for window in windows} != borders
        borders |= {window.owned[0] for window in windows if window.owned}
    assert borders == set(range(frames))


def test_cut_is_drawn_anew_every_step():
    first_owned = {
        plan_time_windows(16, 8, loop=True, step=step, cut=seeded(step))[0].own_stop
        for step in range(40)
    }
    assert len(first_owned) >= 2


def test_ring_windows_turn_with_the_ring():
    def offset_of(step: int) -> int:
        return plan_time_windows(16, 8, loop=True, step=step, cut=lambda k, lo, hi: lo)[0].frames[0]

    base = plan_time_windows(16, 8, loop=True, step=0, cut=lambda k, lo, hi: lo)
    for step in range(1, 16):
        moved = plan_time_windows(16, 8, loop=True, step=step, cut=lambda k, lo, hi: lo)
        for before, after in zip(base, moved, strict=True):
            assert after.frames == tuple((f + offset_of(step)) % 16 for f in before.frames)
            assert (after.own_start, after.own_stop) == (before.own_start, before.own_stop)


def test_windows_of_what_does_not_loop_dock_at_both_ends_and_never_wrap():
    for step in range(12):
        windows = plan_time_windows(20, 8, loop=False, step=step, cut=seeded(step))
        assert windows[0].frames == tuple(range(8))
        assert windows[-1].frames == tuple(range(12, 20))
        assert all(window.frames == tuple(sorted(window.frames)) for window in windows)


def test_inner_windows_of_what_does_not_loop_move():
    starts = {
        tuple(w.frames[0] for w in plan_time_windows(20, 8, loop=False, step=s, cut=seeded(s)))
        for s in range(6)
    }
    assert len(starts) >= 4


def test_one_window_is_enough_for_a_short_film():
    (window,) = plan_time_windows(8, 8, loop=False, step=3, cut=seeded(3))
    assert window.owned == tuple(range(8))


def test_fewer_frames_than_a_window_are_refused():
    with pytest.raises(InvalidJob, match="at least 8") as caught:
        plan_time_windows(7, 8, loop=True, step=0, cut=seeded(0))
    assert caught.value.details["nearest"] == 8
