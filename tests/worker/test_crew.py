"""Several evaluate the views of a job: the bytes of one alone, whoever is lost on the way."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import uuid
from pathlib import Path

import pytest
import torch
from evaluators import SPEC, LineHere, Scripted, crew_of, made_by
from results import OneModel

from panoloom.engine_server.config import Executors
from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.adapter import Cond, ViewGeometry
from panoloom.engine_server.models.card import GIB
from panoloom.engine_server.models.guidance import Cancelled
from panoloom.engine_server.models.memory import LEVELS, Room
from panoloom.engine_server.worker import __main__ as worker
from panoloom.engine_server.worker import crew as crew_module
from panoloom.engine_server.worker import models as worker_models
from panoloom.engine_server.worker.calls import Call, pack, unpack
from panoloom.engine_server.worker.crew import Crew
from panoloom.engine_server.worker.generate import Job, Reporter
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.errors import GenerationFailed, OutOfMemory
from panoloom.shared.jobs import JobSpec
from panoloom.shared.wire import decode_header

WAN = JobSpec(prompt="sea", model="wan-1.3b", width=1024, height=512, num_frames=80, fps=16.0)


def line(script=lambda calls: None, *, lost_at=10**9) -> LineHere:
    return LineHere(OneModel(Scripted(script)), lost_at=lost_at)


@pytest.mark.parametrize("method", ["fused", "planar", "paper"])
def test_one_two_and_four_give_the_same_bytes(method):
    alone = made_by(Crew(), method=method)
    for count in (1, 3):
        crew = crew_of([line() for _ in range(count)])
        assert torch.equal(made_by(crew, method=method).latents, alone.latents)
        assert len(crew.evaluators()) == count + 1
        assert sum(one.evaluations for one in crew.evaluators()) > 0


def test_those_beside_the_worker_are_asked_at_the_same_time_as_the_worker():
    both = threading.Barrier(2, timeout=60)

    def first(calls):
        if calls == 0:
            both.wait()  # passed only when the other is at work too

    crew = crew_of([line(first)])
    made_by(crew, Scripted(first))
    assert all(one.evaluations > 0 for one in crew.evaluators())


def test_views_of_one_that_is_lost_go_to_another_and_nothing_changes():
    alone = made_by(Crew())
    plug = line(lost_at=3)  # ready, two evaluations, and no more
    crew = crew_of([plug, line()], spare=line())
    assert torch.equal(made_by(crew).latents, alone.latents)
    notes = [one.note for one in crew.evaluators()]
    assert notes == ["", "lost after 2 evaluations: pulled the plug", ""]
    assert plug.is_closed
    made_by(crew)
    assert [one.note for one in crew.evaluators()] == ["", "", ""], "the next job has another"


def test_when_all_are_lost_the_job_ends_with_a_sentence_and_the_way_out():
    crew = crew_of([line(lost_at=2), line(lost_at=3)], leads=False)
    with pytest.raises(GenerationFailed) as caught:
        made_by(crew)
    assert "all 2 are gone" in str(caught.value)
    assert "pulled the plug" in str(caught.value)
    assert "`--executors 1`" in str(caught.value)
    assert "The worker's log says why" in str(caught.value)


def test_cancelling_ends_all_between_two_calls_and_the_next_job_is_as_ever():
    asked = itertools.count()
    crew = crew_of([line(), line()])
    with pytest.raises(Cancelled):
        made_by(crew, cancelled=lambda: next(asked) > 6)
    assert sum(one.evaluations for one in crew.evaluators()) <= 7 + 3
    assert torch.equal(made_by(crew).latents, made_by(Crew()).latents)


def raising(error):
    def script(calls):
        raise error

    return script


def test_an_error_of_a_model_elsewhere_is_that_error():
    error = GenerationFailed("The sea is closed today.", sigma=0.5)
    with pytest.raises(GenerationFailed, match="The sea is closed today") as caught:
        made_by(crew_of([line(raising(error))], leads=False))
    assert caught.value.details == {"sigma": 0.5}


def test_an_unforeseen_error_elsewhere_is_told_as_if_it_were_here(capfd):
    with pytest.raises(GenerationFailed, match=r"ZeroDivisionError: by zero.*the log"):
        made_by(crew_of([line(raising(ZeroDivisionError("by zero")))], leads=False))
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_that_runs_out_elsewhere_has_run_out(error):
    crew = crew_of([line(raising(error))], leads=False)
    with pytest.raises(torch.OutOfMemoryError):
        made_by(crew)


def test_one_that_computes_otherwise_is_left_out_and_named(monkeypatch, capfd):
    monkeypatch.setattr(crew_module, "numerics_of", lambda model: "another chip")
    crew = crew_of([line()])
    made_by(crew)
    leader, other = crew.evaluators()
    assert leader.note == ""
    assert other.evaluations == 0
    assert "left out" in other.note
    assert "another chip" in other.note
    assert "left out" in capfd.readouterr().err


def test_answers_to_a_job_that_ended_early_are_not_taken_for_those_of_the_next():
    here = line()
    crew = crew_of([here])
    crew.gather(SPEC, LEVELS[0], Scripted())  # and the reference was no picture, for example
    alone = made_by(Crew())
    assert torch.equal(made_by(crew).latents, alone.latents)
    assert [decode_header([head, b""]).type for head in here.heard[:2]] == ["LoadModel"] * 2


def test_giving_memory_back_ends_the_others_and_the_next_job_calls_new_ones():
    lines = [line(), line()]
    crew = crew_of(lines)
    made_by(crew)
    crew.free("cache")
    assert not any(each.is_closed for each in lines)
    crew.free("weights")
    assert all(each.is_closed for each in lines)


def test_a_call_crosses_bit_by_bit():
    views = ViewGeometry(
        elevation_rad=torch.tensor([[[torch.nan, -0.0]]]),
        fov_deg=53.13010235415598,
        azimuth_rad=torch.arange(6.0).reshape(3, 2)[None, ::2],
        yaw_deg=(0.1, 1e-300),
        pitch_deg=(-89.9,),
        frames=((0, 1), (7,)),
        rings=("time",),
        control={"mask": torch.rand(2, 3).T.bfloat16()},
        sigma_next=0.1,
    )
    given = Call.of(torch.rand(2, 3, 4).transpose(0, 2), 0.3, Cond(), views)
    request, raw = given.message("prompt")
    back = Call.from_message(request, raw, Cond())
    assert back.sigma == given.sigma
    for name in ("fov_deg", "yaw_deg", "pitch_deg", "frames", "rings", "sigma_next"):
        assert getattr(back.views, name) == getattr(views, name)
    assert torch.equal(back.x, given.x)
    assert back.x.stride() == given.x.stride()
    assert pack({"e": back.views.elevation_rad}) == pack({"e": views.elevation_rad})
    assert torch.equal(unpack(raw)["azimuth_rad"], views.azimuth_rad)
    assert torch.equal(back.views.control["mask"], views.control["mask"])
    untold = Call.of(given.x, 0.3, Cond(), dataclasses.replace(views, azimuth_rad=None))
    assert Call.from_message(*untold.message(""), Cond()).views.azimuth_rad is None


def test_every_level_of_the_memory_ladder_is_everybodys(tmp_path: Path, monkeypatch):
    """When memory runs out anywhere, all go on at the next level."""
    card = Room(device="card", device_bytes=22 * GIB, host_bytes=64 * GIB)
    monkeypatch.setattr(worker_models, "room_of", lambda _: card)
    monkeypatch.setattr(worker_models.gc, "collect", lambda: 0)
    levels: list[str] = []

    class Elsewhere(OneModel):
        def for_evaluation(self, spec, level):
            levels.append(level)
            if len(levels) < 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.load(spec.model)

    crew = crew_of([LineHere(Elsewhere(Scripted()))])
    models = LoadedModels(Executors(count=2))
    tried: list[str] = []

    def generate(job, models, reporter, crew):
        tried.append(models.level.name)
        crew.gather(job.spec, models.level, Scripted())
        crew.join()
        return "done"

    monkeypatch.setattr(worker, "generate", generate)
    job = Job(
        job_id=uuid.uuid4().hex,
        spec=catalog.outline(WAN),
        library=tmp_path,
        blobs=tmp_path,
        work_dir=tmp_path,
    )
    quiet = Reporter(progress=lambda _: None, preview=lambda *_: None, cancelled=lambda: False)
    assert worker.made(job, models, quiet, crew) == "done"
    assert tried == levels
    assert tried[1:] == [level.name for level in LEVELS[2:4]]


def test_memory_is_shared_among_all_who_hold_the_model(monkeypatch):
    whole = Room(device="CPU", device_bytes=32 * GIB, host_bytes=32 * GIB, shares=True)
    monkeypatch.setattr(worker_models, "room_of", lambda card: whole)
    card = catalog.find("wan-1.3b")
    each = worker_models.room_for(card, Executors(count=4))
    assert (each.device_bytes, each.host_bytes) == (8 * GIB, 8 * GIB)
    assert worker_models.room_for(card, Executors(count=1)) == whole
    spec = catalog.outline(WAN)
    with pytest.raises(OutOfMemory):
        worker_models.first_level(card, spec, worker_models.room_for(card, Executors(count=16)))
