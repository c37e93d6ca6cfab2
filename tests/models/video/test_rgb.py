"""Colours of latents: a known linear map is found again, and a model's previews use it."""

from __future__ import annotations

import golden
import pytest
import tiny_pipelines
import torch

from panoloom.engine_server.denoise.stages import StageState, StepDone
from panoloom.engine_server.models.video import rgb
from panoloom.engine_server.worker.previews import WIDTH, quick_picture


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(6))


KNOWN = rgb.LinearRgb(drawn(3, 16) * 0.05, torch.tensor([0.1, -0.2, 0.3]))


def test_a_known_map_is_found_again():
    latents = drawn(16, 500)
    found = rgb.fit(latents, KNOWN.weight @ latents + KNOWN.bias[:, None])
    assert golden.difference(found.weight, KNOWN.weight) < 1e-6
    assert golden.difference(found.bias, KNOWN.bias) < 1e-6


def test_channels_that_say_nothing_get_no_weight():
    latents = torch.cat((drawn(2, 300), torch.zeros(1, 300)))
    found = rgb.fit(latents, latents[:2][[0, 1, 0]])
    assert golden.difference(found.weight[:, 2], torch.zeros(3)) < 1e-6


def test_a_map_on_disk_is_the_same_map_and_a_folder_without_one_has_none(tmp_path):
    assert rgb.quick_look(tmp_path) is None
    KNOWN.save(tmp_path / rgb.FILE_NAME)
    look = rgb.quick_look(tmp_path)
    assert look is not None
    assert torch.equal(look(drawn(16, 4, 8)), KNOWN(drawn(16, 4, 8)))


@pytest.mark.parametrize("family", ["animatediff", "ltx", "anyflow"])
def test_a_model_is_fitted_better_than_by_its_mean_colour(family):
    stock = getattr(tiny_pipelines, family)()
    adapter = getattr(tiny_pipelines, f"{family}_adapter")(stock)
    pictures = rgb.worlds(3, px=64)
    found = rgb.fit_model(adapter, pictures)
    cells = [adapter.encode(picture[None], wraps=False)[:, 0] for picture in pictures]
    colours = [torch.nn.functional.avg_pool2d(p, adapter.spec.ratio_s) for p in pictures]
    error = sum(float((found(z) - c).square().mean()) for z, c in zip(cells, colours, strict=True))
    everything = torch.cat([c.flatten(1) for c in colours], dim=1)
    assert error / 3 < 0.99 * float(everything.var(dim=1).mean())


def test_a_preview_is_the_first_frame_enlarged():
    denoised = drawn(16, 2, 4, 8)
    state = StageState(stage=0, step=1, x=denoised)
    done = StepDone(state=state, num_steps=2, steps_done=1, steps_total=2, denoised=denoised)
    picture = quick_picture(KNOWN, done)
    assert picture.shape == (WIDTH // 2, WIDTH, 3)
    ours = torch.from_numpy(picture).movedim(-1, 0) * 2 - 1
    shrunk = torch.nn.functional.avg_pool2d(ours, WIDTH // 8)
    assert golden.difference(shrunk, KNOWN(denoised[:, 0])) < 0.5 * float(KNOWN.weight.abs().sum())


def test_a_tiny_autoencoder_in_the_folder_is_taken(tmp_path):
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    )
    tiny.save_pretrained(tmp_path / rgb.TINY_FOLDER)
    look = rgb.quick_look(tmp_path)
    assert look is not None
    assert look(drawn(4, 4, 8)).shape == (3, 32, 64)
