"""A prompt through every family to the files of a loop, from folders of weights."""

from __future__ import annotations

import argparse
import hashlib
import io
import uuid
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
import tiny_folders
from evaluators import LineHere, crew_of
from PIL import Image
from results import require_same_bytes

from panoloom.engine_server.commands.request import add_job_words, spec_from
from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.card import GIB
from panoloom.engine_server.models.memory import Room
from panoloom.engine_server.models.video.families import build
from panoloom.engine_server.output.latents import read_latents
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.engine_server.worker import models as worker_models
from panoloom.engine_server.worker.crew import Crew
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.connection import blob_path
from panoloom.shared.errors import InvalidJob, ModelNotInstalled
from panoloom.shared.jobs import ArtifactRef, JobSpec
from panoloom.shared.latents import NAME as LATENTS_NAME

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),  # slow only where other work starves it
]
STEPS = 2


class Maker:
    """Makes loops by a tiny model of one family; previews are kept.

    Attributes:
        models: As the worker has them.
        previews: (step, JPEG, width, height) of the last job.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.family, self._root = tiny_folders.FAMILIES[name], root
        self.card = tiny_folders.card_of(
            self.family, tiny_folders.folder_of(self.family, root / "weights")
        )
        self.models = LoadedModels()
        self.previews: list[tuple[int, bytes, int, int]] = []

    def spec(self, *words: str) -> JobSpec:
        """The job of `panoloom generate` with these words, its pictures stored."""
        parser = argparse.ArgumentParser()
        add_job_words(parser)
        frames = self.card.window_frames * self.card.ratio_t
        fixed = ["a calm sea", "--model", "tiny", "--negative", "blurred"]
        numbers = {"frames": frames, "steps": STEPS, "guidance": self.family.guidance}
        for name, value in numbers.items():
            fixed += [f"--{name}", str(value)]
        spec, blobs = spec_from(parser.parse_args([*fixed, *words]))
        for raw in blobs:
            path = blob_path(self._root / "blobs", hashlib.sha256(raw).hexdigest())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        return spec

    def make(self, spec: JobSpec, crew: Crew | None = None) -> ArtifactRef:
        self.previews = []
        return generate(
            Job(
                job_id=uuid.uuid4().hex,
                spec=catalog.plan(spec),
                library=self._root / ("library" if crew is None else "shared"),
                blobs=self._root / "blobs",
                work_dir=self._root / "work",
            ),
            self.models,
            Reporter(
                progress=lambda _: None,
                preview=lambda *told: self.previews.append(told),
                cancelled=lambda: False,
            ),
            crew,
        )


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a `Maker` for a family, on a card with room for all but the text encoder."""
    room = Room(device="card", device_bytes=GIB, host_bytes=64 * GIB)
    monkeypatch.setattr(worker_models, "room_of", lambda card: room)
    monkeypatch.setattr(worker_models, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(worker_models, "PRECISION", "float32")

    def of(name: str) -> Maker:
        made = Maker(name, tmp_path)
        monkeypatch.setitem(catalog.MODELS, "tiny", made.card)
        return made

    return of


@pytest.fixture
def panorama(tmp_path: Path) -> Path:
    """A reference."""
    pixels = np.random.default_rng(0).integers(0, 256, (128, 256, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "reference.png")
    return tmp_path / "reference.png"


@pytest.fixture
def depth(tmp_path: Path) -> Path:
    """Distances as a depth pass has them: a ground, and a wall behind the camera."""
    distance = np.full((128, 256, 3), 1e10, np.float32)
    distance[64:] = np.linspace(40, 2, 64, dtype=np.float32)[:, None, None]
    distance[40:80, :48] = 4.0
    path = tmp_path / "depth.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": distance}) as file:
        file.write(str(path))
    return path


def pixels_of(artifact: ArtifactRef) -> np.ndarray:
    """The first frame, float32 [H, W, 3]."""
    with OpenEXR.File(str(Path(artifact.folder) / "frames" / "loop_0001.exr")) as file:
        return file.channels()["RGB"].pixels.astype(np.float32)


def latents_of(artifact: ArtifactRef) -> np.ndarray:
    """Its latents, float32 [C, F, H, W]."""
    return read_latents(Path(artifact.folder) / LATENTS_NAME)[0]


