"""Colours of latents: a known linear map is found again, and a model's previews use it."""

from __future__ import annotations

import golden
import torch

from panoloom.engine_server.denoise.stages import StageState, StepDone
from panoloom.engine_server.models.adapter import LatentSpec
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


class LinearCodec:
    """An adapter whose latents are four mixtures of a cell's mean colour."""

    spec = LatentSpec(channels=4, ratio_s=8, ratio_t=1)
    mixtures = drawn(4, 3)

    def encode(self, frames: torch.Tensor, *, wraps: bool) -> torch.Tensor:
        cells = torch.nn.functional.avg_pool2d(frames, 8).movedim(0, 1)
        return torch.einsum("cr,rfhw->cfhw", self.mixtures, cells)


def test_a_model_is_fitted_from_pictures_of_worlds():
    pictures = rgb.worlds(2, px=64)
    found = rgb.fit_model(LinearCodec(), pictures)
    for picture in pictures:
        latents = LinearCodec().encode(picture[None], wraps=False)[:, 0]
        colours = torch.nn.functional.avg_pool2d(picture, 8)
        assert golden.difference(found(latents), colours) < 1e-4


def test_a_map_is_fitted_once_and_then_read(tmp_path, monkeypatch):
    monkeypatch.setattr(rgb, "PICTURES", 1)
    path = tmp_path / "looks" / "model.json"
    first = rgb.fitted_look(LinearCodec(), path)
    monkeypatch.setattr(LinearCodec, "mixtures", torch.zeros(4, 3))
    again = rgb.fitted_look(LinearCodec(), path)
    assert torch.equal(again.weight, first.weight)
    assert torch.equal(again.bias, first.bias)


def test_the_script_writes_the_map_beside_the_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rgb, "PICTURES", 1)
    monkeypatch.setattr(rgb, "build", lambda *_, **__: LinearCodec())
    rgb.main(["ltx", str(tmp_path)])
    assert capsys.readouterr().out == f"Written: {tmp_path / rgb.FILE_NAME}\n"
    assert rgb.quick_look(tmp_path) is not None


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
