"""Out of memory in mid-job: the next level, from the checkpoint; refused where none is left."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import torch

from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.card import GIB
from panoloom.engine_server.models.memory import LEVELS, Room
from panoloom.engine_server.worker import __main__ as worker
from panoloom.engine_server.worker import models as worker_models
from panoloom.engine_server.worker.crew import Crew
from panoloom.engine_server.worker.generate import Job, Reporter
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.engine_server.worker.origin import made_with, memory_of
from panoloom.shared.errors import OutOfMemory
from panoloom.shared.jobs import JobSpec

CARD = Room(device="card", device_bytes=22 * GIB, host_bytes=64 * GIB)
SPEC = JobSpec(prompt="a sea", model="wan-1.3b", width=1024, height=512, num_frames=80, fps=16.0)
QUIET = Reporter(progress=lambda progress: None, preview=lambda *_: None, cancelled=lambda: False)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> LoadedModels:
    monkeypatch.setattr(worker_models, "room_of", lambda card: CARD)
    monkeypatch.setattr(worker_models.gc, "collect", lambda: 0)  # seconds, with nothing to collect
    return LoadedModels()


def job(tmp_path: Path, spec: JobSpec) -> Job:
    return Job(
        job_id=uuid.uuid4().hex, spec=spec, library=tmp_path, blobs=tmp_path, work_dir=tmp_path
    )


def made_with_failures(
    failures: int, spec: JobSpec, models: LoadedModels, tmp_path: Path, monkeypatch
) -> list[str]:
    """Levels at which a job was tried that runs out of memory so many times."""
    tried: list[str] = []

    def generate(job: Job, models: LoadedModels, reporter: Reporter, crew: Crew) -> str:
        tried.append(models.level.name)
        if len(tried) <= failures:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    monkeypatch.setattr(worker, "generate", generate)
    assert worker.made(job(tmp_path, spec), models, QUIET, Crew()) == "done"
    return tried


def test_each_shortage_goes_one_level_down_and_is_told(models, tmp_path, monkeypatch):
    spec = catalog.outline(SPEC)
    assert models.notes(spec) == ()
    tried = made_with_failures(3, spec, models, tmp_path, monkeypatch)
    assert tried == [level.name for level in LEVELS[:4]]
    (note,) = models.notes(spec)
    assert "block by block" in note
    assert "same" in note
    tried = made_with_failures(1, spec, models, tmp_path, monkeypatch)
    assert tried[-1] == "float8"
    (note,) = models.notes(spec)
    assert "8 bits" in note
    assert "same" not in note


def test_a_shortage_at_the_last_level_ends_the_job(models, tmp_path, monkeypatch):
    with pytest.raises(OutOfMemory, match="last level"):
        made_with_failures(99, catalog.outline(SPEC), models, tmp_path, monkeypatch)


def test_the_preview_model_has_no_ladder(models, tmp_path, monkeypatch):
    with pytest.raises(OutOfMemory, match="smaller size"):
        made_with_failures(1, JobSpec(prompt="a sea"), models, tmp_path, monkeypatch)


def test_a_machine_without_room_is_refused_before_anything_is_loaded(models, monkeypatch):
    small = Room(device="card", device_bytes=GIB, host_bytes=2 * GIB)
    monkeypatch.setattr(worker_models, "room_of", lambda card: small)
    monkeypatch.setattr(catalog, "revision", lambda card: "0123456789abcdef")
    with pytest.raises(OutOfMemory, match="GiB"):
        models.for_job(catalog.outline(SPEC))


def test_a_level_is_told_and_names_another_result_only_where_it_changes_pictures():
    spec = catalog.outline(SPEC)
    exact = [level for level in LEVELS if level.same_pictures]
    assert {str(made_with(spec, level)) for level in exact} == {str(made_with(spec, LEVELS[0]))}
    assert made_with(spec, LEVELS[-1])["weights"] == "float8"
    assert memory_of(spec, LEVELS[3]) == {"level": "offloaded", "same_pictures": True}
    assert memory_of(JobSpec(prompt="a sea"), LEVELS[0]) == {}
