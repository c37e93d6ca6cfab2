"""The motion gain: what it does to a prediction, and what a prompt's words make of it."""

from __future__ import annotations

import math

import pytest
import torch

from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.models.guidance import MOTION_SIGMA, moved
from panoloom.engine_server.models.preview import motion
from panoloom.engine_server.models.preview.adapter import PreviewAdapter
from panoloom.engine_server.models.preview.evaluate.fit_motion import GOAL, correction
from panoloom.engine_server.models.preview.text import TOKENS

HIGH = MOTION_SIGMA + 0.1


def told(gain: float) -> Cond:
    return Cond(tensors={"motion_gain": torch.tensor([gain])})


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.randn(2, 3, 8, 4, 5, generator=torch.Generator().manual_seed(1))


def test_the_gain_makes_frames_differ_more_from_their_mean():
    """A standing wave and a smaller one that turns its sign: known before and after."""
    across = torch.arange(16) * (2 * math.pi / 16)
    standing, turning = across.cos(), 0.5 * across.sin()
    signs = torch.tensor([1.0, -1.0, -1.0, 1.0])
    frames = standing + signs[:, None] * turning
    made = moved(frames[None, None, :, None, :], HIGH, told(1.6))[0, 0, :, 0]
    kept = math.sqrt((1 + 0.25) / (1 + 0.25 * 1.6**2))
    assert torch.allclose(made, kept * (standing + 1.6 * signs[:, None] * turning), atol=1e-5)


def test_every_frame_keeps_its_mean_and_contrast(clip):
    made = moved(clip, HIGH, told(1.5))
    frame = (1, 3, 4)
    assert torch.allclose(made.mean(frame), clip.mean(frame), atol=1e-5)
    assert torch.allclose(made.std(frame), clip.std(frame), atol=1e-5)
    assert not torch.allclose(made, clip, atol=0.1)


def test_a_gain_of_one_changes_nothing(clip):
    assert moved(clip, HIGH, told(1.0)) is clip


def test_a_still_clip_stays_still(clip):
    still = clip[:, :, :1].expand_as(clip)
    assert torch.allclose(moved(still, HIGH, told(1.6)), still, atol=1e-6)


def test_nothing_changes_without_a_gain_at_low_noise_or_for_one_frame(clip):
    assert moved(clip, HIGH, Cond()) is clip
    assert moved(clip, MOTION_SIGMA, told(1.3)) is clip
    assert moved(clip[:, :, :1], HIGH, told(1.3)).equal(clip[:, :, :1])


def test_a_roll_in_time_of_the_window_rolls_what_is_made(clip):
    made = moved(clip, HIGH, told(0.8))
    assert torch.allclose(moved(clip.roll(3, 2), HIGH, told(0.8)), made.roll(3, 2), atol=1e-6)


def test_gains_of_words_multiply_and_stay_within_limits():
    table = {"clouds": math.log(1.2), "rain": math.log(1.25), "sea": -5.0, "fire": 5.0}
    assert motion.gain_for({"clouds", "rain"}, table) == pytest.approx(1.5)
    assert motion.gain_for({"meadow"}, table) == 1.0
    assert motion.gain_for({"sea"}, table) == motion.LEAST
    assert motion.gain_for({"fire"}, table) == motion.MOST


def test_gains_come_back_from_their_file(tmp_path):
    table = {"clouds": 0.25, "sea": -0.125}
    motion.save(table, tmp_path)
    assert motion.load(tmp_path) == table
    assert motion.load(tmp_path / "nowhere") == {}


def test_the_shipped_gains_are_of_known_words():
    preview = PreviewAdapter()
    assert preview.log_gains
    assert set(preview.log_gains) <= set(TOKENS)
    assert preview.encode_prompt([""]).tensors["motion_gain"].tolist() == [1.0]


def test_the_fit_corrects_towards_the_goal_and_rests_inside_it():
    low, high = GOAL
    assert correction((low + high) / 2) == 0.0
    assert correction(low / 2) == pytest.approx(math.log(2))
    assert correction(high * 2) == pytest.approx(-math.log(2))
