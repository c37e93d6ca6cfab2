"""Loops of any length run one way and never stand still; long films dock at their ends.

The model here is exact for a world in which a random pattern drifts by one column a frame. It sees
eight frames at a time and knows nothing of loops, ends or other windows: that the motion goes on
over the join, one way and at one speed, is the work of the time ring.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from oracles import OracleAdapter
from torch import Tensor

from panoloom.engine_server.denoise.finish import Finished
from panoloom.engine_server.denoise.methods import METHODS, plan_method
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry

HEIGHT = 4
WINDOW = 8
STEPS = 10
LENGTHS = [8, 11, 24]


class DriftingWorld(OracleAdapter):
    """The posterior mean of unit white patterns that drift by one column to the right a frame."""

    def __init__(self, width: int) -> None:
        super().__init__(
            num_frames=0,
            spec=LatentSpec(
                channels=2,
                ratio_s=8,
                ratio_t=1,
                window_hw=(HEIGHT, width),
                window_frames=WINDOW,
            ),
        )
        self.seen: list[tuple[int, ...]] = []

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        self.seen += views.frames
        frames = x.shape[2]
        brought_back = torch.stack([x[:, :, k].roll(-k, -1) for k in range(frames)], dim=2)
        gain = (1 - sigma) / ((1 - sigma) ** 2 + sigma**2 / frames)
        pattern = gain * brought_back.mean(2)
        return torch.stack([pattern.roll(k, -1) for k in range(frames)], dim=2)


@functools.cache
def film(num_frames: int, width: int, *, loop: bool, seed: int = 1) -> tuple[Tensor, DriftingWorld]:
    """(latents [2, F, 4, width], the model), with one window in space."""
    world = DriftingWorld(width)
    plan = plan_method(
        "whole", latent_width=width, latent_height=HEIGHT, spec=world.spec, fov_deg=90.0
    )
    result = METHODS["whole"](
        None,
        adapter=world,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(STEPS),
        shape=(2, num_frames, HEIGHT, width),
        seed=seed,
        loop=loop,
        plan=plan,
    )
    return Finished.of(result).latents, world


def agreement(film: Tensor, drift: int, *, loop: bool) -> np.ndarray:
    """Cosine of each frame, moved by `drift` columns, and the next one; a loop's join last."""
    now, then = film.roll(drift, -1), film.roll(-1, 1)
    alike = torch.cosine_similarity(now.transpose(0, 1).flatten(1), then.transpose(0, 1).flatten(1))
    return alike.numpy() if loop else alike.numpy()[:-1]


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_a_loop_of_any_length_drifts_one_way_also_over_its_join(num_frames):
    made, _ = film(num_frames, width=num_frames, loop=True)
    onward = agreement(made, 1, loop=True)
    assert np.median(onward) > 0.95
    assert onward.min() > 0.5, "where one window hands over to the next it still goes on"
    assert onward[-1] > onward[:-1].min() - 0.05, "the join is a pair like any other"
    assert made.std() > 0.3, "and there is something to see"


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_a_loop_is_no_ping_pong_and_no_freeze(num_frames):
    made, _ = film(num_frames, width=num_frames, loop=True)
    onward = agreement(made, 1, loop=True)
    assert (agreement(made, -1, loop=True) < onward - 0.2).all(), "it never runs backwards"
    assert (agreement(made, 0, loop=True) < onward - 0.2).all(), "it never stands still"


@pytest.mark.parametrize("seconds", [3, 20])
def test_a_long_film_with_ends_goes_on_at_one_speed_all_through(seconds):
    num_frames = 8 * seconds
    made, world = film(num_frames, width=16, loop=False)
    onward = agreement(made, 1, loop=False)
    assert np.median(onward) > 0.95
    assert onward.min() > 0.5
    assert {frames[0] for frames in world.seen} >= {0, num_frames - WINDOW}
    assert all(np.diff(frames).tolist() == [1] * (WINDOW - 1) for frames in world.seen)


def test_the_ends_of_a_film_need_not_meet():
    made, _ = film(24, width=16, loop=False)
    over_the_join = float(agreement(made, 1, loop=True)[-1])
    assert abs(over_the_join) < 0.5