@pytest.mark.parametrize("name", tiny_folders.FAMILIES)
def test_a_prompt_becomes_a_loop_in_exr_and_mp4(name, maker, panorama):
    made_by = maker(name)
    words = ("--reference", str(panorama), "--animate") if name == "wan-i2v" else ()
    artifact = made_by.make(made_by.spec(*words))
    folder, num_frames = Path(artifact.folder), made_by.card.window_frames * made_by.card.ratio_t
    assert verify_artifact(folder) == []
    manifest = load_manifest(folder)
    assert manifest["loop"]["num_model_frames"] == num_frames
    assert manifest["memory"] == {"level": "resident", "same_pictures": True}
    assert len(list(folder.glob("frames/*.exr"))) == num_frames
    pixels = pixels_of(artifact)
    assert pixels.shape == (128, 256, 3)
    assert np.isfinite(pixels).all()
    assert pixels.std() > 0.001
    with av.open(str(folder / "loop.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == num_frames
    # one of each step, a quick look at latents, and one of each decoded frame
    assert [step for step, *_ in made_by.previews] == [*range(1, STEPS + num_frames + 1)]
    first = Image.open(io.BytesIO(made_by.previews[0][1])).convert("RGB")
    red, green, blue = first.getpixel((256, 128))
    assert (red > 240, green < 20, blue < 20) == (True, True, True)


@pytest.mark.parametrize("name", ["wan", "wan-i2v"])
def test_three_with_a_model_each_make_the_bytes_of_one(name, maker, panorama):
    made_by = maker(name)
    words = ("--reference", str(panorama), "--animate") if name == "wan-i2v" else ()
    spec = made_by.spec(*words, "--steps", "1")
    crew = crew_of([LineHere(LoadedModels()) for _ in range(2)])
    shared = made_by.make(spec, crew)
    assert [one.note for one in crew.evaluators()] == ["", "", ""]
    assert sum(one.evaluations for one in crew.evaluators()[1:]) > 0
    require_same_bytes(shared, made_by.make(spec))


def test_depth_of_the_scene_changes_what_vace_paints(maker, depth):
    made_by = maker("wan-vace")
    followed = made_by.spec("--follow", str(depth), "--steps", "1")
    assert followed.follow_sha256 == hashlib.sha256(depth.read_bytes()).hexdigest()
    led, free = (
        latents_of(made_by.make(spec)) for spec in (followed, replace(followed, follow_sha256=None))
    )
    assert np.abs(led - free).max() > 1e-3


def test_a_panorama_that_is_decoded_as_one_tells_how_its_tiles_differed(maker):
    made_by = maker("wan")
    artifact = made_by.make(made_by.spec("--method", "whole", "--steps", "1"))
    assert 0 < load_manifest(Path(artifact.folder))["measured"]["seam_disagreement"] < 1
    assert any("over its seam" in note for note in artifact.notes)


def test_image_to_video_with_ring_rope_grows_out_of_a_reference_and_asks_for_one(maker, panorama):
    made_by = maker("wan-i2v")
    with pytest.raises(InvalidJob, match="reference panorama"):
        made_by.make(made_by.spec())
    words = ("--reference", str(panorama), "--animate", "--ring-rope", "time", "--steps", "1")
    artifact = made_by.make(made_by.spec(*words))
    assert verify_artifact(Path(artifact.folder)) == []


def test_ring_rope_wants_a_window_that_is_the_loop_and_views_that_go_round(maker):
    made_by = maker("wan")
    assert catalog.plan(made_by.spec("--ring-rope", "time")).ring_rope == ("time",)
    with pytest.raises(InvalidJob, match="one window is the loop") as caught:
        catalog.plan(replace(made_by.spec("--ring-rope", "time"), num_frames=16))
    assert caught.value.details["nearest"] == 8
    with pytest.raises(InvalidJob, match="go all round"):
        catalog.plan(made_by.spec("--ring-rope", "width"))


def test_a_model_that_follows_nothing_says_which_do(maker, depth):
    with pytest.raises(InvalidJob, match=r"wan-vace-1\.3b"):
        catalog.plan(maker("wan").spec("--follow", str(depth)))


def test_a_folder_without_its_parts_is_named(tmp_path):
    with pytest.raises(ModelNotInstalled, match=r"model_index\.json"):
        build("wan", tmp_path, device="cpu", precision="float32")
