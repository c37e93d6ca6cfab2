from __future__ import annotations

import dataclasses
import errno
import json
import os
import weakref
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from panoloom.engine_server import room
from panoloom.engine_server.colour import srgb_to_linear
from panoloom.engine_server.output import artifact
from panoloom.engine_server.output.artifact import ArtifactWriter, slug
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.shared.errors import ArtifactWriteFailed, GenerationFailed, InvalidJob
from panoloom.shared.jobs import JobSpec

JOB, OTHER_JOB = "a" * 32, "b" * 32
MADE_WITH = {"model": "preview", "device": "cpu", "packages": {"torch": "2"}}


def loop_of(spec, num_frames=None, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(num_frames or spec.num_frames):
        yield rng.random((spec.height, spec.width, 3), dtype=np.float32)


def write(library, spec, *, job_id=JOB, made_with=MADE_WITH, notes=(), num_model_frames=None):
    with ArtifactWriter(library, spec, job_id, made_with=made_with, notes=notes) as writer:
        frames = loop_of(spec, num_model_frames)
        writer.write(frames, num_model_frames=num_model_frames)
        return writer.finish()


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_a_job_leaves_its_folder_and_nothing_else(tmp_path, small_spec):
    ref = write(tmp_path, small_spec, notes=("One word was ignored: foo.",))
    assert sorted(files_of(ref.folder)) == [
        "contact-sheet.png",
        *(f"frames/loop_{index:04d}.exr" for index in (1, 2, 3, 4)),
        "loop.mp4",
        "manifest.json",
        "poster.png",
    ]
    assert [path.name for path in tmp_path.iterdir()] == [Path(ref.folder).name]
    assert Path(ref.folder).name.startswith("a-calm-sea-at-night-")
    assert (ref.width, ref.height, ref.num_frames, ref.fps, ref.loop) == (64, 32, 4, 8.0, True)
    assert ref.job_id == JOB
    assert ref.notes == ("One word was ignored: foo.",)
    assert verify_artifact(Path(ref.folder)) == []


def test_every_file_shows_the_same_frame(tmp_path, small_spec):
    folder = Path(write(tmp_path, small_spec).folder)
    frames = list(loop_of(small_spec))
    with OpenEXR.File(str(folder / "frames" / "loop_0003.exr")) as file:
        pixels = file.channels()["RGB"].pixels.astype(np.float32)
    np.testing.assert_allclose(pixels, srgb_to_linear(frames[2]), rtol=2**-11, atol=2**-25)
    poster = np.asarray(Image.open(folder / "poster.png")) / 255
    assert np.abs(poster - frames[0]).max() <= 0.5 / 255 + 1e-6
    with av.open(str(folder / "loop.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_wide_loop_has_a_second_movie_that_blender_plays_lightly(tmp_path, small_spec, monkeypatch):
    assert artifact.PREVIEW_WIDTH == 2048
    monkeypatch.setattr(artifact, "PREVIEW_WIDTH", 16)
    folder = Path(write(tmp_path, small_spec).folder)
    with av.open(str(folder / "preview.mp4")) as container:
        small = [f.to_ndarray(format="rgb24") / 255 for f in container.decode(video=0)]
    assert len(small) == 4
    assert small[0].shape == (8, 16, 3)
    for made, frame in zip(small, loop_of(small_spec), strict=True):
        assert np.abs(made - frame.reshape(8, 4, 16, 4, 3).mean(axis=(1, 3))).mean() < 0.05
    kinds = {entry["path"]: entry["kind"] for entry in load_manifest(folder)["files"]}
    assert (kinds["loop.mp4"], kinds["preview.mp4"]) == ("video", "preview")
    assert verify_artifact(folder) == []


def test_frames_are_interpolated_up_to_the_asked_number(tmp_path, small_spec):
    spec = dataclasses.replace(small_spec, num_frames=12, fps=24.0)
    done = []
    with ArtifactWriter(tmp_path, spec, JOB, made_with={}) as writer:
        writer.write(
            loop_of(spec, 4), num_model_frames=4, on_frame=lambda *count: done.append(count)
        )
        folder = Path(writer.finish().folder)
    assert len(list((folder / "frames").iterdir())) == 12
    assert done == [(count, 12) for count in range(1, 13)]
    loop = load_manifest(folder)["loop"]
    assert (loop["num_frames"], loop["num_model_frames"], loop["interpolated"]) == (12, 4, True)


def test_the_same_job_gives_the_same_bytes_in_every_file(tmp_path, small_spec):
    spec = dataclasses.replace(small_spec, num_frames=6, fps=23.976)
    first = write(tmp_path / "1", spec, num_model_frames=4)
    second = write(tmp_path / "2", spec, num_model_frames=4, job_id=OTHER_JOB)
    assert files_of(first.folder) == files_of(second.folder)
    assert first.manifest_sha256 == second.manifest_sha256
    assert Path(first.folder).name == Path(second.folder).name


@pytest.mark.parametrize("method", ["fused", "planar"])
def test_the_manifest_of_a_panorama_suggests_the_sun_that_its_frames_show(tmp_path, method):
    spec = JobSpec(prompt="a sun", width=64, height=32, num_frames=2, method=method)
    frame = np.full((32, 64, 3), 0.3, np.float32)
    frame[8:10, 40:42] = 1.0
    with ArtifactWriter(tmp_path, spec, JOB, made_with=MADE_WITH) as writer:
        writer.write(iter([frame, frame]))
        folder = Path(writer.finish().folder)
    sun = load_manifest(folder)["sun"]
    if method == "planar":
        assert sun is None
    else:
        assert (sun["yaw_deg"], sun["pitch_deg"]) == pytest.approx((50.6, 39.4), abs=0.5)
        assert sun["lamp_strength"] > 0


def test_the_same_result_twice_is_one_folder(tmp_path, small_spec):
    first = write(tmp_path, small_spec)
    second = write(tmp_path, small_spec, job_id=OTHER_JOB)
    assert first.folder == second.folder
    assert len(list(tmp_path.iterdir())) == 1


def test_another_device_or_seed_is_another_folder(tmp_path, small_spec):
    folders = {
        write(tmp_path, small_spec).folder,
        write(tmp_path, small_spec, made_with={**MADE_WITH, "device": "cuda"}).folder,
        write(tmp_path, dataclasses.replace(small_spec, seed=1)).folder,
    }
    assert len(folders) == 3


@pytest.mark.parametrize("kind", ["foreign", "damaged", "file"])
def test_what_lies_there_is_never_overwritten(tmp_path, small_spec, kind):
    folder = Path(write(tmp_path, small_spec).folder)
    if kind == "damaged":
        (folder / "poster.png").write_bytes(b"mine")
    else:
        folder.rename(tmp_path / "moved")
        if kind == "foreign":
            folder.mkdir()
            (folder / "mine.txt").write_text("mine")
        else:
            folder.write_text("mine")
    before = files_of(folder) if folder.is_dir() else folder.read_bytes()
    second = Path(write(tmp_path, small_spec).folder)
    assert second.name == f"{folder.name}-2"
    assert verify_artifact(second) == []
    assert (files_of(folder) if folder.is_dir() else folder.read_bytes()) == before


def test_a_model_that_fails_leaves_nothing_behind(tmp_path, small_spec):
    def frames():
        yield from loop_of(small_spec, 2)
        raise RuntimeError("out of luck")

    with (
        pytest.raises(RuntimeError, match="out of luck"),
        ArtifactWriter(tmp_path, small_spec, JOB, made_with={}) as writer,
    ):
        writer.write(frames())
    assert list(tmp_path.iterdir()) == []


def test_the_folder_appears_only_when_it_is_whole(tmp_path, small_spec):
    with ArtifactWriter(tmp_path, small_spec, JOB, made_with={}) as writer:
        writer.write(loop_of(small_spec))
        hidden = list(tmp_path.iterdir())
        assert [path.name.startswith(".") for path in hidden] == [True]
        assert hidden[0].name.endswith(f".partial-{JOB}")
        folder = Path(writer.finish().folder)
        assert list(tmp_path.iterdir()) == [folder]


def test_a_writer_that_never_finishes_leaves_nothing_behind(tmp_path, small_spec):
    with ArtifactWriter(tmp_path, small_spec, JOB, made_with={}) as writer:
        writer.write(loop_of(small_spec))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_is_removed_and_other_jobs_are_not_touched(tmp_path, small_spec):
    for job_id in (JOB, OTHER_JOB):
        (tmp_path / f".old-12345678.partial-{job_id}" / "frames").mkdir(parents=True)
    folder = Path(write(tmp_path, small_spec).folder)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {folder.name, f".old-12345678.partial-{OTHER_JOB}"}


def test_a_full_disk_in_mid_job_says_what_is_missing(tmp_path, small_spec, monkeypatch):
    real, written = artifact.write_exr, []

    def fills_up(path, frame, **told):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        real(path, frame, **told)

    monkeypatch.setattr(artifact, "write_exr", fills_up)
    with pytest.raises(ArtifactWriteFailed, match="too full") as caught:
        write(tmp_path, small_spec)
    assert caught.value.details["path"] == str(tmp_path)
    assert caught.value.details["missing_bytes"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [3_000, 40_000])
def test_the_operating_systems_own_limit_is_reported_and_leaves_nothing(tmp_path, limit):
    """3 kB stop the first EXR; 40 kB let every EXR pass and stop the video."""
    resource = pytest.importorskip("resource")
    spec = JobSpec(prompt="noise", width=96, height=48, num_frames=24)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ArtifactWriteFailed, match="too full"):
            write(tmp_path, spec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_may_not_be_written_is_refused_before_any_frame(
    tmp_path, small_spec, monkeypatch
):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(room.tempfile, "TemporaryFile", refuse)
    with pytest.raises(ArtifactWriteFailed, match="may not write") as caught:
        write(tmp_path / "library", small_spec)
    assert caught.value.details["path"] == str(tmp_path / "library")


def test_a_library_that_is_a_file_is_refused(tmp_path, small_spec):
    (tmp_path / "library").write_text("mine")
    with pytest.raises(ArtifactWriteFailed, match="could not be written"):
        write(tmp_path / "library", small_spec)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_frames_that_hold_no_numbers_fail_the_job(tmp_path, small_spec, value):
    frames = list(loop_of(small_spec))
    frames[2][5, 5, 1] = value
    with (
        pytest.raises(GenerationFailed, match=r"Frame 2 .* no numbers"),
        ArtifactWriter(tmp_path, small_spec, JOB, made_with={}) as writer,
    ):
        writer.write(iter(frames))
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_shape_fail_the_job(tmp_path, small_spec):
    with (
        pytest.raises(GenerationFailed, match="shape"),
        ArtifactWriter(tmp_path, small_spec, JOB, made_with={}) as writer,
    ):
        writer.write(iter([np.zeros((3, 32, 64), np.float32)]))


@pytest.mark.parametrize("job_id", ["", "../" + "a" * 29, "A" * 32])
def test_a_job_id_cannot_lead_out_of_the_library(tmp_path, small_spec, job_id):
    with pytest.raises(InvalidJob, match="job id"):
        ArtifactWriter(tmp_path, small_spec, job_id, made_with={})


def test_memory_does_not_grow_with_the_length_of_the_loop(tmp_path):
    spec = JobSpec(prompt="long", width=32, height=16, num_frames=60)
    alive: set[int] = set()
    most = 0

    def model():
        nonlocal most
        for index in range(20):
            frame = np.full((16, 32, 3), index / 20, np.float32)
            alive.add(index)
            most = max(most, len(alive))
            weakref.finalize(frame, alive.discard, index)
            yield frame
            del frame

    with ArtifactWriter(tmp_path, spec, JOB, made_with={}) as writer:
        writer.write(model(), num_model_frames=20)
    assert most <= 4


def test_the_manifest_alone_makes_the_same_job_again(tmp_path, small_spec):
    folder = Path(write(tmp_path, small_spec).folder)
    plain = json.loads((folder / "manifest.json").read_bytes())
    assert JobSpec.from_plain(plain["job"]) == small_spec
    assert plain["job_sha256"] == small_spec.sha256()
    assert plain["made_with"] == MADE_WITH


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Northern lights over a calm sea!", "northern-lights-over-a-calm-sea"),
        ("  été à la plage ", "ete-a-la-plage"),
        ("北極光", "loop"),
        ("", "loop"),
        ("../../etc/passwd", "etc-passwd"),
        ("a sailor's boat", "a-sailors-boat"),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight"),
        ("x" * 60, "x" * 40),
        ("CON: <nul> | aux?", "con-nul-aux"),
    ],
)
def test_slugs_are_safe_names_of_the_prompts_words(prompt, name):
    assert slug(prompt) == name
