"""A Gaussian field on the sphere through `fused`: the code is the matrix that its tables make."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from oracle_report import unit_noise
from oracles import FieldAdapter, SphereDeviation, field_covariance, posterior, propagated

from panoloom.engine_server.denoise.finish import FINISH_SIGMA, Finished, finish_step
from panoloom.engine_server.denoise.loop import denoise_panorama
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Cond, LatentSpec
from panoloom.engine_server.panorama import erp
from panoloom.engine_server.panorama.tables import NOISE_FINENESS
from panoloom.engine_server.panorama.views import plan_views

HEIGHT, WINDOW, STEPS = 8, 4, 4
CELLS = 2 * HEIGHT**2
NOISE_CELLS = CELLS * NOISE_FINENESS**2
SPEC = LatentSpec(
    channels=NOISE_CELLS, ratio_s=8, ratio_t=1, window_hw=(WINDOW, WINDOW), window_frames=1
)


def plan():
    return plan_views(
        latent_width=2 * HEIGHT, latent_height=HEIGHT, window_hw=SPEC.window_hw, fov_deg=90.0
    )


@functools.lru_cache
def made(**options):
    """The finished panorama as a matrix of the noise, ``[cells, noise cells]``, by the code."""
    with unit_noise():
        result = denoise_panorama(
            None,
            adapter=FieldAdapter(num_frames=1, spec=SPEC),
            cond=Cond(),
            uncond=None,
            guidance_scale=1.0,
            sigmas=flow_sigmas(STEPS),
            shape=(NOISE_CELLS, 1, HEIGHT, 2 * HEIGHT),
            seed=1,
            plan=plan(),
            view_batch=32,
            **options,
        )
    return Finished.of(result).latents.flatten(1).double().numpy().T


def sparse(rows, columns, weights, shape):
    matrix = np.zeros(shape)
    np.add.at(matrix, (rows, columns), weights)
    return matrix


def matrices(table):
    """(picture to views, noise to views, views to picture) of a table, written down densely."""
    count = len(table.reads)
    at = np.repeat(np.arange(count), table.reads.shape[1])
    reads = sparse(at, table.reads.flatten(), table.read_weights.flatten(), (count, CELLS))
    ends = np.append(table.noise_starts.numpy()[1:], len(table.noise_cells))
    at = np.repeat(np.arange(count), ends - table.noise_starts.numpy())
    grain = sparse(at, table.noise_cells, table.noise_weights, (count, NOISE_CELLS))
    at = np.repeat(np.arange(CELLS), table.taps.shape[1])
    fuse = sparse(at, table.taps.flatten(), table.weights.flatten(), (CELLS, count))
    return reads, grain, fuse


def aim_of(step, estimate, previous):
    """Where a step of second order aims; from its formula."""
    sigmas = flow_sigmas(STEPS)
    s, t = sigmas[step], sigmas[step + 1]
    if step == 0 or t == 0:
        return estimate
    weight = 1 - np.log(s / t) / (s / t - 1)
    return estimate + (estimate - previous) * s / (sigmas[step - 1] - s) * weight


def expected(still_from=STEPS):
    """The same, from the tables of each step and the exact posterior of a view.

    From step `still_from` on the views stand still. Each then has cells of its own: a step reads
    them from its own estimate, and what is around them from the panorama that all own cells make.
    """
    seen = erp.view_directions(yaw_deg=0, pitch_deg=0, fov_deg=90, height=WINDOW, width=WINDOW)
    flat = seen.reshape(-1, 3)
    covariance = field_covariance(np.clip(flat @ flat.T, -1, 1))
    sigmas = flow_sigmas(STEPS)
    q, previous = np.zeros((CELLS, NOISE_CELLS)), np.zeros((CELLS, NOISE_CELLS))
    for step in range(STEPS):
        stands = step >= still_from
        table = plan().fixed_table() if stands else plan().table(step)
        reads, grain, fuse = matrices(table)
        if step == still_from:
            q, previous = reads @ q, reads @ previous
        wiener = np.kron(np.eye(len(table.views)), posterior(covariance, sigmas[step]))
        if stands:
            alone = wiener @ (q + sigmas[step] * grain)
            own = table.own.flatten().numpy()[:, None]
            estimate = np.where(own, alone, reads @ fuse @ alone)
        else:
            estimate = fuse @ wiener @ (reads @ q + sigmas[step] * grain)
        aim = aim_of(step, estimate, previous)
        q, previous = aim + (sigmas[step + 1] / sigmas[step]) * (q - aim), estimate
    return fuse @ q if still_from < STEPS else q


def test_moving_views_are_what_their_tables_say():
    found, true = made(finish_sigma=0.0), expected()
    assert np.abs(found - true).max() < 1e-4 * np.abs(true).max() + 1e-5


@pytest.mark.parametrize("finish_sigma", [FINISH_SIGMA, 0.6, 1.0])
def test_views_that_stand_still_are_what_their_table_says(finish_sigma):
    """From the first step on, from the second and from the third: the covariance is exact."""
    start = finish_step(flow_sigmas(STEPS), finish_sigma)
    found, true = made(finish_sigma=finish_sigma), expected(start)
    assert start < STEPS
    assert np.abs(found - true).max() < 1e-4 * np.abs(true).max() + 1e-5
    covariances = found @ found.T, true @ true.T
    assert np.abs(covariances[0] - covariances[1]).max() < 1e-4 * np.abs(covariances[1]).max()


def test_covariance_is_that_of_the_field_but_for_what_a_view_cannot_see():
    for options in ({}, {"finish_sigma": 0.0}):
        matrix = made(**options)
        found = SphereDeviation.of(matrix @ matrix.T, HEIGHT)
        assert 0.4 < found.variance < 1.1
        assert found.most < 1.6 * found.least, "no latitude is duller than another"
        assert found.seam == pytest.approx(found.step, rel=0.25), "the seam is like any column"


def test_deviation_of_the_field_itself_is_none():
    seen = erp.cell_directions(HEIGHT, 2 * HEIGHT).reshape(-1, 3)
    found = SphereDeviation.of(field_covariance(np.clip(seen @ seen.T, -1, 1)), HEIGHT)
    assert (found.variance, found.seam, found.poles) == pytest.approx((1, 1, 1))
    assert found.spectrum == pytest.approx((1, 1, 1, 1))


def test_propagation_of_white_data_is_a_number():
    """With unit white data `denoised` is a multiple of x, so the picture is one of the noise."""
    sigmas = flow_sigmas(64)
    matrix = propagated([posterior(np.eye(1), sigma) for sigma in sigmas[:-1]], sigmas)
    assert matrix[0, 0] == pytest.approx(1, abs=0.01)
