"""Models come whole, checked and from where they were said to, or not at all."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hub_server import COMMIT, HubServer
from huggingface_hub import constants
from safetensors.numpy import save

from panoloom.engine_server import cli
from panoloom.engine_server.models import catalog, install, safe_files, store
from panoloom.engine_server.models.memory import LEVELS
from panoloom.shared.errors import InvalidJob, ModelNotInstalled, UserError
from panoloom.shared.jobs import JobSpec, Lora

CARD = catalog.MODELS["wan-1.3b"]
REPOSITORY = CARD.sources[0].repository
WIDTH = 24


def named(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A safetensors file."""
    rng = np.random.default_rng(0)
    return save({name: rng.random(shape, dtype=np.float32) for name, shape in shapes.items()})


def transformer(width: int = WIDTH, in_channels: int = 16) -> bytes:
    return named(
        {
            "patch_embedding.weight": (width, in_channels, 1, 2, 2),
            "blocks.0.attn1.to_q.weight": (width, width),
        }
    )


def tiny_wan(class_name: str = "WanTransformer3DModel", in_channels: int = 16) -> dict[str, bytes]:
    """Files of a repository with little in them."""
    config = {
        "_class_name": class_name,
        "num_attention_heads": 2,
        "attention_head_dim": WIDTH // 2,
        "in_channels": in_channels,
    }
    return {
        "README.md": b"# no part of it",
        "remote_code.py": b"raise SystemExit",
        "model_index.json": b'{"_class_name": "WanPipeline"}',
        "scheduler/scheduler_config.json": b"{}",
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": named({"shared.weight": (64, 32)}),
        "text_encoder/pytorch_model.bin": pickle.dumps([1, 2]),
        "tokenizer/tokenizer_config.json": b"{}",
        "tokenizer/spiece.model": b"\x0a\x01",
        "transformer/config.json": json.dumps(config).encode(),
        "transformer/diffusion_pytorch_model.safetensors": transformer(),
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": named({"conv.weight": (3, 3)}),
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PANOLOOM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    with HubServer({REPOSITORY: tiny_wan()}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def run(*words: str) -> int:
    return cli.main(["models", *words])


def bring(hub: HubServer, **more) -> store.Record:
    return install.install_model(CARD, catalog.MODELS.values(), endpoint=hub.url, **more)


def written(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# From a hub


def test_install_brings_safetensors_and_texts_of_the_pinned_commit_and_nothing_else(hub, folder):
    assert run("install", "wan-1.3b") == 0
    there = written(folder / "wan-1.3b")
    assert there == {name for name in tiny_wan() if not name.endswith((".py", ".bin", ".md"))} | {
        store.RECORD,
        "SHA256SUMS",
    }
    assert hub.revisions == [CARD.sources[0].revision]
    assert store.is_installed(CARD)
    record = store.record_of(CARD.home)
    assert record is not None
    assert record.sources == (f"{REPOSITORY}@{CARD.sources[0].revision}",)
    assert catalog.revision(CARD) == record.revision


def test_a_repository_without_a_known_commit_is_asked_for_its_newest_which_is_recorded(folder):
    card = catalog.MODELS["animatediff"]
    first, second = card.sources
    assert not second.revision
    diffusion = {
        "model_index.json": b"{}",
        "scheduler/scheduler_config.json": b"{}",
        "tokenizer/vocab.json": b"{}",
        "unet/config.json": b'{"_class_name": "UNet2DConditionModel"}',
        "unet/diffusion_pytorch_model.safetensors": b"the larger one is not taken",
    }
    for part, stem in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"),
                       ("text_encoder", "model")):  # fmt: skip
        diffusion[f"{part}/{stem}.fp16.safetensors"] = named({"conv.weight": (2, 2)})
    motion = {
        "config.json": b"{}",
        "diffusion_pytorch_model.safetensors": named({"a.weight": (2, 2)}),
        "mm_sd_v15.ckpt": b"PK",
    }
    with HubServer({first.repository: diffusion, second.repository: motion}) as hub:
        record = install.install_model(card, catalog.MODELS.values(), endpoint=hub.url)
    assert f"{second.repository}@{COMMIT}" in record.sources
    there = written(card.home)
    assert "unet/diffusion_pytorch_model.safetensors" in there
    assert "motion_adapter/diffusion_pytorch_model.safetensors" in there
    assert not any("fp16" in name or "ckpt" in name for name in there)


def test_an_interrupted_download_goes_on_where_it_stopped(hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**16)  # else one piece of 10 MB
    big = "text_encoder/model.safetensors"
    hub.repositories[REPOSITORY][big] = named({"shared.weight": (512, 1024)})
    size = len(hub.repositories[REPOSITORY][big])

    def interrupt(there: int, total: int) -> None:
        partial = CARD.home / f"{big}.partial"
        if partial.is_file() and partial.stat().st_size > size // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(hub, on_progress=interrupt)
    assert not store.is_installed(CARD)
    assert "goes on" in str(store.not_installed(CARD))
    came = (CARD.home / f"{big}.partial").stat().st_size
    hub.requests.clear()
    seen = []
    bring(hub, on_progress=lambda there, total: seen.append((there, total)))
    assert [asked for path, asked in hub.requests if path == big] == [f"bytes={came}-"]
    assert seen[-1][0] == seen[-1][1]
    assert store.verify(CARD.home) == []
    assert store.is_installed(CARD)


def test_a_server_that_ignores_ranges_is_taken_from_the_start(hub):
    name = "vae/diffusion_pytorch_model.safetensors"
    partial = CARD.home / f"{name}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"old")
    hub.ignores_ranges = True
    bring(hub)
    assert store.verify(CARD.home) == []


def test_bytes_with_another_hash_than_the_listed_are_thrown_away(hub):
    name = "vae/diffusion_pytorch_model.safetensors"
    partial = CARD.home / f"{name}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"\xff" * 20)  # what a torn disk left
    with pytest.raises(ModelNotInstalled, match="hash"):
        bring(hub)
    assert not partial.exists()
    assert not store.is_installed(CARD)
    bring(hub)
    assert store.is_installed(CARD)


def test_the_same_bytes_are_not_fetched_for_a_second_model(hub):
    bring(hub)
    other = catalog.MODELS["wan-14b"]
    hub.repositories[other.sources[0].repository] = tiny_wan()
    hub.requests.clear()
    install.install_model(other, catalog.MODELS.values(), endpoint=hub.url)
    assert not any(path.endswith(".safetensors") for path, _ in hub.requests)
    assert store.verify(other.home) == []


def test_no_network_says_so_with_the_ways_out(capsys, monkeypatch):
    with HubServer({}) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    assert run("install", "wan-1.3b") == 3
    said = capsys.readouterr().err
    assert gone.url in said
    assert "--from" in said


def test_a_repository_that_is_not_there_says_so(hub, capsys):
    hub.repositories.clear()
    assert run("install", "wan-1.3b") == 3
    assert "has no" in capsys.readouterr().err


def test_too_full_a_disk_is_told_before_anything_comes(hub, monkeypatch):
    usage = install.shutil.disk_usage
    monkeypatch.setattr(
        install.shutil, "disk_usage", lambda place: usage(place)._replace(free=1000)
    )
    with pytest.raises(ModelNotInstalled, match="PANOLOOM_MODELS") as caught:
        bring(hub)
    assert caught.value.details["free_bytes"] == 1000
    assert hub.requests == []


def test_a_disk_that_fills_up_in_mid_download_keeps_what_came(hub):
    resource = pytest.importorskip("resource")
    name = "text_encoder/model.safetensors"
    hub.repositories[REPOSITORY][name] = named({"shared.weight": (512, 1024)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(ModelNotInstalled, match="goes on where it stopped"):
            bring(hub)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 0 < (CARD.home / f"{name}.partial").stat().st_size <= 1_000_000
    bring(hub)
    assert store.verify(CARD.home) == []


def test_a_part_that_is_a_pickle_only_is_refused_with_the_way_to_convert_it(hub):
    files = hub.repositories[REPOSITORY]
    files["vae/diffusion_pytorch_model.bin"] = b"\x80\x04."
    del files["vae/diffusion_pytorch_model.safetensors"]
    with pytest.raises(InvalidJob, match=r"safetensors\.torch"):
        bring(hub)
    assert hub.requests == []


# From this machine


def on_disk(files: dict[str, bytes], place: Path) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def test_a_folder_is_a_source_and_keeps_its_own_files(tmp_path):
    origin = on_disk(tiny_wan(), tmp_path / "given")
    assert run("install", "wan-1.3b", "--from", str(origin)) == 0
    assert run("verify", "wan-1.3b") == 0
    assert run("remove", "wan-1.3b") == 0
    assert not CARD.home.exists()
    assert (origin / "transformer/diffusion_pytorch_model.safetensors").is_file()


@pytest.mark.parametrize(
    ("class_name", "kin"),
    [("WanVACETransformer3DModel", "wan-vace-1.3b"), ("LTXVideoTransformer3DModel", "ltx")],
)
def test_weights_of_another_family_are_refused_and_named(tmp_path, class_name, kin):
    origin = on_disk(tiny_wan(class_name), tmp_path / "given")
    with pytest.raises(InvalidJob, match=class_name) as caught:
        install.install_model(CARD, catalog.MODELS.values(), origin=origin)
    assert kin in caught.value.details["known"]
    assert not store.is_installed(CARD)


@pytest.mark.parametrize(("in_channels", "kin"), [(36, "wan2.2-i2v-a14b"), (48, "wan2.2-5b")])
def test_image_to_video_given_for_text_to_video_is_refused_by_its_channels(
    tmp_path, in_channels, kin
):
    origin = on_disk(tiny_wan(in_channels=in_channels), tmp_path / "given")
    with pytest.raises(InvalidJob, match=f"of {in_channels} channels, not a .* of 16") as caught:
        install.install_model(CARD, catalog.MODELS.values(), origin=origin)
    assert kin in caught.value.details["known"]
    assert "wan-14b" not in caught.value.details["known"]


def test_one_expert_given_for_two_is_refused(tmp_path):
    origin = on_disk(tiny_wan(), tmp_path / "given")
    with pytest.raises(UserError, match="transformer_2"):
        install.install_model(catalog.MODELS["wan2.2-a14b"], catalog.MODELS.values(), origin=origin)


def test_another_family_is_refused_before_the_weights_come_from_the_hub(hub):
    hub.repositories[REPOSITORY] = tiny_wan("LTXVideoTransformer3DModel")
    with pytest.raises(InvalidJob, match="ltx"):
        bring(hub)
    assert not any(path.endswith(".safetensors") for path, _ in hub.requests)


def test_one_file_takes_the_place_of_the_denoiser(hub, tmp_path):
    tuned = tmp_path / "tuned.safetensors"
    tuned.write_bytes(transformer())
    with pytest.raises(ModelNotInstalled, match=r"panoloom models install wan-1\.3b"):
        install.install_model(CARD, catalog.MODELS.values(), origin=tuned)
    before = bring(hub)
    after = install.install_model(CARD, catalog.MODELS.values(), origin=tuned)
    assert CARD.single_file is not None
    assert CARD.single_file.name == "tuned.safetensors"
    assert after.revision != before.revision


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("wide.safetensors", transformer(48), "48 channels wide"),
        ("i2v.safetensors", transformer(in_channels=36), "takes 36 channels, that takes 16"),
        ("vae.safetensors", named({"conv.weight": (3, 3)}), "no denoiser"),
        ("cut.safetensors", transformer()[:-4], "whole"),
        ("model.ckpt", b"PK\x03\x04", "pickle"),
        ("hidden.safetensors", pickle.dumps({"a": 1}), "pickle"),
        ("fake.gguf", b"nope", "GGUF"),
    ],
)
def test_a_file_that_is_no_denoiser_of_the_model_is_refused(hub, tmp_path, name, data, why):
    bring(hub)
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InvalidJob, match=why):
        install.install_model(CARD, catalog.MODELS.values(), origin=path)
    assert CARD.single_file is None


def test_damage_is_found_and_a_new_installation_mends_it(hub, capsys):
    bring(hub)
    path = CARD.home / "vae/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert run("verify") == 3
    assert "damaged" in capsys.readouterr().out
    bring(hub)
    assert run("verify", "wan-1.3b", "--json") == 0


def test_a_header_reads_back_what_was_written(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(named({"x": (2, 3), "y": (4,)}))
    header = safe_files.read_header(path)
    assert {name: t.shape for name, t in header.items()} == {"x": (2, 3), "y": (4,)}


# What a job hears


def test_a_job_of_a_model_that_is_not_here_names_the_command_and_the_size(capsys):
    assert cli.main(["generate", "a sea", "--model", "wan-1.3b", "--size", "1024x512"]) == 3
    said = capsys.readouterr().err
    assert "panoloom models install wan-1.3b" in said
    assert "29 GB" in said


def test_the_list_says_what_there_is_to_know(capsys):
    assert run("list", "--json") == 0
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)["models"]}
    assert facts["anyflow-1.3b"]["commercial"] == "no"
    wan = facts["wan-1.3b"]
    assert wan["installed"] is False
    assert list(wan["memory_bytes"]) == [level.name for level in LEVELS]
    assert wan["memory_bytes"]["resident"] > 2 * wan["memory_bytes"]["offloaded"]
    assert facts["preview"]["memory_bytes"] == {}
    assert run("list") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in catalog.MODELS)
    assert "21 GB resident" in said


