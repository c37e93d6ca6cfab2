"""The worker around the path of a job: memory given back, errors made sentences."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from panoloom.engine_server.panorama import views
from panoloom.engine_server.worker import __main__ as worker
from panoloom.engine_server.worker.crew import Crew
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.errors import PanoloomError
from panoloom.shared.jobs import JobSpec
from panoloom.shared.messages import RunJob


class Models(LoadedModels):
    """Counts how often the weights were dropped."""

    num_freed = 0

    def free(self) -> None:
        self.num_freed += 1


class Link:
    """Keeps the error of a job."""

    error: PanoloomError

    def fail(self, job_id: str, error: PanoloomError) -> None:
        self.error = error


@pytest.mark.parametrize(("level", "num_freed"), [("cache", 0), ("weights", 1)])
def test_freeing_the_cache_keeps_the_weights(level: str, num_freed: int) -> None:
    plan = views.plan_views(latent_width=16, latent_height=8, window_hw=(8, 8))
    table = plan.table(0)
    assert plan.table(0).reads is table.reads
    models = Models()
    worker.free(level, models)
    assert models.num_freed == num_freed
    assert plan.table(0).reads is not table.reads


def failed(raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PanoloomError:
    """What a job says that ends in `raised`."""

    def generate(*_: object) -> None:
        raise raised

    monkeypatch.setattr(worker, "generate", generate)
    message = RunJob(
        job_id=uuid.uuid4().hex,
        spec=JobSpec(prompt="sea").to_plain(),
        attempt=1,
        work_dir=str(tmp_path),
    )
    link: Any = Link()
    worker.run(message, tmp_path, Models(), link, Crew())
    return link.error


def test_unforeseen_error_names_the_log_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = failed(ZeroDivisionError("by zero"), tmp_path, monkeypatch)
    assert error.code == "engine.generation_failed"
    assert "ZeroDivisionError: by zero" in str(error)
    assert str(tmp_path / ".panoloom" / "worker.log") in str(error)
    assert "Try again" in str(error)
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    "raised", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_memory_that_runs_out_is_an_error_of_its_own(
    raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failed(raised, tmp_path, monkeypatch).code == "user.out_of_memory"
