"""Held-out worlds, and what the model is asked for to compare with them."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch

from panoloom.engine_server.models.preview import families
from panoloom.engine_server.models.preview.evaluate import examples
from panoloom.engine_server.models.preview.evaluate.examples import Sampling, View
from panoloom.engine_server.models.preview.text import tokenize

FAMILIES = tuple(families.FAMILIES)


def test_every_family_has_plain_prompts_of_known_words():
    assert set(examples.PROMPTS) == set(FAMILIES)
    for prompts in examples.PROMPTS.values():
        assert [word for prompt in prompts for word in tokenize(prompt)[1]] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_captions_always_name_the_subject(family):
    for number, look in enumerate(examples.held_out(family, 5)):
        view = examples.view_of(look, number)
        assert examples.names_subject(view.prompt, look), (view.prompt, look.world.words)


def test_held_out_worlds_are_the_same_each_time_and_unlike_each_other():
    first, again = examples.held_out("sea", 3), examples.held_out("sea", 3)
    assert first == again
    assert len({look.yaw_deg for look in first}) == 3


def test_views_are_level_and_about_ninety_degrees_wide():
    for look in examples.held_out("clouds", 20):
        assert -10.0 <= look.pitch_deg <= 30.0
        assert 80.0 <= look.fov_deg <= 100.0


def test_heading_is_counted_from_the_light():
    looks = [look for look in examples.held_out("sunset", 4) if look.world.sky.sun is not None]
    for number, look in enumerate(looks):
        assert look.world.sky.sun is not None
        light = math.degrees(look.world.sky.sun[0])
        assert examples.view_of(look, number).yaw_deg == pytest.approx(look.yaw_deg - light)


def test_untold_view_gives_no_numbers_away():
    where = examples.geometry(View(prompt="", pitch_deg=40.0, told=False))
    assert where.azimuth_rad is not None
    assert where.elevation_rad.isnan().all()
    assert where.azimuth_rad.isnan().all()


def test_noise_levels_fall_from_one_to_nothing():
    levels = examples.sigmas(Sampling(steps=4, shift=2.0))
    assert levels == pytest.approx([1.0, 6 / 7, 2 / 3, 0.4, 0.0])


def test_caption_is_drawn_again_until_it_names_the_subject():
    look = examples.held_out("storm", 1)[0]
    captions = {examples.told_caption(look, Random(k)) for k in range(8)}
    assert len(captions) > 4


def test_names_subject_reads_whole_words():
    look = examples.held_out("desert", 1)[0]
    assert look.world.words["subject"] == ("desert",)
    assert examples.names_subject("golden dunes at noon", look)
    assert not examples.names_subject("a deserted street", look)


def test_rendered_clip_has_frames_of_the_size_asked_for():
    clip = examples.rendered(examples.held_out("desert", 1)[0], 2, size=32)
    assert clip.shape == (2, 3, 32, 32)
    assert clip.dtype == torch.float32