def test_what_ships_is_neither_installed_nor_removed():
    assert run("install", "preview") == 2
    assert run("remove", "preview") == 2


# LoRAs


def lora(width: int = WIDTH) -> bytes:
    block = "diffusion_model.blocks.0.self_attn.q"
    return named({f"{block}.lora_A.weight": (4, width), f"{block}.lora_B.weight": (width, 4)})


def job(**changes) -> JobSpec:
    base = JobSpec(
        prompt="a sea", model="wan-1.3b", width=1024, height=512, num_frames=80, fps=16.0
    )
    return JobSpec.from_plain({**base.to_plain(), **changes})


def test_a_lora_is_installed_and_its_revision_filled_in(hub):
    bring(hub)
    hub.repositories["someone/inks"] = {"inks.safetensors": lora(), "inks.bin": b"\x80\x04"}
    assert run("install", "--lora", f"someone/inks@{COMMIT}") == 0
    planned = catalog.plan(job(loras=[{"id": "someone/inks", "weight": 0.5}]))
    (found,) = planned.loras
    assert found.weight == 0.5
    assert len(found.revision) == store.REVISION_DIGITS
    assert catalog.plan(planned) == planned
    by_commit = catalog.plan(job(loras=[{"id": "someone/inks", "revision": COMMIT}]))
    assert by_commit.loras[0].revision == found.revision
    assert store.lora_file(found).name == "inks.safetensors"


