from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.figures import LEVEL_FLOOR
from panoloom.engine_server.quality.loop_join import each_as_join
from panoloom.engine_server.quality.report import evaluate_frames

FPS = 8.0


def flat(level: int) -> np.ndarray:
    return np.full((32, 64, 3), level, np.uint8)


def test_the_ratio_is_the_step_at_the_join_over_the_median_step():
    report = evaluate_frames([flat(100 + 2 * index) for index in range(9)], fps=FPS)
    join = report.metrics["loop_join"]
    assert join["whole"]["ratio"] == pytest.approx((16 + 0.1) / (2 + 0.1))
    assert join["ends_mse"] == 256.0
    assert len(join["views"]) == 14
    assert len(join["regions"]) == 32
    for each in (*join["views"], *join["regions"]):
        assert each["join"] == pytest.approx(16, abs=1e-6)
        assert each["interior_median"] == pytest.approx(2, abs=1e-6)
    assert not join["passes"]


def test_a_perfect_loop_has_no_join(perfect_report):
    join = perfect_report.metrics["loop_join"]
    assert join["worst_view"] < 1.2
    assert join["worst_view_by_flow"] < 1.2
    assert join["passes"]


def test_turning_a_loop_in_time_changes_no_ratio_much(perfect_loop):
    turned = perfect_loop[7:] + perfect_loop[:7]
    assert evaluate_frames(turned, fps=FPS).figures()["join_worst_view"] < 1.2


def test_a_jump_shows_in_every_measure(jumping_loop):
    report = evaluate_frames(jumping_loop, fps=FPS)
    figures = report.figures()
    assert figures["join_worst_view"] > 2
    assert figures["join_flow_worst_view"] > 2
    assert figures["velocity_jump"] > 3 * figures["velocity_jump_interior_p95"]
    assert not report.metrics["loop_join"]["passes"]


def test_a_jump_in_one_place_fails_there_and_only_there(perfect_loop):
    frames = [frame.copy() for frame in perfect_loop]
    for index, frame in enumerate(frames):  # a patch that brightens, to the right, and falls back
        frame[28:36, 90:98] = np.clip(frame[28:36, 90:98].astype(int) // 2 + 5 * index, 0, 255)
    join = evaluate_frames(frames, fps=FPS).metrics["loop_join"]
    failed = {index for index, each in enumerate(join["views"]) if not each["passes"]}
    assert 5 in failed  # yaw 90 at the horizon
    assert not failed & {4, 6, 7, 12, 13}
    worst = max(range(14), key=lambda index: join["views"][index]["ratio"])
    assert worst in (1, 5, 9)  # those that look to yaw 90
    assert join["excess_views"]["join"] > 1.1 * join["excess_views"]["interior_max"]


def test_a_repeated_first_frame_is_a_stall(perfect_loop):
    join = evaluate_frames([*perfect_loop, perfect_loop[0]], fps=FPS).metrics["loop_join"]
    assert join["stalls"]
    assert join["whole"]["join"] == 0.0


def test_a_clip_with_two_ends_has_no_join(perfect_loop):
    report = evaluate_frames(perfect_loop[:6], fps=FPS, loop=False)
    assert report.metrics["loop_join"]["has_join"] is False
    assert report.figures()["join_worst_view"] is None


def test_even_turning_has_no_jump_and_turning_back_has(turning):
    loop = turning(15, 24.0)
    assert evaluate_frames(loop, fps=FPS).figures()["velocity_jump"] < 0.3
    there = turning(8, 3.0)
    velocity = evaluate_frames(there + there[::-1], fps=FPS).metrics["velocity_dis"]
    assert velocity["goes_on"] == pytest.approx(-1.0, abs=0.02)


def test_a_freeze_at_the_join_is_a_jump_of_velocity(turning):
    """The last frame is shown twice: the flow over it is 0 where its neighbours move."""
    frames = turning(15, 24.0)
    report = evaluate_frames([*frames, frames[0]], fps=FPS)
    assert report.figures()["velocity_jump"] == pytest.approx(1.0, abs=0.05)
    velocity, rms_deg = report.metrics["velocity_dis"], 24 * np.sqrt(2 / 3)
    assert velocity["jump_from_mean"] == pytest.approx(1.0, abs=0.05)
    assert velocity["acceleration_deg_s2"] == pytest.approx(rms_deg * FPS**2, rel=0.1)
    assert velocity["acceleration_interior_deg_s2"] < 0.2 * velocity["acceleration_deg_s2"]


def test_a_join_like_its_loop_is_1_against_its_pairs_wherever_the_loop_begins():
    rng = np.random.default_rng(0)
    pairs = [rng.uniform(1, 3, 14) for _ in range(9)]
    worst = each_as_join(pairs, LEVEL_FLOOR).max(axis=1)
    begun = [each_as_join(pairs[k:] + pairs[:k], LEVEL_FLOOR).max(axis=1) for k in range(9)]
    for first, turned in enumerate(begun):
        assert turned == pytest.approx(np.roll(worst, -first))
    assert np.mean([each[-1] / each.mean() for each in begun]) == pytest.approx(1)


def test_a_border_is_as_loud_wherever_in_the_loop_it_lies(jumping_loop):
    """A ring of frames: what jumps may lie at its join, or anywhere else."""
    at_join = evaluate_frames(jumping_loop, fps=FPS).figures()
    inside = evaluate_frames(jumping_loop[5:] + jumping_loop[:5], fps=FPS).figures()
    assert at_join["loudest_pair"] > 2
    assert inside["loudest_pair"] == pytest.approx(at_join["loudest_pair"])
    assert at_join["join_against_pairs"] > 1.5
    assert inside["join_against_pairs"] < 1


@pytest.mark.parametrize("num_pairs", [3, 4, 9, 120])
def test_each_pair_is_held_against_the_median_of_all_others(num_pairs):
    values = np.random.default_rng(1).integers(0, 5, (num_pairs, 14)).astype(float)
    table = values + LEVEL_FLOOR
    others = [np.median(np.delete(table, pair, axis=0), axis=0) for pair in range(num_pairs)]
    assert np.array_equal(each_as_join(list(values), LEVEL_FLOOR), table / np.stack(others))
