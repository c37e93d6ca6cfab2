"""The doctor: each finding is a fact about the machine and, where it is bad, a way out."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import FakeEngine

from panoloom.engine_server import cli, doctor, doctor_network, machine
from panoloom.engine_server.models import catalog, checksums
from panoloom.engine_server.worker.models import DEVICE
from panoloom.shared.connection import connection_path

TORCH = {
    "version": "2.13.0",
    "cuda_build": "",
    "cuda": False,
    "devices": [],
    "mps": False,
    "threads": 2,
}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of our own for the preview model, listed and whole."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "denoiser.safetensors").write_bytes(b"weights")
    checksums.write(folder)
    monkeypatch.setitem(
        catalog.MODELS, "preview", replace(catalog.MODELS["preview"], folder=folder)
    )
    catalog.shipped_revision.cache_clear()
    return folder


def only(findings) -> doctor.Finding:
    (finding,) = findings
    return finding


def test_gpu_beside_a_torch_without_cuda_is_a_failure_that_says_what_to_do():
    found = doctor.judge_torch(TORCH, ["A GPU"])
    assert found.level == doctor.FAIL
    assert "without CUDA" in found.text
    assert "CUDA build" in found.remedy


def test_gpu_that_a_torch_built_for_it_cannot_use_is_a_failure_that_blames_the_driver():
    found = doctor.judge_torch(TORCH | {"cuda_build": "13.0"}, ["An old GPU"])
    assert found.level == doctor.FAIL
    assert "driver" in found.text
    assert "driver" in found.remedy


def test_gpu_that_torch_can_use_is_named():
    found = doctor.judge_torch(TORCH | {"cuda": True, "devices": ["A GPU"]}, ["A GPU"])
    assert (found.level, "A GPU" in found.text) == (doctor.OK, True)


@pytest.mark.parametrize(
    "said", [{}, {"cuda_build": "13.0"}, {"cuda": True, "devices": ["A GPU"]}, {"mps": True}]
)
def test_no_gpu_is_promised_to_the_preview_model(said):
    found = doctor.judge_torch(TORCH | said, ["A GPU"])
    assert "preview model runs on the CPU" in found.text
    assert DEVICE == "cpu"


def test_no_gpu_is_no_failure():
    assert doctor.judge_torch(TORCH, []).level == doctor.OK


def test_torch_is_asked_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "nvidia_gpus", list)
    monkeypatch.setattr(doctor, "ASK_TORCH", "raise ImportError('libcudart is missing')")
    found = only(doctor.check_torch(tmp_path))
    assert found.level == doctor.FAIL
    assert "libcudart is missing" in found.text


def test_missing_package_is_named(tmp_path, monkeypatch):
    wanted = ["numpy>=2.0", "no-such-thing>=1", "pytest>=8.3; extra == 'test'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: wanted)
    found = only(doctor.check_packages(tmp_path))
    assert (found.level, found.text) == (doctor.FAIL, "missing: no-such-thing")


def test_package_below_its_bound_is_named_with_both_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy>=99.1"])
    found = only(doctor.check_packages(tmp_path))
    assert found.level == doctor.FAIL
    assert "at least 99.1" in found.text


def test_whole_weights_are_well(weights, tmp_path):
    assert only(doctor.check_models(tmp_path)).level == doctor.OK


@pytest.mark.parametrize("damage", ["changed", "missing", "extra", "unlisted"])
def test_weights_that_are_not_the_released_ones_are_a_failure(damage, weights, tmp_path):
    file = weights / "denoiser.safetensors"
    if damage == "changed":
        file.write_bytes(b"Weights")
    elif damage == "missing":
        file.rename(weights / "other.safetensors")
    elif damage == "extra":
        (weights / "extra.safetensors").touch()
    else:
        (weights / checksums.LIST).unlink()
    found = only(doctor.check_models(tmp_path))
    assert found.level == doctor.FAIL
    assert found.remedy


def test_weights_in_the_checkout_are_listed():
    for card in catalog.MODELS.values():
        if card.weight_files:
            assert checksums.verify(card.folder) == []


def test_absent_weights_are_a_failure(monkeypatch, tmp_path):
    card = replace(catalog.MODELS["preview"], folder=tmp_path / "none")
    monkeypatch.setitem(catalog.MODELS, "preview", card)
    assert only(doctor.check_models(tmp_path)).level == doctor.FAIL


def test_full_disk_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    assert only(doctor.check_disk(tmp_path / "not" / "yet")).level == doctor.FAIL
    assert list(tmp_path.iterdir()) == []


def test_library_below_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    found = only(doctor.check_disk(tmp_path / "file" / "library"))
    assert (found.level, "--library" in found.remedy) == (doctor.FAIL, True)


@pytest.mark.parametrize(
    ("gib", "level"), [((1.0, 1.0), "fail"), ((8.0, 3.0), "warn"), ((16.0, 9.0), "ok")]
)
def test_memory_is_judged_by_what_the_preview_model_needs(gib, level, tmp_path, monkeypatch):
    sizes = tuple(round(size * doctor.GIB) for size in gib)
    monkeypatch.setattr(machine, "memory_bytes", lambda: sizes)
    assert only(doctor.check_memory(tmp_path)).level == level


def test_this_machine_has_memory():
    total, available = machine.memory_bytes()
    assert total >= available > 0


def test_encrypted_words_come_back_on_loopback():
    assert doctor_network.round_trip() == ""


def test_video_and_exr_can_be_written_here(tmp_path):
    assert only(doctor.check_files(tmp_path)).level == doctor.OK


def test_no_engine_is_well(tmp_path):
    assert only(doctor.check_engine(tmp_path)).level == doctor.OK


def test_running_engine_answers(tmp_path):
    with FakeEngine(tmp_path):
        found = only(doctor.check_engine(tmp_path))
    assert found.level == doctor.OK
    assert "answers" in found.text


def test_engine_of_another_machine_is_called_that(tmp_path):
    with FakeEngine(tmp_path):
        plain = json.loads(connection_path(tmp_path).read_bytes()) | {"pid": 0}
        connection_path(tmp_path).write_text(json.dumps(plain))
        found = only(doctor.check_engine(tmp_path))
    assert (found.level, "on another machine" in found.text) == (doctor.OK, True)


def test_engine_that_died_without_a_word_is_a_warning(tmp_path):
    with FakeEngine(tmp_path):
        left = connection_path(tmp_path).read_bytes()
    plain = json.loads(left) | {"pid": 2**22 + 1}
    connection_path(tmp_path).write_text(json.dumps(plain))
    found = only(doctor.check_engine(tmp_path))
    assert found.level == doctor.WARN
    assert "panoloom serve" in found.remedy


@pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX")
def test_key_that_others_can_read_is_a_failure(tmp_path):
    with FakeEngine(tmp_path):
        connection_path(tmp_path).chmod(0o644)
        found = only(doctor.check_engine(tmp_path))
    assert (found.level, "chmod 600" in found.remedy) == (doctor.FAIL, True)


def test_check_that_breaks_is_a_failure_and_the_others_go_on(tmp_path, monkeypatch):
    def check_moon(library):
        raise OSError("no moon")

    monkeypatch.setattr(doctor, "CHECKS", (check_moon, doctor.check_python))
    broken, fine = doctor.examine(tmp_path)
    assert (broken.name, broken.level) == ("moon", doctor.FAIL)
    assert fine.level == doctor.OK


def test_doctor_ends_with_3_on_a_failure_and_prints_one_json_document(
    tmp_path, monkeypatch, capsys
):
    bad = doctor.Finding(name="moon", level=doctor.FAIL, text="Gone.", remedy="Wait.")
    monkeypatch.setattr(doctor, "CHECKS", (doctor.check_python, lambda library: iter([bad])))
    assert cli.main(["doctor", "--json", "--library", str(tmp_path)]) == 3
    plain = json.loads(capsys.readouterr().out)
    assert plain["healthy"] is False
    assert plain["checks"][1]["remedy"] == "Wait."


def test_doctor_says_ready_when_nothing_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", (doctor.check_python,))
    assert cli.main(["doctor", "--library", str(tmp_path)]) == 0
    assert "Ready." in capsys.readouterr().out
