from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.report import evaluate_frames

FPS = 8.0


def flat(level: int, height: int = 32) -> np.ndarray:
    return np.full((height, 2 * height, 3), level, np.uint8)


def test_flickering_is_one_less_the_mean_difference_in_shares_of_white():
    report = evaluate_frames([flat(100), flat(151), flat(100), flat(151)], fps=FPS, loop=False)
    assert report.metrics["flickering"]["score"] == pytest.approx(1 - 51 / 255)
    assert report.metrics["flickering"]["score_weighted"] == pytest.approx(1 - 51 / 255)
    assert report.metrics["flickering"]["score_by_faces"] == pytest.approx(1 - 51 / 255)


def test_the_pair_over_the_join_counts_in_a_loop():
    frames = [flat(100), flat(100), flat(100), flat(160)]
    open_ended = evaluate_frames(frames, fps=FPS, loop=False).figures()["flickering"]
    loop = evaluate_frames(frames, fps=FPS, loop=True).figures()["flickering"]
    assert open_ended == pytest.approx(1 - 60 / 3 / 255)
    assert loop == pytest.approx(1 - 2 * 60 / 4 / 255)


def test_weighted_flickering_counts_a_pole_for_what_it_is():
    top = flat(100)
    top[0] = 200
    report = evaluate_frames([flat(100), top], fps=FPS, loop=False)
    share = (1 - np.cos(np.pi / 32)) / 2
    assert report.metrics["flickering"]["score"] == pytest.approx(1 - 100 / 32 / 255)
    assert report.metrics["flickering"]["score_weighted"] == pytest.approx(1 - 100 * share / 255)


def test_flickering_by_faces_of_a_cube_counts_the_upper_one_for_a_third():
    """What lies above 45 degrees is a disc in the upper face, pi / 4 of it, and in no side."""
    frame = flat(100, 128)
    frame[:32] = 130
    found = evaluate_frames([flat(100, 128), frame], fps=FPS, loop=False).metrics["flickering"]
    assert found["score_by_faces"] == pytest.approx(1 - 30 * np.pi / 4 / 3 / 255, abs=4e-4)
    ring = evaluate_frames([frame[:64]] * 2, fps=FPS, surface="ring").metrics["flickering"]
    assert (ring["score"], ring["score_by_faces"]) == (1.0, None)


def test_a_still_flickers_not_and_moves_not():
    figures = evaluate_frames([flat(90)] * 4, fps=FPS).figures()
    assert figures["flickering"] == 1.0
    assert figures["smoothness"] == 1.0
    assert figures["dynamic_degree"] == 0.0
    assert figures["motion_deg_s"] == 0.0


def test_speed_is_that_of_the_turning_times_the_mean_cosine_of_pitch(turning):
    report = evaluate_frames(turning(5, 3.0, 128), fps=FPS, loop=False)
    assert report.figures()["motion_deg_s"] == pytest.approx(24 * np.pi / 4, rel=0.05)
    spread = 24 * np.sqrt(2 / 3 - (np.pi / 4) ** 2)
    assert report.metrics["warp_dis"]["speed_spread_deg_s"] == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("step_deg", "is_dynamic"), [(1.5, 0.0), (3.0, 1.0)])
def test_motion_is_dynamic_above_six_pixels_of_a_picture_of_256(turning, step_deg, is_dynamic):
    """At the horizon 90 degrees are the picture's 256 pixels: 6 are 2.1 degrees."""
    report = evaluate_frames(turning(5, step_deg, 128), fps=FPS, loop=False)
    assert report.figures()["dynamic_degree"] == is_dynamic
    assert report.figures()["dynamic_top5"] == pytest.approx(step_deg * 256 / 90, rel=0.1)


def test_a_faster_video_is_sampled_eight_times_a_second(turning):
    report = evaluate_frames(turning(7, 1.0, 128), fps=24.0, loop=False)
    dynamic = report.metrics["dynamic_degree_dis"]
    assert dynamic["every_nth_frame"] == 3
    assert dynamic["top5_px256"] == pytest.approx(3.0 * 256 / 90, rel=0.1)


def test_steady_motion_is_foretold_by_its_neighbours_and_noise_is_not(turning):
    moving = evaluate_frames(turning(5, 3.0, 128), fps=FPS, loop=False).figures()
    assert moving["smoothness"] > 0.985
    assert moving["boiling"] < 0.2
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 128, 3)).astype(np.uint8) for _ in range(5)]
    boiling = evaluate_frames(noise, fps=FPS, loop=False).figures()["boiling"]
    assert boiling is not None
    assert boiling > 0.7


def test_judder_costs_smoothness(turning):
    steady = turning(7, 2.0, 128)
    juddering = [steady[0], steady[0], steady[2], steady[2], steady[4], steady[4], steady[6]]
    best = evaluate_frames(steady, fps=FPS, loop=False).figures()["smoothness"]
    worse = evaluate_frames(juddering, fps=FPS, loop=False).figures()["smoothness"]
    assert best is not None
    assert worse is not None
    assert 1 - worse > 3 * (1 - best)


def test_mawe_of_pure_motion_is_next_to_nothing_and_of_stills_is_clamped(turning):
    moving = evaluate_frames(turning(4, 360 / 256 * 2, 128), fps=FPS, loop=False).metrics[
        "warp_dis"
    ]
    assert moving["mawe_dis"] < 0.01
    assert moving["clamped_pairs"] == 0
    stills = [flat(100), flat(110), flat(100)]
    clamped = evaluate_frames(stills, fps=FPS, loop=False).metrics["warp_dis"]
    assert clamped["clamped_pairs"] == 2
    assert clamped["mawe_dis"] == pytest.approx(100 / (9.5 * 0.5))


def test_mawe_is_the_squared_error_of_the_pushed_frame_over_nine_and_a_half_times_the_motion(
    turning,
):
    """Turned by two pixels, and lighter by 10 levels every other frame: 100 over the motion."""
    step_deg = 360 / 256 * 2
    frames = [
        np.clip(frame.astype(int) + 10 * (index % 2), 0, 255).astype(np.uint8)
        for index, frame in enumerate(turning(4, step_deg, 128))
    ]
    found = evaluate_frames(frames, fps=FPS, loop=False).metrics["warp_dis"]["mawe_dis"]
    motion_px = step_deg * 720 / 90 * np.pi / 4
    assert found == pytest.approx(100 / (9.5 * motion_px), rel=0.1)
