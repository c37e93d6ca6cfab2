"""LTX in our loop is the library's own pipeline, and its loops close."""

from __future__ import annotations

from dataclasses import replace

import golden
import pytest
import tiny_pipelines
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXImageToVideoPipeline,
)
from diffusers.pipelines.ltx import pipeline_ltx_condition
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from torch import Tensor

from panoloom.engine_server.models.adapter import ViewGeometry, WindowPictures
from panoloom.engine_server.models.video.ltx import LtxAdapter, build
from panoloom.engine_server.models.video.ltx_codec import LtxCodec, reach


def geometry(*rings: str) -> ViewGeometry:
    return ViewGeometry(elevation_rad=torch.zeros(1, 8, 8), fov_deg=90.0, rings=rings)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def stock():
    return tiny_pipelines.ltx()


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_one_window_in_our_loop_is_the_stock_pipeline(stock, guidance):
    adapter = tiny_pipelines.ltx_adapter(stock, (8, 12))
    start, ours = golden.our_latents(adapter, "a calm sea", "blurred", guidance=guidance, steps=4)
    theirs = stock(
        prompt="a calm sea",
        negative_prompt="blurred",
        height=64,
        width=96,
        num_frames=17,
        frame_rate=24,
        num_inference_steps=4,
        guidance_scale=guidance,
        latents=start.flatten(1).T[None],
        output_type="latent",
    ).frames[0]
    assert golden.difference(ours, theirs.T.reshape(ours.shape)) < 1e-5


def test_one_window_that_is_given_its_first_picture_is_the_stock_pipeline(stock):
    picture = drawn(3, 64, 96).clamp(-1, 1)
    shown = tiny_pipelines.ltx_adapter(stock).view_control(WindowPictures(picture=picture))

    class Given(LtxAdapter):
        def denoised(self, x, sigma, cond, views):
            return super().denoised(x, sigma, cond, replace(views, control=shown))

    adapter = tiny_pipelines.ltx_adapter(stock, (8, 12), kind=Given)
    start, ours = golden.our_latents(adapter, "a calm sea", "blurred", guidance=3.0, steps=4)
    image = LTXImageToVideoPipeline(**stock.components)
    image.set_progress_bar_config(disable=True)
    with torch.no_grad():
        first = stock.vae.encode(picture[None, :, None]).latent_dist.mode()[0]
    assert golden.difference(shown["given"][0], first) < 1e-5
    theirs = image(
        image=None,
        prompt="a calm sea",
        negative_prompt="blurred",
        height=64,
        width=96,
        num_frames=17,
        frame_rate=24,
        num_inference_steps=4,
        guidance_scale=3.0,
        latents=torch.cat((first, start[:, 1:]), dim=1).flatten(1).T[None],
        output_type="latent",
    ).frames[0]
    assert golden.difference(ours, theirs.T.reshape(ours.shape)) < 1e-5


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("steps", [3, 6])
def test_one_window_of_version_0_9_5_is_the_stock_pipeline(stock, monkeypatch, given, steps):
    picture = drawn(3, 64, 96).clamp(-1, 1)
    shown = WindowPictures(picture=picture if given else None)

    class Given(LtxAdapter):
        def denoised(self, x, sigma, cond, views):
            views = replace(views, control=self.view_control(shown))
            return super().denoised(x, sigma, cond, views)

    parts = {**stock.components, "scheduler": FlowMatchEulerDiscreteScheduler()}
    conditioned = LTXConditionPipeline(**parts)
    conditioned.set_progress_bar_config(disable=True)
    adapter = tiny_pipelines.ltx_adapter(conditioned, (8, 12), kind=Given, is_conditioned=True)
    start, ours = golden.our_latents(adapter, "a calm sea", "blurred", guidance=3.0, steps=steps)
    # the library draws what it starts from, and a sample of the picture's latent, by itself
    drawn_there = {
        "randn_tensor": lambda shape, **_: start[None].clone(),
        "retrieve_latents": lambda code, generator=None: code.latent_dist.mode(),
    }
    for name, stands_in in drawn_there.items():
        monkeypatch.setattr(pipeline_ltx_condition, name, stands_in)
    monkeypatch.setattr(
        conditioned.video_processor, "preprocess", lambda image, height, width: image
    )
    theirs = conditioned(
        conditions=[LTXVideoCondition(image=picture[None])] if given else None,
        prompt="a calm sea",
        negative_prompt="blurred",
        height=64,
        width=96,
        num_frames=17,
        frame_rate=24,
        num_inference_steps=steps,
        guidance_scale=3.0,
        image_cond_noise_scale=0.0,
        output_type="latent",
    ).frames[0]
    assert golden.difference(ours, theirs) < 1e-5


def test_prompts_are_encoded_as_the_pipeline_encodes_them(stock):
    texts = ["a calm sea", ""]
    with torch.no_grad():
        text, mask, _, _ = stock.encode_prompt(texts, do_classifier_free_guidance=False)
    encoded = tiny_pipelines.ltx_adapter(stock).encode_prompt(texts).tensors
    assert golden.difference(encoded["text"], text) < 1e-5
    assert torch.equal(encoded["mask"], mask)


@pytest.mark.parametrize(("axis", "dim", "turn"), [("time", 2, 1), ("width", 4, 3)])
def test_on_a_ring_the_denoiser_turns_with_its_window_and_otherwise_not(stock, axis, dim, turn):
    adapter = tiny_pipelines.ltx_adapter(stock)
    cond = adapter.encode_prompt(["a calm sea"])
    x = drawn(1, 8, 3, 8, 8)

    def mismatch(told: ViewGeometry) -> float:
        rolled = adapter.denoised(x.roll(turn, dim), 0.7, cond, told)
        return golden.difference(rolled, adapter.denoised(x, 0.7, cond, told).roll(turn, dim))

    assert mismatch(geometry(axis)) < 1e-5
    assert mismatch(geometry()) > 1e-4


