"""Wan through our loop against the library's own pipeline, on the same tiny weights."""

from __future__ import annotations

from dataclasses import replace

import golden
import pytest
import tiny
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanPipeline,
)

from panoloom.engine_server.models.video.levels import flow_levels
from panoloom.engine_server.models.video.wan import WanAdapter, WanParts
from panoloom.engine_server.models.video.wan_ti2v import WanTi2vAdapter
from panoloom.shared.errors import InvalidJob

WINDOW = {"window_hw": (4, 6), "window_frames": 3}
PROMPTS = ("a calm sea", "blurred")
TOLERANCE = 1e-5


def pipeline_of(parts: WanParts, **changes) -> WanPipeline:
    made = WanPipeline(
        tokenizer=tiny.LetterTokenizer(),
        text_encoder=tiny.umt5_encoder(),
        vae=parts.vae,
        scheduler=parts.scheduler,
        transformer=parts.transformer,
        transformer_2=parts.transformer_2,
        boundary_ratio=parts.boundary,
        **changes,
    )
    made.set_progress_bar_config(disable=True)
    return made


def stock(
    parts: WanParts, start: torch.Tensor, *, guidance: float, steps: int, **changes
) -> torch.Tensor:
    ratio = parts.vae.config.scale_factor_spatial
    return pipeline_of(parts, **changes)(
        prompt=PROMPTS[0],
        negative_prompt=PROMPTS[1],
        height=start.shape[2] * ratio,
        width=start.shape[3] * ratio,
        num_frames=1 + 4 * (start.shape[1] - 1),
        num_inference_steps=steps,
        guidance_scale=guidance,
        latents=start[None],
        output_type="latent",
    ).frames[0]


@pytest.mark.parametrize("scheduler", list(tiny.SCHEDULERS))
@pytest.mark.parametrize(("guidance", "steps"), [(1.0, 1), (4.0, 5)])
def test_one_window_through_our_loop_is_the_librarys_own(scheduler, guidance, steps) -> None:
    parts = tiny.wan_parts(scheduler)
    start, ours = golden.our_latents(
        WanAdapter(parts, **WINDOW), *PROMPTS, guidance=guidance, steps=steps
    )
    theirs = stock(parts, start, guidance=guidance, steps=steps)
    assert golden.difference(ours, theirs) < TOLERANCE
    assert golden.difference(ours, start) > 0.1


@pytest.mark.parametrize("scheduler", list(tiny.SCHEDULERS))
def test_two_experts_take_turns_at_the_boundary_as_the_librarys_do(scheduler) -> None:
    parts = tiny.wan_parts(scheduler, transformer_2=tiny.wan_transformer(9), boundary=0.875)
    start, ours = golden.our_latents(WanAdapter(parts, **WINDOW), *PROMPTS, guidance=3.0, steps=4)
    assert golden.difference(ours, stock(parts, start, guidance=3.0, steps=4)) < TOLERANCE
    alone = replace(parts, transformer_2=None, boundary=None)
    _, one = golden.our_latents(WanAdapter(alone, **WINDOW), *PROMPTS, guidance=3.0, steps=4)
    assert golden.difference(ours, one) > 1e-3


@pytest.mark.parametrize("scheduler", list(tiny.SCHEDULERS))
def test_five_billion_model_tells_every_token_its_time_as_the_librarys_does(scheduler) -> None:
    parts = tiny.wan_parts(
        scheduler,
        vae=tiny.wan_vae_22(),
        transformer=tiny.wan_transformer(in_channels=48, out_channels=48),
    )
    start, ours = golden.our_latents(
        WanTi2vAdapter(parts, **WINDOW), *PROMPTS, guidance=4.0, steps=3
    )
    theirs = stock(parts, start, guidance=4.0, steps=3, expand_timesteps=True)
    assert golden.difference(ours, theirs) < TOLERANCE


def test_prompts_are_encoded_as_the_library_does_and_each_once() -> None:
    parts = tiny.wan_parts()
    made = WanAdapter(parts, **WINDOW).encode_prompt(["a calm sea", "", "a calm  sea "])
    pipeline = pipeline_of(parts)
    theirs, _ = pipeline.encode_prompt(
        ["a calm sea", "", "a calm  sea "],
        do_classifier_free_guidance=False,
        max_sequence_length=512,
    )
    assert torch.allclose(made.tensors["text"], theirs, atol=1e-6)


def test_a_scheduler_that_steps_otherwise_is_refused_by_name() -> None:
    with pytest.raises(InvalidJob, match="DDIMScheduler"):
        WanAdapter(tiny.wan_parts(scheduler=DDIMScheduler()), **WINDOW)
    odd = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, solver_order=3
    )
    with pytest.raises(InvalidJob, match="solver_order 3 instead of 2"):
        WanAdapter(tiny.wan_parts(scheduler=odd), **WINDOW)


@pytest.mark.parametrize("shift", [3.0, 5.0, 12.0])
def test_the_network_is_told_the_librarys_times_at_every_number_of_steps(shift) -> None:
    schedulers = (
        UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
        ),
        FlowMatchEulerDiscreteScheduler(shift=shift),
    )
    for scheduler in schedulers:
        levels = flow_levels(scheduler)
        for steps in range(1, 61):
            told = [levels.time(sigma) for sigma in levels(steps)[:-1]]
            scheduler.set_timesteps(steps)
            assert told == pytest.approx(scheduler.timesteps.tolist(), abs=1e-3)