def test_a_lora_of_several_files_wants_one_named(hub, capsys):
    hub.repositories["someone/inks"] = {"a.safetensors": lora(), "b.safetensors": lora()}
    assert run("install", "--lora", "someone/inks") == 2
    assert "a.safetensors, b.safetensors" in capsys.readouterr().err
    assert run("install", "--lora", "someone/inks", "--file", "b.safetensors") == 0
    assert run("remove", "someone/inks") == 0


def test_a_lora_that_is_not_here_names_the_command(hub):
    bring(hub)
    with pytest.raises(ModelNotInstalled, match="models install --lora someone/inks@abc"):
        catalog.plan(job(loras=[{"id": "someone/inks", "revision": "abc"}]))


def test_a_lora_for_another_model_is_refused_with_both_widths(hub, tmp_path):
    bring(hub)
    path = tmp_path / "wide.safetensors"
    path.write_bytes(lora(5120))
    install.install_lora("wide", origin=path)
    with pytest.raises(InvalidJob, match="5120") as caught:
        catalog.plan(job(loras=[{"id": "wide"}]))
    assert caught.value.details["field"] == "loras"
    assert str(WIDTH) in str(caught.value)


def test_an_expert_of_a_model_that_has_one_denoiser_is_refused_with_those_that_have_two():
    inks = [{"id": "inks", "expert": "low"}]
    with pytest.raises(InvalidJob, match="one denoiser") as caught:
        catalog.outline(job(loras=inks))
    assert caught.value.details["known"] == ["wan2.2-a14b", "wan2.2-i2v-a14b"]
    assert catalog.outline(job(model="wan2.2-a14b", loras=inks)).loras[0].expert == "low"


def test_a_file_that_is_no_lora_is_refused(tmp_path):
    path = tmp_path / "none.safetensors"
    path.write_bytes(transformer())
    with pytest.raises(InvalidJob, match="lora_A"):
        install.install_lora("none", origin=path)


def test_a_model_that_takes_no_lora_says_which_do():
    with pytest.raises(InvalidJob, match=r"wan-1\.3b"):
        catalog.outline(JobSpec(prompt="x", loras=(Lora(id="someone/inks"),)))