SHALLOW = tiny_pipelines.shallow_ltx_vae()
REACH = reach(SHALLOW)


def codec_of(vae=SHALLOW, **changes) -> LtxCodec:
    return LtxCodec(vae=vae, **{"context": REACH, "look_back": 12, **changes})


def decoded(codec: LtxCodec, latents: Tensor, *, wraps: bool = False, loop: bool = True) -> Tensor:
    return torch.stack(list(codec.decode(latents, wraps=wraps, loop=loop)), dim=1)


def test_a_loop_has_eight_frames_a_latent_and_turns_with_its_latents(stock):
    latents = drawn(8, 2, 1, 1)
    codec = codec_of(stock.vae, context=reach(stock.vae))
    frames = decoded(codec, latents)
    assert frames.shape == (3, 16, 8, 8)
    assert golden.difference(decoded(codec, latents.roll(1, 1)), frames.roll(8, 1)) < 1e-5


def test_chunks_of_time_are_not_seen():
    latents = drawn(8, 5, 2, 2)
    whole = decoded(codec_of(), latents)
    assert golden.difference(decoded(codec_of(chunk=2), latents), whole) < 1e-5


def test_less_context_than_the_decoder_reaches_leaves_an_error_that_falls_fast():
    latents = drawn(8, 6, 2, 2)
    exact = decoded(codec_of(), latents)
    errors = [
        golden.difference(decoded(codec_of(context=k, chunk=3), latents), exact)
        for k in range(1, REACH + 1)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-2] > errors[-1]
    assert errors[-1] < 1e-5


def test_a_panorama_is_the_same_in_one_tile_and_in_two_and_turns_with_its_latents():
    latents = drawn(8, 1, 8, 16)

    def panorama(latents: Tensor, tile: int) -> Tensor:
        codec = codec_of(context=1, fade=2, beyond=REACH, tile_hw=(tile, tile))
        return decoded(codec, latents, wraps=True)

    whole = panorama(latents, 16)
    assert whole.shape == (3, 2, 16, 32)
    assert golden.difference(panorama(latents, 8), whole) < 1e-5
    assert golden.difference(panorama(latents.roll(5, -1), 8), whole.roll(10, -1)) < 1e-5


def test_encoding_a_loop_turns_with_it_and_a_still_is_one_latent():
    frames = drawn(6, 3, 4, 4)
    latents = codec_of().encode(frames, wraps=False)
    assert latents.shape == (8, 3, 2, 2)
    rolled = codec_of().encode(frames.roll(2, 0), wraps=False)
    assert golden.difference(rolled, latents.roll(1, 1)) < 1e-5
    in_chunks = codec_of(chunk=1).encode(frames, wraps=False)
    assert golden.difference(in_chunks, latents) < 1e-5
    assert codec_of().encode(frames[:1], wraps=False).shape == (8, 1, 2, 2)


def test_an_encoded_panorama_turns_with_its_picture():
    picture = drawn(1, 3, 16, 32)
    codec = codec_of(fade=0, beyond=8)
    latents = codec.encode(picture, wraps=True)
    assert latents.shape == (8, 1, 8, 16)
    rolled = codec.encode(picture.roll(6, -1), wraps=True)
    assert golden.difference(rolled, latents.roll(3, -1)) < 1e-5


def test_a_decoder_that_is_told_a_noise_level_gives_the_same_frames_twice_and_turns():
    codec = codec_of(tiny_pipelines.shallow_ltx_vae(is_told_noise=True))
    latents = drawn(8, 3, 2, 2)
    frames = decoded(codec, latents)
    assert torch.equal(decoded(codec, latents), frames)
    assert golden.difference(decoded(codec, latents.roll(1, 1)), frames.roll(2, 1)) < 1e-5


def test_a_video_that_is_no_loop_does_not_see_its_end_at_its_start():
    latents = drawn(8, 2 * REACH, 2, 2)
    changed = latents.clone()
    changed[:, -1] += 1
    codec = codec_of(chunk=2 * REACH)
    before, after = (decoded(codec, one, loop=False) for one in (latents, changed))
    assert before.shape[1] == 4 * REACH
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, -1], after[:, -1])


def test_weights_in_a_folder_make_the_same_model(stock, tmp_path):
    tiny_pipelines.ltx().save_pretrained(tmp_path)
    built = build(tmp_path, device="cpu", precision="float32", window_hw=(8, 8), window_frames=3)
    x, texts = drawn(1, 8, 3, 8, 8), ["a calm sea"]
    expected = tiny_pipelines.ltx_adapter(stock)
    assert torch.equal(
        built.denoised(x, 0.5, built.encode_prompt(texts), geometry()),
        expected.denoised(x, 0.5, expected.encode_prompt(texts), geometry()),
    )


def test_a_folder_of_version_0_9_5_is_known_by_its_pipeline(stock, tmp_path):
    parts = {**stock.components, "scheduler": FlowMatchEulerDiscreteScheduler()}
    LTXConditionPipeline(**parts).save_pretrained(tmp_path)
    built = build(tmp_path, device="cpu", precision="float32", window_hw=(8, 8), window_frames=3)
    made = tiny_pipelines.ltx_adapter(stock, is_conditioned=True)
    x, text = drawn(1, 8, 3, 8, 8), made.encode_prompt(["a calm sea"])
    assert torch.equal(
        built.denoised(x, 0.5, text, geometry()), made.denoised(x, 0.5, text, geometry())
    )
