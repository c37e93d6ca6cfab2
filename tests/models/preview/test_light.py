"""What the network is told of the light: exact angles, honest gaps, one light for a panorama."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch

from panoloom.engine_server.models.preview import dataset, families, light
from panoloom.engine_server.models.preview.text import TOKENS


def channels(yaw_deg: float, pitch_deg: float, at: tuple[float, float]) -> torch.Tensor:
    views = torch.tensor([yaw_deg]), torch.tensor([pitch_deg]), torch.tensor([90.0])
    return light.light_channels(
        dataset.azimuth(*views, 15),
        dataset.elevation(*views[1:], 15),
        torch.tensor([at[0]]),
        torch.tensor([at[1]]),
    )[0]


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (130.0, -40.0), (-75.0, 80.0)])
def test_a_view_that_looks_at_the_light_has_it_in_its_centre(yaw, pitch):
    _, _, near, lobe = channels(yaw, pitch, (math.radians(yaw), math.radians(pitch)))
    assert near[7, 7] == pytest.approx(1.0, abs=1e-6)
    assert near.argmax() == 7 * 15 + 7
    assert lobe[7, 7] == pytest.approx(1.0, abs=1e-4)


def test_a_view_that_looks_away_sees_the_opposite_of_the_light():
    near = channels(180.0, -20.0, (0.0, math.radians(20.0)))[2]
    assert near[7, 7] == pytest.approx(-1.0, abs=1e-6)


def test_turning_view_and_light_together_changes_nothing():
    here = channels(10.0, 25.0, (0.3, 0.2))
    there = channels(10.0 + 90.0, 25.0, (0.3 + math.pi / 2, 0.2))
    torch.testing.assert_close(here, there, atol=1e-5, rtol=0)


def test_untold_and_lightless_worlds_are_told_apart():
    untold, dark = channels(0.0, 0.0, (0.0, light.UNTOLD)), channels(0.0, 0.0, (0.0, light.NONE))
    assert untold.abs().sum() == 0.0
    assert (dark[0] == 1.0).all()
    assert dark[1:].abs().sum() == 0.0


def test_a_view_without_azimuth_is_untold():
    flat = torch.zeros(1, 4, 4)
    out = light.light_channels(flat * torch.nan, flat, torch.zeros(1), torch.zeros(1))
    assert out.abs().sum() == 0.0


@pytest.mark.parametrize(
    ("tokens", "height"),
    [
        ({"sunset", "sea"}, light.SUNRISE),
        ({"moon", "night"}, light.MOON),
        ({"sea", "night"}, light.MOON),
        ({"sea", "night", "stars"}, light.NONE),
        ({"stars"}, light.NONE),
        ({"aurora", "sea"}, light.NONE),
        ({"rain", "day"}, light.NONE),
        ({"clouds", "meadow"}, light.DAY),
    ],
)
def test_prompt_implies_a_light(tokens, height):
    assert tokens <= set(TOKENS)
    assert light.pitch_for(tokens) == height


def test_no_words_leave_the_light_untold():
    assert math.isnan(light.pitch_for(set()))


@pytest.mark.parametrize("family", families.FAMILIES)
def test_lights_of_rendered_worlds_agree_with_what_their_words_imply(family):
    agree = 0
    for seed in range(40):
        world = families.draw(Random(seed), family)
        words = {word for role in world.words.values() for word in role}
        agree += (world.sky.sun is None) == (light.pitch_for(words) == light.NONE)
    assert agree >= 30
