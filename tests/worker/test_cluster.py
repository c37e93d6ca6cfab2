"""Actors of a Ray cluster on this machine evaluate a job, and one of them is lost on the way."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from results import require_same_bytes

from panoloom.engine_server.config import Executors
from panoloom.engine_server.models import catalog
from panoloom.engine_server.worker import cluster
from panoloom.engine_server.worker.crew import Crew, Member
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.errors import UserError
from panoloom.shared.jobs import ArtifactRef, JobSpec, Progress

SPEC = JobSpec(prompt="northern lights over a calm sea", num_frames=8, steps=3, seed=3)
EXECUTORS = Executors(count=2, cluster="local")


def made(library: Path, crew: Crew | None = None, on_step=lambda: None) -> ArtifactRef:
    def progress(told: Progress) -> None:
        if told.phase == "denoise" and told.step == 1:
            on_step()

    job = Job(
        job_id=uuid.uuid4().hex,
        spec=catalog.plan(SPEC),
        library=library,
        blobs=library / "blobs",
        work_dir=library / "work",
    )
    reporter = Reporter(progress=progress, preview=lambda *_: None, cancelled=lambda: False)
    return generate(job, LoadedModels(), reporter, crew)


@pytest.fixture
def joined() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="Ray is not installed; it comes with `cluster`")
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")  # of Ray's own
@pytest.mark.usefixtures("joined")
def test_actors_make_the_same_bytes_and_one_that_is_lost_changes_none(tmp_path: Path) -> None:
    recruit = cluster.recruiter(EXECUTORS)
    members: list[Member] = []

    def keep(number: int) -> Member:
        members.append(recruit(number))
        return members[-1]

    crew = Crew(EXECUTORS, keep)
    shared = made(tmp_path / "shared", crew)
    assert [one.place for one in crew.evaluators()] == ["actor", "actor"]
    assert all(one.evaluations > 0 and not one.note for one in crew.evaluators())
    bereft = made(tmp_path / "bereft", crew, on_step=members[0].close)
    assert [bool(one.note) for one in crew.evaluators()] == [True, False]
    crew.close()
    alone = made(tmp_path / "alone")
    require_same_bytes(shared, alone)
    require_same_bytes(bereft, alone)


def test_without_ray_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"panoloom\[cluster\]"):
        cluster.recruiter(EXECUTORS)(0)
