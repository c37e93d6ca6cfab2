"""The training script: it runs, it resumes, and what it exports can be loaded."""

from __future__ import annotations

from random import Random

import pytest
import torch

from panoloom.engine_server.models.preview import checkpoint, latent_cache, train_denoiser
from panoloom.engine_server.models.preview.train import main


@pytest.mark.slow
def test_training_resumes_and_exports_weights_that_load(tmp_path):
    run = ["--run", str(tmp_path)]
    main(["ae", *run, "--count", "8", "--steps", "2", "--minutes", "5"])
    main(["decoder", *run, "--count", "8", "--steps", "1", "--minutes", "5"])
    main(["cache", *run, "--count", "3", "--frames", "8"])
    main(["denoiser", *run, "--minutes", "5", "--steps", "1"])
    main(["denoiser", *run, "--minutes", "5", "--steps", "2"])
    trainer = train_denoiser.Trainer(tmp_path, 1)
    assert trainer.step == 2
    main(["export", *run, "--out", str(tmp_path / "weights")])
    _, denoiser = checkpoint.load_weights(tmp_path / "weights")
    for name, value in denoiser.state_dict().items():
        torch.testing.assert_close(value, trainer.average.state_dict()[name], atol=2e-3, rtol=2e-3)


def test_states_come_back_as_they_were_saved(tmp_path):
    state = {"a": {0: torch.arange(3), "b": [1.5, None, "x"]}, "empty": {}}
    checkpoint.save_state(tmp_path / "s.safetensors", state)
    back = checkpoint.load_state(tmp_path / "s.safetensors")
    assert back["a"][0].tolist() == [0, 1, 2]
    assert back["a"]["b"] == [1.5, None, "x"]
    assert back["empty"] == {}


def test_pool_takes_up_shards_that_appear_and_batches_them(tmp_path):
    def shard(name: str, frames: int) -> None:
        rows = 4
        checkpoint.save_state(
            tmp_path / f"latents-{name}.safetensors",
            {
                "latents": torch.randn(rows, 8, frames, 16, 16).half(),
                "pitch_deg": torch.zeros(rows),
                "fov_deg": torch.full((rows,), 90.0),
                "words": [{"subject": ("sea",)}] * rows,
                "has_sky": [True] * rows,
            },
        )

    shard("1-a", 1)
    pool = latent_cache.Pool(tmp_path)
    assert pool.batch(5, True, Random(0))["latents"].shape == (5, 8, 1, 16, 16)
    shard("8-a", 8)
    pool.refresh()
    assert pool.batch(2, False, Random(0))["latents"].shape == (2, 8, 8, 16, 16)
    assert pool.batch(6, True, Random(0))["latents"].shape == (6, 8, 1, 16, 16)


def test_noise_levels_lie_between_nothing_and_everything():
    sigma = train_denoiser.draw_sigma(4000, torch.Generator().manual_seed(0))
    assert sigma.min() >= 0.0
    assert sigma.max() <= 1.0
    assert sigma.mean() > 0.5
