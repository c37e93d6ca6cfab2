"""The training script: it runs, it resumes, and what it exports can be loaded."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from panoloom.engine_server.models.preview import (
    checkpoint,
    denoiser,
    latent_cache,
    light,
    train_denoiser,
)
from panoloom.engine_server.models.preview.train import main


@pytest.mark.slow
def test_training_resumes_and_exports_weights_that_load(tmp_path):
    run = ["--run", str(tmp_path), "--threads", "1"]
    main(["ae", *run, "--count", "8", "--steps", "2"])
    main(["decoder", *run, "--count", "8", "--steps", "1"])
    main(["cache", *run, "--count", "3", "--frames", "8"])
    main(["denoiser", *run, "--steps", "2", "--stop-at", "1"])
    main(["denoiser", *run, "--steps", "2"])
    trainer = train_denoiser.Trainer(tmp_path, train_denoiser.Course(steps=2))
    assert trainer.step == 2
    main(["export", *run, "--out", str(tmp_path / "weights")])
    _, exported = checkpoint.load_weights(tmp_path / "weights")
    for name, value in exported.state_dict().items():
        torch.testing.assert_close(value, trainer.average.state_dict()[name], atol=2e-3, rtol=2e-3)


def test_states_come_back_as_they_were_saved(tmp_path):
    state = {"a": {0: torch.arange(3), "b": [1.5, None, "x"]}, "empty": {}}
    checkpoint.save_state(tmp_path / "s.safetensors", state)
    back = checkpoint.load_state(tmp_path / "s.safetensors")
    assert back["a"][0].tolist() == [0, 1, 2]
    assert back["a"]["b"] == [1.5, None, "x"]
    assert back["empty"] == {}


def write_shard(run: Path, name: str, frames: int, *, family: str = "") -> None:
    looks = latent_cache.shard_looks(1, frames, 0, 4)
    latents = torch.randn(4, 8, frames, 16, 16, generator=torch.Generator().manual_seed(frames))
    saved = {"latents": latents.half(), **latent_cache.look_facts(looks)}
    if family:
        saved["family"] = [family] * 4
    checkpoint.save_state(run / f"latents-{name}.safetensors", saved)


def test_a_run_that_was_stopped_ends_with_the_same_bytes_as_an_undisturbed_one(tmp_path):
    weights = []
    for name, stops in (("whole", (None,)), ("stopped", (1, None))):
        run = tmp_path / name
        run.mkdir()
        write_shard(run, "1-a", 1)
        for stop in stops:
            course = train_denoiser.Course(steps=2, stop_at=stop, singles=2, single_part=1.0)
            train_denoiser.train_denoiser(run, course)
        weights.append(checkpoint.load_state(run / "denoiser.safetensors")["model"])
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_weights_of_a_sibling_with_fewer_inputs_make_the_same_picture():
    model, old = denoiser.Denoiser(), denoiser.Denoiser()
    with torch.no_grad():
        for weight in old.parameters():
            weight.normal_(std=0.05)
    weights = old.state_dict()
    inputs = weights["enter.weight"].shape[1]
    weights["enter.weight"][:, inputs - light.CHANNELS :] = 0.0
    smaller = {**weights, "enter.weight": weights["enter.weight"][:, : inputs - light.CHANNELS]}
    train_denoiser.take_over(model, smaller)
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key]), key


def test_pool_takes_up_shards_that_appear_and_batches_them(tmp_path):
    write_shard(tmp_path, "1-a", 1)
    pool = latent_cache.Pool(tmp_path)
    assert pool.batch(5, True, Random(0))["latents"].shape == (5, 8, 1, 16, 16)
    write_shard(tmp_path, "8-a", 8)
    pool.refresh()
    assert pool.batch(2, False, Random(0))["latents"].shape == (2, 8, 8, 16, 16)
    assert pool.batch(6, True, Random(0))["latents"].shape == (6, 8, 1, 16, 16)


def test_half_of_the_clips_are_of_the_families_asked_for_more(tmp_path):
    for family in ("sea", "rain", "snow", "lava"):
        write_shard(tmp_path, f"8-{family}", 8, family=family)
    pool, rng = latent_cache.Pool(tmp_path, more=("rain",)), Random(1)
    rows = pool.facts[8]
    drawn = [rows[pool.pick(False, rng)[1]]["family"] for _ in range(800)]
    share = sum(row["family"] == "rain" for row in rows) / len(rows)
    assert share == 0.25
    assert abs(drawn.count("rain") / 800 - (0.5 + 0.5 * share)) < 0.06
    assert latent_cache.Pool(tmp_path, more=("nowhere",)).pick(False, rng)[0] == 8


def test_noise_levels_lie_between_nothing_and_everything():
    sigma = train_denoiser.draw_sigma(4000, torch.Generator().manual_seed(0))
    assert sigma.min() >= 0.0
    assert sigma.max() <= 1.0
    assert sigma.mean() > 0.5
