"""Jobs that go on from a finished result: refined to a larger size, repainted in a part."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
import safetensors
import torch
from results import OneModel, SquareCodec, require_same_bytes

from panoloom.engine_server.denoise.directions import Directed
from panoloom.engine_server.models.adapter import LatentSpec
from panoloom.engine_server.output.exr import read_exr
from panoloom.engine_server.output.latents import read_latents
from panoloom.engine_server.output.manifest import file_sha256, load_manifest, verify_artifact
from panoloom.engine_server.panorama.round_part import angles_from
from panoloom.engine_server.worker.condition import directed
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.shared.connection import blob_path
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import ArtifactRef, Base, JobSpec, Part, Stage
from panoloom.shared.latents import NAME as LATENTS

pytestmark = pytest.mark.timeout(400)  # whole jobs, on machines that may be busy

FRAMES = 8
COARSE = Stage(width=256, height=128, steps=3)
FINE = Stage(width=512, height=256, steps=2, sigma_start=0.6, fov_deg=53.0)
SPEC = JobSpec(
    prompt="a known sphere",
    width=64,
    height=32,
    num_frames=FRAMES,
    fps=8.0,
    steps=3,
    guidance_scale=1.0,
    model_revision="r1",
    stages=(COARSE,),
)
LARGER = replace(SPEC, width=128, height=64, stages=(COARSE, FINE))
PART = Part(yaw_deg=30, pitch_deg=10, radius_deg=25, feather_deg=10, manifest_sha256="0" * 64)


class Dreamer(SquareCodec, oracles.FunctionAdapter):
    """A model whose pictures depend on their noise, with squares of pixels as its codec."""

    def __init__(self) -> None:
        super().__init__(
            num_frames=FRAMES,
            spec=LatentSpec(channels=3, ratio_s=8, ratio_t=1, window_hw=(8, 8)),
            function=lambda x, sigma, cond: torch.tanh(2 * x),
        )


def run(
    root: Path, spec: JobSpec, *, library: str = "library", cancelled=lambda: False, adapter=None
) -> ArtifactRef:
    job = Job(
        job_id=uuid.uuid4().hex,
        spec=spec,
        library=root / library,
        blobs=root / "blobs",
        work_dir=root / "work" / spec.sha256()[:8],
    )
    silent = Reporter(
        progress=lambda progress: None, preview=lambda *preview: None, cancelled=cancelled
    )
    return generate(job, OneModel(adapter or Dreamer()), silent)


def store(root: Path, path: Path) -> str:
    sha256 = file_sha256(path)
    blob = blob_path(root / "blobs", sha256)
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(path.read_bytes())
    return sha256


def stored_base(root: Path, result: ArtifactRef, **more) -> Base:
    return Base(**({"sha256": store(root, Path(result.folder) / LATENTS), "sigma": 1.0} | more))


def repaint_of(root: Path, result: ArtifactRef, *, sigma: float = 1.0, **changes) -> JobSpec:
    part = replace(PART, manifest_sha256=result.manifest_sha256, **changes)
    return replace(SPEC, seed=7, base=stored_base(root, result, sigma=sigma, part=part))


def lights(result: ArtifactRef) -> np.ndarray:
    paths = sorted((Path(result.folder) / "frames").iterdir())
    return np.stack([read_exr(path.read_bytes()) for path in paths])


def latents_of(result: ArtifactRef) -> np.ndarray:
    return read_latents(Path(result.folder) / LATENTS)[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ArtifactRef]:
    """(root, a finished coarse result in its library)"""
    root = tmp_path_factory.mktemp("made")
    return root, run(root, SPEC)


def test_a_result_keeps_its_latents_and_says_what_they_are(made):
    _, result = made
    folder = Path(result.folder)
    with safetensors.safe_open(folder / LATENTS, framework="np") as file:
        facts, kept = file.metadata(), file.get_tensor("latents")
    assert kept.dtype == np.float32
    assert kept.shape == (3, FRAMES, 16, 32)
    assert (facts["model"], facts["model_revision"]) == ("preview", "r1")
    assert (facts["method"], facts["seed"], facts["sigma"]) == ("fused", "0", "0")
    listed = {entry["path"]: entry for entry in load_manifest(folder)["files"]}
    assert listed[LATENTS]["sha256"] == file_sha256(folder / LATENTS)
    assert listed[LATENTS]["kind"] == "latents"


def test_refined_latents_are_those_of_the_larger_job_made_in_one_go(made):
    root, result = made
    whole, adapter = Dreamer(), Dreamer()
    at_once = run(root, LARGER, adapter=whole)
    base = stored_base(root, result, sigma=FINE.sigma_start, stage=1)
    refined = run(root, replace(LARGER, base=base), adapter=adapter)
    assert refined.folder != at_once.folder
    assert (refined.width, refined.height) == (128, 64)
    assert np.array_equal(latents_of(refined), latents_of(at_once))
    assert 0 < adapter.calls < whole.calls, "the coarse stage is not made again"
    assert adapter.batch_sizes == whole.batch_sizes[-adapter.calls :]


def test_a_refined_result_says_how_much_of_the_motion_is_left(made):
    root, result = made
    assert load_manifest(Path(result.folder))["measured"] == {}
    base = stored_base(root, result, sigma=0.3, stage=1)
    refined = run(root, replace(LARGER, base=base))
    correlation = load_manifest(Path(refined.folder))["measured"]["flow_correlation"]
    assert -1 <= correlation <= 1
    assert any(f"flow correlation {correlation:.2f}" in note for note in refined.notes)


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_repaint_leaves_every_pixel_and_latent_outside_bit_by_bit(made, sigma):
    root, result = made
    before = contents(Path(result.folder))
    repainted = run(root, repaint_of(root, result, sigma=sigma))
    assert contents(Path(result.folder)) == before, "the old result is untouched"
    assert repainted.folder != result.folder
    assert verify_artifact(Path(repainted.folder)) == []

    old, new = lights(result).view(np.uint16), lights(repainted).view(np.uint16)
    away = angles_from(SPEC.height, SPEC.width, yaw_deg=30, pitch_deg=10)
    outside = away >= PART.radius_deg + PART.feather_deg
    assert 0.5 < outside.mean() < 0.95
    assert np.array_equal(old[:, outside], new[:, outside])
    assert (old != new)[:, away < PART.radius_deg].mean() > 0.9

    coarse, painted = latents_of(result), latents_of(repainted)
    away = angles_from(16, 32, yaw_deg=30, pitch_deg=10)
    cells = away > PART.radius_deg + PART.feather_deg + 8  # a cell is 11 degrees across
    assert np.array_equal(coarse[..., cells].view(np.uint32), painted[..., cells].view(np.uint32))
    assert (coarse != painted)[..., away < PART.radius_deg].mean() > 0.99


def test_new_goes_over_into_old_without_a_step(made):
    root, result = made
    repainted = run(root, repaint_of(root, result, feather_deg=30))
    old, new = lights(result).astype(np.float32), lights(repainted).astype(np.float32)
    away = angles_from(SPEC.height, SPEC.width, yaw_deg=30, pitch_deg=10)
    changed = np.abs(new - old).mean(axis=(0, -1))
    rings = [changed[(away >= low) & (away < low + 10)].mean() for low in (15, 25, 35, 45)]
    assert rings == sorted(rings, reverse=True)
    assert rings[-1] < 0.2 * rings[0]


def test_a_repainted_result_shows_before_and_after(made):
    root, result = made
    repainted = run(root, repaint_of(root, result))
    assert (Path(repainted.folder) / "before-after.png").read_bytes().startswith(b"\x89PNG")
    assert "before-after.png" in {
        entry["path"] for entry in load_manifest(Path(repainted.folder))["files"]
    }


def test_an_interrupted_repaint_ends_with_the_same_bytes(made, tmp_path):
    root, result = made
    spec = replace(repaint_of(root, result), seed=11)
    adapter = Dreamer()
    whole = run(root, spec, adapter=adapter)
    count = adapter.calls

    class Killed(BaseException):
        pass

    calls = 0

    def kill() -> bool:
        nonlocal calls
        calls += 1
        if calls > count // 2:
            raise Killed
        return False

    with pytest.raises(Killed):
        run(root, spec, cancelled=kill)
    resumed = run(root, spec)
    require_same_bytes(resumed, whole)


def test_a_repainted_part_is_not_told_where_the_light_of_the_panorama_stands(made):
    root, result = made
    told = directed(repaint_of(root, result), Dreamer())
    assert isinstance(told, Directed)
    assert not told.tells_azimuth


def test_a_result_that_is_not_in_the_library_cannot_be_repainted(made):
    root, result = made
    with pytest.raises(InvalidJob, match="not in the library"):
        run(root, repaint_of(root, result), library="elsewhere")


def test_a_frame_that_was_changed_is_not_kept(tmp_path):
    result = run(tmp_path, SPEC)
    frame = Path(result.folder) / "frames" / "loop_0003.exr"
    frame.write_bytes(frame.read_bytes()[:-1] + b"?")
    with pytest.raises(InvalidJob, match=r"loop_0003.*cannot be kept"):
        run(tmp_path, repaint_of(tmp_path, result))
    assert [p.name for p in (tmp_path / "library").iterdir()] == [Path(result.folder).name]


@pytest.mark.parametrize("name", ["model", "model_revision"])
def test_latents_of_another_model_are_refused(made, name):
    root, result = made
    spec = replace(repaint_of(root, result), **{name: "another"})
    if name == "model":
        spec = replace(spec, model="preview", model_revision="r2")
    with pytest.raises(InvalidJob, match="was made by model"):
        run(root, spec)


def test_a_loop_of_another_length_cannot_take_its_place(made):
    root, result = made
    spec = replace(repaint_of(root, result), num_frames=16)
    with pytest.raises(InvalidJob, match="same length") as caught:
        run(root, spec)
    assert caught.value.details["nearest"] == FRAMES


@pytest.mark.parametrize("harm", ["cut", "longer", "nan", "foreign", "other shape"])
def test_damaged_latents_are_refused_with_a_sentence(made, tmp_path, harm):
    _, result = made
    raw = (Path(result.folder) / LATENTS).read_bytes()
    broken = {
        "cut": raw[:-4],
        "longer": raw + b"\0\0\0\0",
        "nan": raw[:-4] + b"\xff\xff\xff\x7f",
        "foreign": raw.replace(b"panoloom.latents", b"somebody.latents"),
        "other shape": raw.replace(b"[3,8,16,32]", b"[3,8,32,16]"),
    }[harm]
    (tmp_path / LATENTS).write_bytes(broken)
    with pytest.raises(InvalidJob, match="latents"):
        read_latents(tmp_path / LATENTS)


def test_the_manifest_of_a_repaint_names_what_it_was_made_from(made):
    root, result = made
    repainted = run(root, repaint_of(root, result))
    job = json.loads((Path(repainted.folder) / "manifest.json").read_bytes())["job"]
    assert job["base"]["part"]["manifest_sha256"] == result.manifest_sha256
    assert JobSpec.from_plain(job).kind == "repaint"
