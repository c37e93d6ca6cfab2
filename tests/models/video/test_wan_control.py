"""Wan with pictures beside the words: image to video, given frames, and VACE's control."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import golden
import numpy as np
import pytest
import tiny
import torch
from diffusers import WanImageToVideoPipeline, WanVACEPipeline
from PIL import Image

from panoloom.engine_server.models.adapter import Cond, LatentSpec, ViewGeometry, WindowPictures
from panoloom.engine_server.models.video.wan import WanAdapter, WanParts
from panoloom.engine_server.models.video.wan_i2v import WanI2vAdapter
from panoloom.engine_server.models.video.wan_ti2v import WanTi2vAdapter
from panoloom.engine_server.models.video.wan_vace import WanVaceAdapter
from panoloom.shared.errors import InvalidJob

WINDOW = {"window_hw": (4, 6), "window_frames": 3}
WORDS = {"prompt": "a calm sea", "negative_prompt": "blurred"}


@dataclass
class Controlled:
    """An adapter whose every window is told the same control."""

    adapter: WanAdapter
    control: dict[str, torch.Tensor]

    @cached_property
    def spec(self) -> LatentSpec:
        return self.adapter.spec

    def encode_prompt(self, texts: list[str]) -> Cond:
        return self.adapter.encode_prompt(texts)

    def denoised(self, x: torch.Tensor, sigma: float, cond: Cond, views: ViewGeometry):
        return self.adapter.denoised(x, sigma, cond, replace(views, control=self.control))


def picture(ratio: int = 8) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (4 * ratio, 6 * ratio, 3), np.uint8)
    return Image.fromarray(pixels)


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image) / np.float32(255)).movedim(-1, 0) * 2 - 1


def run(adapter, control, *, steps: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return golden.our_latents(
        Controlled(adapter, control), *WORDS.values(), guidance=4.0, steps=steps
    )


def stock(kind, parts: WanParts, start: torch.Tensor, steps: int = 3, **more) -> torch.Tensor:
    init = {key: more.pop(key) for key in list(more) if key in INIT}
    pipeline = kind(
        tokenizer=tiny.LetterTokenizer(),
        text_encoder=tiny.umt5_encoder(),
        vae=parts.vae,
        scheduler=parts.scheduler,
        transformer=parts.transformer,
        **init,
    )
    pipeline.set_progress_bar_config(disable=True)
    ratio = parts.vae.config.scale_factor_spatial
    return pipeline(
        **WORDS,
        height=start.shape[2] * ratio,
        width=start.shape[3] * ratio,
        num_frames=1 + 4 * (start.shape[1] - 1),
        num_inference_steps=steps,
        guidance_scale=4.0,
        latents=start[None],
        output_type="latent",
        **more,
    ).frames[0]


INIT = ("image_encoder", "image_processor", "expand_timesteps")


@pytest.mark.parametrize("scheduler", list(tiny.SCHEDULERS))
def test_a_picture_brought_to_life_is_the_librarys_own(scheduler) -> None:
    clip = {"image_encoder": tiny.clip_vision(), "image_processor": tiny.clip_processor()}
    network = tiny.wan_transformer(in_channels=36, image_dim=4)
    parts = tiny.wan_parts(scheduler, transformer=network, **clip)
    adapter = WanI2vAdapter(parts, **WINDOW)
    start, ours = run(adapter, adapter.view_control(WindowPictures(picture=as_tensor(picture()))))
    theirs = stock(WanImageToVideoPipeline, parts, start, image=picture(), **clip)
    assert golden.difference(ours, theirs) < 1e-5


def test_wan_22_takes_the_picture_without_clip() -> None:
    parts = tiny.wan_parts("unipc", transformer=tiny.wan_transformer(in_channels=36))
    adapter = WanI2vAdapter(parts, **WINDOW)
    start, ours = run(adapter, adapter.view_control(WindowPictures(picture=as_tensor(picture()))))
    theirs = stock(WanImageToVideoPipeline, parts, start, image=picture())
    assert golden.difference(ours, theirs) < 1e-5


def test_without_a_picture_it_is_refused_with_a_way_out() -> None:
    parts = tiny.wan_parts(transformer=tiny.wan_transformer(in_channels=36))
    with pytest.raises(InvalidJob, match="reference panorama"):
        run(WanI2vAdapter(parts, **WINDOW), {})


@pytest.mark.parametrize("scheduler", list(tiny.SCHEDULERS))
def test_given_cells_of_the_five_billion_model_are_told_time_zero_as_the_librarys_are(
    scheduler,
) -> None:
    parts = tiny.wan_parts(
        scheduler,
        vae=tiny.wan_vae_22(),
        transformer=tiny.wan_transformer(in_channels=48, out_channels=48),
    )
    adapter = WanTi2vAdapter(parts, **WINDOW)
    control = adapter.view_control(WindowPictures(picture=as_tensor(picture(16))))
    start, ours = run(adapter, control)
    theirs = stock(WanImageToVideoPipeline, parts, start, image=picture(16), expand_timesteps=True)
    assert golden.difference(ours[:, 1:], theirs[:, 1:]) < 1e-5  # the first is what was given
    assert golden.difference(control["given"][0], theirs[:, :1]) < 1e-5


@pytest.mark.parametrize(
    ("scheduler", "masked"), [("unipc", False), ("unipc", True), ("euler", True)]
)
def test_control_of_depth_and_mask_is_the_librarys_own(scheduler, masked) -> None:
    parts = tiny.wan_parts(scheduler, transformer=tiny.wan_vace_transformer())
    adapter = WanVaceAdapter(parts, **WINDOW)
    white = np.full((32, 48), 255, np.uint8)
    if masked:
        white[:16] = 0
    open_part = torch.from_numpy(white / np.float32(255)) if masked else None
    seen = as_tensor(picture())
    shown = WindowPictures(picture=seen if masked else None, follow=seen, is_open=open_part)
    start, ours = run(adapter, adapter.view_control(shown))
    frames = 1 + 4 * 2
    theirs = stock(
        WanVACEPipeline,
        parts,
        start,
        video=[picture()] * frames,
        mask=[Image.fromarray(white)] * frames,
    )
    assert golden.difference(ours, theirs) < 1e-5


def test_vace_without_control_is_the_librarys_own_and_control_changes_the_picture() -> None:
    parts = tiny.wan_parts(transformer=tiny.wan_vace_transformer())
    adapter = WanVaceAdapter(parts, **WINDOW)
    start, ours = run(adapter, {})
    assert golden.difference(ours, stock(WanVACEPipeline, parts, start)) < 1e-5
    _, followed = run(adapter, adapter.view_control(WindowPictures(follow=as_tensor(picture()))))
    assert golden.difference(ours, followed) > 1e-3


def test_a_reference_stands_in_front_of_a_window_and_is_dropped() -> None:
    parts = tiny.wan_parts(transformer=tiny.wan_vace_transformer())
    adapter = WanVaceAdapter(parts, **WINDOW)
    control = adapter.view_control(WindowPictures(picture=as_tensor(picture())))
    assert control["follow"].shape[2] == 4
    start, made = run(adapter, control)
    assert made.shape == start.shape
    assert golden.difference(made, run(adapter, {})[1]) > 1e-3
    views = ViewGeometry(
        elevation_rad=torch.zeros(1, 4, 6), fov_deg=90.0, rings=("time",), control=control
    )
    with pytest.raises(InvalidJob, match="ring-RoPE"):
        adapter.denoised(start[None], 0.5, adapter.encode_prompt(["a"]), views)
