from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.canvas import Place
from panoloom.engine_server.quality.report import evaluate_frames
from panoloom.engine_server.quality.verdict import where

FPS = 8.0


def bad(report):
    return {each.about: each for each in report.verdict.findings if each.level != "fine"}


def test_a_perfect_loop_is_fine_and_says_so(perfect_report):
    verdict = perfect_report.verdict
    assert verdict.level == "fine", verdict.headline
    assert verdict.headline == "Nothing was found that a viewer would notice."
    assert {"loop_join", "velocity_dis", "seam", "poles"} <= {
        each.about for each in verdict.findings
    }


def test_a_jump_is_told_with_its_size_its_place_and_its_second(jumping_loop):
    report = evaluate_frames(jumping_loop, fps=FPS)
    finding = bad(report)["loop_join"]
    assert finding.level == "faulty"
    assert "jumps at its join" in finding.text
    assert finding.second == len(jumping_loop) / FPS
    assert finding.place is not None
    assert report.verdict.headline.startswith("A viewer will notice: the loop jumps")


def test_a_seam_is_told_with_its_pitch(perfect_loop):
    frames = [frame.copy() for frame in perfect_loop]
    for frame in frames:
        frame[:, :64] = np.clip(frame[:, :64].astype(int) + 40, 0, 255)
    finding = bad(evaluate_frames(frames, fps=FPS))["seam"]
    assert finding.level == "faulty"
    assert finding.place is not None
    assert finding.place.yaw_deg == 180.0


def test_a_still_is_told(perfect_loop):
    findings = bad(evaluate_frames(perfect_loop[:1] * 8, fps=FPS))
    assert "still" in findings["motion"].text


def test_a_ping_pong_is_told(turning):
    there = turning(9, 2.0)
    report = evaluate_frames(there + there[-2:0:-1], fps=FPS)
    assert "backward" in bad(report)["loop_join"].text


def test_harmful_flashing_comes_with_a_warning():
    frames = [np.full((32, 64, 3), 30 + 200 * (index % 2), np.uint8) for index in range(16)]
    finding = bad(evaluate_frames(frames, fps=16.0))["flashes"]
    assert finding.level == "faulty"
    assert "WCAG 2.3.1" in finding.text


def test_a_turning_world_tires_and_a_tilting_one_sickens(turning):
    turning_round = evaluate_frames(turning(4, 3.0, 128), fps=FPS, loop=False)
    assert "24 degrees a second" in bad(turning_round)["comfort"].text
    tilting = evaluate_frames(turning(4, 1.0, 128, 0), fps=FPS, loop=False)
    texts = [each.text for each in tilting.verdict.findings if each.about == "comfort"]
    assert any("tilts" in text for text in texts)


def test_findings_are_sorted_by_how_bad_they_are(jumping_loop):
    levels = [each.level for each in evaluate_frames(jumping_loop, fps=FPS).verdict.findings]
    assert levels == sorted(levels, key=["faulty", "noticeable", "fine"].index)


@pytest.mark.parametrize(
    ("yaw_deg", "pitch_deg", "words"),
    [
        (0, 0, "ahead (yaw 0, pitch 0)"),
        (90, 40, "to the right above (yaw 90, pitch 40)"),
        (180, -30, "behind below (yaw 180, pitch -30)"),
        (-90, 0, "to the left (yaw -90, pitch 0)"),
        (-180, 0, "behind (yaw -180, pitch 0)"),
        (30, 90, "overhead (yaw 30, pitch 90)"),
        (0, -80, "underfoot (yaw 0, pitch -80)"),
    ],
)
def test_a_place_is_told_as_one_would_point(yaw_deg, pitch_deg, words):
    assert where(Place(yaw_deg, pitch_deg)) == words
