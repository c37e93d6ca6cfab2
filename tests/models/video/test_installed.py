"""A model that was installed, as a job finds it."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
import safetensors.torch
import tiny
import torch
from diffusers import WanPipeline
from tiny_pipelines import word_tokenizer

from panoloom.engine_server.models import catalog, install, store
from panoloom.engine_server.models.memory import LEVELS, Room
from panoloom.engine_server.models.video import single
from panoloom.engine_server.worker import models as worker_models
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.errors import InvalidJob, ModelNotInstalled
from panoloom.shared.jobs import JobSpec, Lora

CARD = catalog.MODELS["wan-1.3b"]
SPEC = JobSpec(prompt="a sea", model="wan-1.3b", width=1024, height=512, num_frames=80, fps=16.0)
GIB = 2**30


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    parts = tiny.wan_parts()
    WanPipeline(
        tokenizer=word_tokenizer(512),
        text_encoder=tiny.umt5_encoder(),
        vae=parts.vae,
        scheduler=parts.scheduler,
        transformer=parts.transformer,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture
def models(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModels:
    monkeypatch.setenv("PANOLOOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(worker_models, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(worker_models, "PRECISION", "float32")
    room = Room(device="card", device_bytes=12 * GIB, host_bytes=64 * GIB)
    monkeypatch.setattr(worker_models, "room_of", lambda card: room)
    install.install_model(CARD, catalog.MODELS.values(), origin=given)
    return LoadedModels()


def weights_of(models: LoadedModels, **changes) -> torch.Tensor:
    spec = catalog.plan(JobSpec.from_plain({**SPEC.to_plain(), **changes}))
    adapter = models.for_job(spec)
    models.begin(spec)
    return adapter.transformers[0].blocks[0].attn1.to_q


def test_a_job_finds_an_installed_model_its_level_and_prompts_on_disk(models, tmp_path):
    spec = catalog.plan(SPEC)
    adapter = models.for_job(spec)
    assert models.level == LEVELS[1]
    assert adapter.spec.window_hw == (64, 64)
    adapter.encode_prompt(["a sea"])
    models.begin(spec)
    assert list((tmp_path / "cache" / "prompts").glob("*.safetensors"))
    assert models.for_job(spec) is adapter
    models.free()
    assert models.for_job(spec) is not adapter


def test_a_lora_of_a_job_is_on_its_denoiser_and_gone_with_the_next_job(models, tmp_path):
    block = "transformer.blocks.0.attn1.to_q"
    pair = {
        f"{block}.lora_A.weight": torch.ones(2, 24),
        f"{block}.lora_B.weight": torch.ones(24, 2),
    }
    safetensors.torch.save_file(pair, tmp_path / "inks.safetensors")
    install.install_lora("inks", origin=tmp_path / "inks.safetensors")
    x = torch.ones(1, 24)
    plain = weights_of(models)(x)
    half = weights_of(models, loras=[{"id": "inks", "weight": 0.5}])(x)
    torch.testing.assert_close(half - plain, torch.full((1, 24), 24.0), rtol=1e-4, atol=1e-3)
    assert torch.equal(weights_of(models)(x), plain)
    assert store.resolved(Lora(id="inks")).revision


def test_a_single_file_is_the_denoiser_of_the_next_job(models, tmp_path):
    before = weights_of(models).weight.clone()
    tuned = tiny.wan_transformer(seed=5)
    safetensors.torch.save_file(tuned.state_dict(), tmp_path / "tuned.safetensors")
    install.install_model(CARD, catalog.MODELS.values(), origin=tmp_path / "tuned.safetensors")
    after = weights_of(models).weight
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, tuned.blocks[0].attn1.to_q.weight)


def test_a_quantised_file_wants_its_package(models, tmp_path, monkeypatch):
    (tmp_path / "tuned.gguf").write_bytes(b"GGUF" + bytes(20))
    install.install_model(CARD, catalog.MODELS.values(), origin=tmp_path / "tuned.gguf")
    monkeypatch.setattr(single.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelNotInstalled, match="pip install gguf"):
        single.single_denoiser(CARD.home, "transformer", torch.float32)


def install_quantised(model: torch.nn.Module, path: Path) -> None:
    """Install a GGUF file of `model` in place of the denoiser."""
    writer = gguf.GGUFWriter(path, "wan")
    for name, tensor in model.state_dict().items():
        writer.add_tensor(name, tensor.numpy().astype("float16"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    install.install_model(CARD, catalog.MODELS.values(), origin=path)


@pytest.mark.parametrize(
    "alien",
    [tiny.wan_transformer(attention_head_dim=24), torch.nn.Linear(4, 4)],
    ids=["wider", "another network"],
)
def test_a_quantised_file_of_another_model_is_refused_by_name(models, tmp_path, alien):
    install_quantised(alien, tmp_path / "alien.gguf")
    with pytest.raises(InvalidJob, match=r"alien\.gguf does not fit"):
        weights_of(models)


def test_a_quantised_file_is_the_denoiser_of_the_next_job(models, tmp_path):
    tuned = tiny.wan_transformer(seed=5)
    install_quantised(tuned, tmp_path / "tuned.gguf")
    layer = weights_of(models)
    x = torch.ones(1, 24)
    torch.testing.assert_close(layer(x), tuned.blocks[0].attn1.to_q(x), rtol=0.01, atol=0.01)
