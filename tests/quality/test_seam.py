from __future__ import annotations

import cv2
import numpy as np
import pytest

from panoloom.engine_server.quality.report import evaluate_frames
from panoloom.engine_server.quality.seam import STEP_FLOOR, discontinuity, line_profile

FPS = 8.0


def two_halves(low: int, high: int, height: int = 32) -> np.ndarray:
    """Dark to the left of yaw 0 and bright to the right: one step there, one at the seam."""
    frame = np.full((height, 2 * height, 3), low, np.uint8)
    frame[:, height:] = high
    return frame


def test_a_seam_of_known_height_is_told_exactly():
    seam = evaluate_frames([two_halves(100, 151)] * 2, fps=FPS).metrics["seam"]
    step = 51 / 255
    assert seam["end_continuity"] == pytest.approx(step)
    inside = step / 63
    assert seam["ratio"] == pytest.approx((step + STEP_FLOOR) / (inside + STEP_FLOOR), rel=1e-4)
    assert not seam["passes"]


def test_discontinuity_score_of_a_step_between_flat_halves():
    """Both middle responses are 16 times the step, the outer ones 0: 16 h / 0.1."""
    score = evaluate_frames([two_halves(100, 151)] * 2, fps=FPS).figures()["discontinuity_score"]
    assert score == pytest.approx(16 * (51 / 255) / 0.1, rel=1e-5)


def test_discontinuity_score_is_that_of_a_scharr_filter():
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 255, (40, 80)).astype(np.uint8)
    six = np.concatenate([grey[:, -3:], grey[:, :3]], axis=1).astype(np.float64) / 255
    edges = np.abs(cv2.Scharr(six, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REPLICATE))[:, 1:-1]
    expected = (edges[:, 1] / (edges[:, 0] + 0.1) + edges[:, 2] / (edges[:, 3] + 0.1)).mean() / 2
    assert discontinuity(grey, np.array([79]))[0] == pytest.approx(expected, rel=1e-5)


def test_a_true_panorama_has_a_seam_like_any_column(turning):
    seam = evaluate_frames(turning(3, 5.0), fps=FPS, loop=False).metrics["seam"]
    assert seam["passes"]
    assert 0.6 < seam["ratio"] < 1.4
    assert 0.7 < seam["line"] < 1.4


def test_a_faint_line_is_found_by_its_sign_where_the_step_hides_in_texture():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(24):
        frame = rng.normal(120, 12, (64, 128)) + np.linspace(-4, 4, 128)
        frames.append(np.repeat(np.rint(frame).astype(np.uint8)[..., None], 3, axis=-1))
    seam = evaluate_frames(frames, fps=FPS).metrics["seam"]
    assert seam["passes"]
    assert seam["line"] > 1.5 * seam["line_interior_max"]


def test_a_line_has_the_strength_of_its_kink():
    bands = np.zeros((16, 100))
    bands[:, 40:60] = 5.0
    profile = line_profile(bands)
    assert np.flatnonzero(profile > 40).tolist() == [39, 59]
    assert profile[-1] == pytest.approx(1.0)


def test_a_plane_that_is_no_ring_has_no_seam():
    report = evaluate_frames([two_halves(1, 90)[:16]] * 2, fps=FPS, surface="plane")
    assert report.metrics["seam"] is None
    assert report.figures()["end_continuity"] is None


def test_where_along_the_seam_it_shows_is_told():
    frame = np.full((64, 128, 3), 100, np.uint8)
    frame[8:16, :20] = 200  # a patch that ends at the seam, at pitch 56
    seam = evaluate_frames([frame] * 2, fps=FPS).metrics["seam"]
    assert seam["worst_pitch_deg"] == pytest.approx(56, abs=12)
