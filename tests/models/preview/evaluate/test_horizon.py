"""The horizon's row, estimated and true."""

from __future__ import annotations

from random import Random

import pytest
import torch

from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.models.preview import families
from panoloom.engine_server.models.preview.adapter import SPEC
from panoloom.engine_server.models.preview.dataset import Look
from panoloom.engine_server.models.preview.evaluate import classifier, horizon
from panoloom.engine_server.models.preview.evaluate.examples import Sampling, rendered


@pytest.mark.parametrize("row", [30, 64, 101])
def test_horizon_of_a_sky_above_a_ground_is_where_the_ground_begins(row):
    fade = torch.linspace(0.3, 0.8, 128)[None, None, :, None].expand(2, 3, 128, 128).clone()
    fade[:, 0] *= 0.5
    fade[:, :, row:] = 0.2
    noise = torch.randn(fade.shape, generator=torch.Generator().manual_seed(1))
    assert abs(horizon.horizon_row(fade + 0.05 * noise) - row) <= 1


def test_level_view_has_its_horizon_in_the_middle():
    assert horizon.true_row(0.0, 90.0, 128) == pytest.approx(64.0)


def test_view_half_its_field_above_the_horizon_has_it_on_the_lower_edge():
    assert horizon.true_row(45.0, 90.0, 128) == pytest.approx(128.0)
    assert horizon.true_row(-30.0, 60.0, 100) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("pitch", horizon.PITCHES_DEG)
def test_horizon_of_a_rendered_sea_is_found_where_geometry_puts_it(pitch):
    look = Look(
        world=families.draw(Random("a sea"), "sea"),
        yaw_deg=70.0,
        pitch_deg=pitch,
        fov_deg=90.0,
        start_s=0.0,
    )
    found = horizon.horizon_row(rendered(look, 1))
    assert abs(found - horizon.true_row(pitch, 90.0, 128)) <= 6  # haze lies on the sea


def test_directions_are_in_order_only_when_they_lie_apart():
    right, close, wrong = (40.0, 2.0, -30.0), (4.0, 2.0, 0.0), (-10.0, 0.0, 20.0)
    assert horizon._ordered([right, close, wrong, right]) == 0.5


class Sleeper:
    """A model that makes grey whatever it is asked for."""

    spec = SPEC

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond()

    def denoised(self, x, sigma, cond, views):
        return torch.zeros_like(x)

    def encode(self, frames, *, wraps):
        raise NotImplementedError

    def decode(self, latents, *, wraps, loop=True):
        yield from torch.zeros(latents.shape[1], 3, 128, 128)


def test_model_that_makes_grey_has_no_horizon_and_no_directions():
    lesson = classifier.Lesson(level=0, free=2, epochs=1)
    found = horizon.look_for_horizons(
        Sleeper(),
        classifier.train(lesson),
        Sampling(steps=1),
        quick=True,
        note=lambda line: None,
    )
    assert (found.correlation, found.ordered, found.told_ordered) == (0.0, 0.0, 0.0)
    assert found.rendered_correlation > 0.9
    assert set(found.pitch_deg) == set(horizon.PHRASES)
