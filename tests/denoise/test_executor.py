"""A step's windows shared among workers: the bytes of one alone, in whatever order they come."""

from __future__ import annotations

import threading

import pytest
import torch
from oracles import FieldAdapter, FunctionAdapter, OracleAdapter

from panoloom.engine_server.denoise.executor import Chunk, Threads, in_order
from panoloom.engine_server.denoise.finish import Finished
from panoloom.engine_server.denoise.loop import Cancelled, Keep
from panoloom.engine_server.denoise.methods import METHODS, plan_method
from panoloom.engine_server.denoise.schedule import flow_sigmas
from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry
from panoloom.engine_server.panorama.round_part import untouched_cells
from panoloom.shared.errors import GenerationFailed

SPEC = LatentSpec(channels=3, ratio_s=8, ratio_t=1, window_hw=(8, 8), window_frames=4)
HEIGHT, FRAMES, STEPS = 16, 4, 4


def made(method="fused", *, adapter=None, **options):
    plan = plan_method(
        method, latent_width=2 * HEIGHT, latent_height=HEIGHT, spec=SPEC, fov_deg=90.0
    )
    result = METHODS[method](
        None,
        adapter=adapter or FieldAdapter(num_frames=FRAMES, spec=SPEC),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(STEPS),
        shape=(SPEC.channels, FRAMES, HEIGHT, 2 * HEIGHT),
        seed=1,
        view_batch=3,
        plan=plan,
        **options,
    )
    return Finished.of(result)


def backwards(evaluate, chunks):
    """Every chunk, the last one first: what a slow first worker amounts to."""
    all_ = list(chunks)
    done = {k: evaluate(all_[k]) for k in reversed(range(len(all_)))}
    return (done[k] for k in range(len(all_)))


@pytest.mark.parametrize("method", ["fused", "planar", "multidiffusion"])
def test_one_two_and_four_workers_and_any_order_give_the_same_bytes(method):
    alone = made(method)
    for executor in (Threads(1), Threads(2), Threads(4), backwards):
        shared = made(method, executor=executor)
        assert torch.equal(shared.latents, alone.latents)
        if alone.views is not None:
            assert shared.views is not None
            assert torch.equal(shared.views.latents, alone.views.latents)


def chunk(number):
    angles = torch.zeros(1, 1, 1)
    geometry = ViewGeometry(elevation_rad=angles, fov_deg=90.0)
    return Chunk(x=torch.full((1,), float(number)), sigma=0.5, geometry=geometry)


def test_threads_work_at_once_and_answer_in_order_without_gradients():
    both = threading.Barrier(2, timeout=60)

    def evaluate(chunk):
        both.wait()  # passed only if a second chunk is worked on
        assert not torch.is_grad_enabled()
        return 10 * chunk.x

    found = list(Threads(2)(evaluate, (chunk(k) for k in range(4))))
    assert [float(x) for x in found] == [0, 10, 20, 30]
    assert [float(x) for x in in_order(lambda c: c.x, [chunk(7)])] == [7]


def test_threads_hold_no_more_than_two_chunks_each():
    given = []

    def chunks():
        for k in range(20):
            given.append(k)
            yield chunk(k)

    results = Threads(2)(lambda c: c.x, chunks())
    next(results)
    assert len(given) == 4
    results.close()


def test_cancelling_and_failing_reach_the_caller_from_any_worker():
    with pytest.raises(Cancelled):
        made(executor=Threads(2), cancelled=lambda: True)
    broken = FunctionAdapter(
        num_frames=FRAMES, spec=SPEC, function=lambda x, sigma, cond: x * float("nan")
    )
    with pytest.raises(GenerationFailed):
        made(adapter=broken, executor=Threads(2))


def test_only_views_that_show_an_open_part_are_evaluated():
    """A part that is made anew: the rest is given, and nothing but what it needs is computed."""
    given = made().latents
    at = {"yaw_deg": 40.0, "pitch_deg": 10.0, "feather_deg": 0.0}
    mask, centre = (
        torch.from_numpy(untouched_cells(HEIGHT, 2 * HEIGHT, radius_deg=radius, **at)).float()
        for radius in (35.0, 12.0)
    )
    whole, part = (OracleAdapter(num_frames=FRAMES, spec=SPEC) for _ in range(2))
    truth = made(adapter=whole).latents
    out = made(adapter=part, reference=Keep(latents=given, mask=mask)).latents
    assert 0 < sum(part.batch_sizes) < 0.75 * sum(whole.batch_sizes)
    assert torch.equal(out[..., mask == 1], given[..., mask == 1])
    inside = (out - truth)[..., centre == 0]
    assert inside.abs().max() < 0.05, "the part is the model's, whoever was not asked"
