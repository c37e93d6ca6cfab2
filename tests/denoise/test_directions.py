"""Prompts by direction: where each holds, what is asked of the model, and that turning turns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from panoloom.engine_server.denoise.directions import (
    Directed,
    Directions,
    directions_of,
    num_prompts,
    prompt_of,
    texts_of,
)
from panoloom.engine_server.denoise.fuse import noise_rows
from panoloom.engine_server.denoise.fused import FusedMethod
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.panorama.views import plan_views
from panoloom.shared.jobs import JobSpec, Place

MOON = Place(text="a moon", yaw_deg=-90, pitch_deg=20, radius_deg=30)
FULL = Directions(sky=True, horizon=True, ground=True, places=(MOON,))


def looking(yaw_deg: float, pitch_deg: float) -> tuple[Tensor, Tensor]:
    """One window of one cell that looks there."""
    angles = (torch.full((1, 1, 1), math.radians(angle)) for angle in (yaw_deg, pitch_deg))
    return tuple(angles)  # type: ignore[return-value]


def weights_at(directions: Directions, yaw_deg: float, pitch_deg: float) -> list[float]:
    return directions.weights(*looking(yaw_deg, pitch_deg)).flatten().tolist()


@dataclass
class Painter:
    """A model that paints every window in the colour of its prompt, and remembers its calls.

    Usage: ``Painter()``; prompt k of `encode_prompt` has colour k + 1.
    """

    spec: LatentSpec = field(default_factory=lambda: LatentSpec(channels=1, ratio_s=8, ratio_t=1))
    calls: list[tuple[float, ViewGeometry]] = field(default_factory=list)

    def encode_prompt(self, texts: list[str]) -> Cond:
        return Cond(tensors={"colour": torch.arange(1.0, len(texts) + 1)})

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        assert len(views.elevation_rad) == len(x) == len(views.yaw_deg)
        colour = float(cond.tensors["colour"][0])
        self.calls.append((colour, views))
        return torch.full_like(x, colour) + x

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        raise NotImplementedError

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "directions",
    [
        FULL,
        Directions(sky=True),
        Directions(ground=True),
        Directions(horizon=True),
        Directions(sky=True, ground=True),
        Directions(places=(MOON, replace(MOON, yaw_deg=-70), replace(MOON, pitch_deg=10))),
    ],
    ids=str,
)
def test_weights_are_shares_of_one_everywhere(directions):
    azimuth, elevation = torch.rand(2, 50, 4, 4) - 0.5
    weights = directions.weights(azimuth * 2 * math.pi, elevation * math.pi)
    assert len(weights) == directions.count
    assert weights.min() >= 0
    assert weights.sum(0) == pytest.approx(torch.ones(50, 4, 4), abs=1e-5)


def test_each_prompt_holds_alone_where_it_belongs():
    order = ["everything else", "sky", "horizon", "ground", "the moon"]
    for where, yaw_deg, pitch_deg in (
        ("sky", 90, 70),
        ("horizon", 90, 0),
        ("ground", 90, -70),
        ("the moon", -90, 20),
        ("the moon", 270, 25),
    ):
        weights = weights_at(FULL, yaw_deg, pitch_deg)
        assert weights[order.index(where)] == pytest.approx(1)


def test_half_of_a_places_weight_is_left_at_its_radius_in_every_direction():
    only = Directions(places=(MOON,))
    for yaw_deg, pitch_deg in ((-90, 50), (-90, -10)):
        assert weights_at(only, yaw_deg, pitch_deg)[1] == pytest.approx(0.5, abs=1e-4)
    pole = Directions(places=(replace(MOON, pitch_deg=90),))
    for yaw_deg in (0, 100, 200):
        assert weights_at(pole, yaw_deg, 60)[1] == pytest.approx(0.5, abs=1e-4)


def test_without_a_horizon_sky_and_ground_meet_at_it():
    two = Directions(sky=True, ground=True)
    assert weights_at(two, 0, 10) == pytest.approx([0, 1, 0])
    assert weights_at(two, 0, 0) == pytest.approx([0, 0.5, 0.5])
    assert weights_at(two, 0, -10) == pytest.approx([0, 0, 1])


def test_with_a_sky_alone_the_prompt_has_all_below_it():
    assert weights_at(Directions(sky=True), 0, -10) == pytest.approx([1, 0])
    assert weights_at(Directions(sky=True), 0, 10) == pytest.approx([0, 1])


def test_prompts_carry_the_words_that_hold_everywhere():
    spec = JobSpec(prompt="at night", sky="stars", horizon=" ", ground="lava", places=(MOON,))
    assert texts_of(spec) == ["at night", "stars, at night", "lava, at night", "a moon, at night"]
    assert texts_of(replace(spec, prompt="")) == ["", "stars", "lava", "a moon"]
    assert directions_of(spec) == Directions(sky=True, ground=True, places=(MOON,))


def geometry(*angles: tuple[float, float]) -> ViewGeometry:
    cells = [looking(*pair) for pair in angles]
    return ViewGeometry(
        elevation_rad=torch.cat([elevation for _, elevation in cells]),
        azimuth_rad=torch.cat([azimuth for azimuth, _ in cells]),
        fov_deg=90.0,
        yaw_deg=tuple(yaw for yaw, _ in angles),
        pitch_deg=tuple(pitch for _, pitch in angles),
    )


def test_a_window_asks_only_for_the_prompts_that_count_in_it():
    painter = Painter()
    directed = Directed(adapter=painter, directions=Directions(sky=True, ground=True))
    cond = directed.encode_prompt(["all", "sky", "ground"])
    out = directed.denoised(
        torch.zeros(3, 1, 2, 1, 1), 0.5, cond, geometry((0, 60), (0, -60), (0, 0))
    )
    assert out[:, 0, 0, 0, 0].tolist() == pytest.approx([2, 3, 2.5])
    assert [(colour, views.pitch_deg) for colour, views in painter.calls] == [
        (2, (60, 0)),
        (3, (-60, 0)),
    ]


def test_one_prompt_is_passed_on_as_it_is():
    painter = Painter()
    directed = Directed(adapter=painter, directions=Directions(sky=True))
    views = geometry((0, 60), (0, -60))
    directed.denoised(torch.zeros(2, 1, 2, 1, 1), 0.5, painter.encode_prompt(["x"]), views)
    assert painter.calls == [(1.0, views)]


def test_with_a_reference_the_model_is_not_told_the_azimuth_but_words_keep_their_place():
    painter = Painter()
    only = Directions(places=(MOON,))
    directed = Directed(adapter=painter, directions=only, tells_azimuth=False)
    cond = directed.encode_prompt(["all", "moon"])
    out = directed.denoised(torch.zeros(2, 1, 2, 1, 1), 0.5, cond, geometry((-90, 20), (90, 20)))
    assert out[:, 0, 0, 0, 0].tolist() == pytest.approx([2, 1])
    assert all(views.azimuth_rad is None for _, views in painter.calls)


def test_prompts_of_a_cond_are_counted_and_taken_out():
    cond = Cond(tensors={"text": torch.arange(6.0).view(3, 2)}, ignored_words=("x",))
    assert num_prompts(cond) == 3
    assert num_prompts(Cond()) == 1
    assert prompt_of(cond, 1).tensors["text"].tolist() == [[2, 3]]


def fused(directions: Directions, turn_columns: int) -> FusedMethod:
    """The method over 64x32 cells with its views turned, and without noise."""
    plan = plan_views(latent_width=64, latent_height=32, fov_deg=90.0)
    shape = (1, 8, 32, 64)
    directed = Directed(adapter=Painter(), directions=directions)
    turned = SimpleNamespace(table=lambda step: plan.table(step).turned(turn_columns))
    return FusedMethod(
        adapter=directed,
        cond=directed.encode_prompt(["all"] * directions.count),
        uncond=None,
        guidance_scale=1.0,
        plan=turned,  # type: ignore[arg-type]
        noise=torch.zeros_like(noise_rows(shape, seed=0, stage=0)),
        seed=0,
        stage=0,
        loop=False,
        view_batch=4,
    )


def test_turning_the_places_turns_the_picture():
    state = torch.rand(1, 8, 32, 64, generator=torch.Generator().manual_seed(0))
    moon = Directions(sky=True, places=(MOON,))
    east = replace(moon, places=(replace(MOON, yaw_deg=MOON.yaw_deg + 90),))
    here = fused(moon, 0).denoised(state, sigma=0.5, step=1)
    there = fused(east, 16).denoised(state.roll(16, -1), sigma=0.5, step=1)
    assert there == pytest.approx(here.roll(16, -1), abs=1e-4)
    assert (here - state).std() > 0.2
