"""`panoloom refine` and `panoloom repaint`: from a result to the job that goes on from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine

from panoloom.engine_server import cli
from panoloom.engine_server.models import catalog
from panoloom.engine_server.output.latents import write_latents
from panoloom.engine_server.output.manifest import NAME, file_sha256, manifest_bytes
from panoloom.shared.jobs import Base, JobSpec, Part, Place, Reference
from panoloom.shared.latents import NAME as LATENTS
from panoloom.shared.latents import LatentsHead
from panoloom.shared.messages import StoreBlob, SubmitJob

SPEC = JobSpec(prompt="steps=1", num_frames=16, fps=8.0, seed=5, steps=12)


def make_result(
    library: Path, spec: JobSpec = SPEC, *, revision: str = "", name="a-result"
) -> Path:
    """A result folder without frames: a manifest and latents."""
    spec = catalog.plan(spec)
    folder = library / "a-result"
    folder.mkdir(parents=True)
    latents = np.zeros((8, 16, 4, 8), np.float32)
    head = LatentsHead(
        channels=8,
        frames=16,
        height=4,
        width=8,
        model="preview",
        model_revision=revision or spec.model_revision,
        method="fused",
        seed=spec.seed,
        numerics_version="2",
        fps=8.0,
        loop=True,
    )
    write_latents(folder / LATENTS, latents, head)
    tell(folder, spec)
    return folder


def tell(folder: Path, spec: JobSpec) -> None:
    """Write the manifest of what lies there."""
    raw = manifest_bytes(folder, spec, fps=Fraction(8), num_model_frames=16, made_with={}, notes=())
    (folder / NAME).write_bytes(raw)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_result(tmp_path / "library")


@pytest.fixture
def engine(folder: Path) -> Iterator[FakeEngine]:
    """An engine that serves the library the result lies in."""
    with FakeEngine(folder.parent) as fake:
        yield fake


def submitted(engine: FakeEngine) -> JobSpec:
    requests = [m for m in engine.received if isinstance(m, SubmitJob)]
    return JobSpec.from_plain(requests[-1].spec)


def test_refine_asks_for_the_same_job_larger_from_the_stored_latents(folder, engine, capsys):
    assert cli.main(["refine", str(folder), "--size", "1024x512", "--json"]) == 0
    spec, old = submitted(engine), catalog.plan(SPEC)
    larger = catalog.plan(dataclasses.replace(SPEC, width=1024, height=512))
    sha256 = file_sha256(folder / LATENTS)
    base = Base(sha256=sha256, sigma=larger.stages[1].sigma_start, stage=1)
    assert spec == dataclasses.replace(larger, base=base)
    assert spec.stages[:1] == old.stages
    assert any(isinstance(m, StoreBlob) and m.sha256 == sha256 for m in engine.received)
    assert json.loads(capsys.readouterr().out)["state"] == "finished"


def test_refine_takes_a_noise_level_and_steps(folder, engine):
    words = ["--size", "2048x1024", "--sigma", "0.35", "--steps", "5"]
    assert cli.main(["refine", str(folder), *words]) == 0
    spec = submitted(engine)
    assert spec.base is not None
    assert (spec.base.sigma, spec.base.stage) == (0.35, 1)
    assert [stage.steps for stage in spec.stages] == [12, 5, 5]
    assert spec.stages[1].sigma_start == 0.35
    assert catalog.plan(spec) == spec


def test_refining_a_refined_result_enters_above_it(tmp_path):
    base = Base(sha256="0" * 64, sigma=0.6, stage=1)
    once = dataclasses.replace(SPEC, width=1024, height=512, base=base)
    folder = make_result(tmp_path, once)
    with FakeEngine(tmp_path) as engine:
        assert cli.main(["refine", str(folder), "--size", "2048x1024"]) == 0
        again = submitted(engine).base
    assert again is not None
    assert (again.stage, again.part) == (2, None)


def test_repaint_asks_for_the_part_anew_and_keeps_the_rest(folder, engine):
    words = ["--at", "-40,20,15", "a full moon", "--feather", "6"]
    assert cli.main(["repaint", str(folder), *words]) == 0
    spec, old = submitted(engine), catalog.plan(SPEC)
    place = Place(text="a full moon", yaw_deg=-40, pitch_deg=20, radius_deg=15)
    part = Part(
        yaw_deg=-40,
        pitch_deg=20,
        radius_deg=15,
        feather_deg=6,
        manifest_sha256=file_sha256(folder / NAME),
    )
    base = Base(sha256=file_sha256(folder / LATENTS), sigma=1.0, part=part)
    assert spec == dataclasses.replace(old, seed=6, places=(place,), base=base)


def test_repaint_takes_a_seed_and_a_noise_level(folder, engine):
    words = ["--at", "0,0,20", "a moon", "--seed", "99", "--sigma", "0.7"]
    assert cli.main(["repaint", str(folder), *words]) == 0
    spec = submitted(engine)
    assert spec.base is not None
    assert (spec.seed, spec.base.sigma, spec.stages[0].sigma_start) == (99, 0.7, 0.7)


def test_the_list_of_jobs_tells_what_each_does(folder, engine, capsys):
    cli.main(["refine", str(folder), "--size", "1024x512"])
    cli.main(["repaint", str(folder), "--at", "0,0,20", "a moon"])
    capsys.readouterr()
    assert cli.main(["jobs", "--library", str(folder.parent)]) == 0
    newest, older = capsys.readouterr().out.splitlines()
    assert "repaint: a moon" in newest
    assert "refine: steps=1" in older


AT = ["--at", "0,0,20", "a moon"]


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("refine", ["--size", "512x256"], "512x256 already"),
        ("refine", ["--size", "256x128"], "not larger"),
        ("refine", ["--size", "1400x700"], "the nearest is 1024x512"),
        ("refine", ["--size", "1024x512", "--sigma", "1.5"], "noise level"),
        ("refine", ["--size", "1024x512", "--steps", "0"], "steps"),
        ("repaint", [], "not 0 times"),
        ("repaint", [*AT, *AT], "not 2 times"),
        ("repaint", ["--at", "0,95,20", "a moon"], "pitch"),
        ("repaint", ["--at", "0,0,20", ""], "needs words"),
        ("repaint", [*AT, "--feather", "-1"], "feather"),
        ("repaint", [*AT, "--library", "elsewhere"], "does not lie in the library"),
    ],
)
def test_wrong_words_end_with_2_and_a_sentence_and_nothing_is_asked(
    folder, engine, command, words, said, capsys
):
    assert cli.main([command, str(folder), *words]) == 2
    assert said in capsys.readouterr().err
    assert not [m for m in engine.received if isinstance(m, SubmitJob)]


WORDS = {"refine": ["--size", "1024x512"], "repaint": AT}


def refusal(command: str, folder: Path, capsys) -> str:
    assert cli.main([command, str(folder), *WORDS[command]]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("command", WORDS)
def test_what_is_no_result_is_refused(tmp_path, command, capsys):
    assert "holds no result" in refusal(command, tmp_path, capsys)


@pytest.mark.parametrize("command", WORDS)
def test_a_result_of_another_revision_is_refused_by_name(tmp_path, command, capsys):
    folder = make_result(tmp_path, revision="0123456789abcdef")
    said = refusal(command, folder, capsys)
    assert "0123456789abcdef" in said
    assert catalog.revision(catalog.find("preview")) in said


@pytest.mark.parametrize("command", WORDS)
def test_an_older_result_without_latents_is_refused(folder, command, capsys):
    (folder / LATENTS).unlink()
    spec = catalog.plan(SPEC)
    told = manifest_bytes(
        folder, spec, fps=Fraction(8), num_model_frames=16, made_with={}, notes=()
    )
    (folder / NAME).write_bytes(told)
    assert "keeps no latents" in refusal(command, folder, capsys)


@pytest.mark.parametrize("command", WORDS)
def test_latents_that_were_changed_are_refused(folder, command, capsys):
    raw = (folder / LATENTS).read_bytes()
    (folder / LATENTS).write_bytes(raw[:-1] + b"?")
    assert "has been changed" in refusal(command, folder, capsys)


@pytest.mark.parametrize("command", WORDS)
def test_latents_that_are_gone_are_missed(folder, command, capsys):
    (folder / LATENTS).unlink()
    assert "cannot be read" in refusal(command, folder, capsys)


def test_a_repaint_of_what_grew_from_a_reference_needs_no_reference_any_more(tmp_path):
    spec = dataclasses.replace(SPEC, reference=Reference(sha256="0" * 64, strength=0.5))
    folder = make_result(tmp_path, spec)
    with FakeEngine(tmp_path) as engine:
        assert cli.main(["repaint", str(folder), *AT]) == 0
        asked = submitted(engine)
    assert asked.reference is None
    assert asked.stages[0].sigma_start == 1.0
