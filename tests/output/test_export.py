from __future__ import annotations

import json
import os
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import OpenEXR
import pytest

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.export import plan as export_plan
from panoloom.engine_server.output.export import run as export_run
from panoloom.engine_server.output.export.plan import ExportRequest, plan_export
from panoloom.engine_server.output.export.run import export
from panoloom.engine_server.output.exr import read_exr
from panoloom.engine_server.output.hdr import Curve, expand
from panoloom.engine_server.output.inspector import Inspection
from panoloom.engine_server.output.spherical import Spherical, read_spherical
from panoloom.shared.errors import ArtifactWriteFailed, InvalidJob
from panoloom.shared.jobs import JobSpec

NUM_FRAMES, FPS = 6, 24.0
BROKEN = {"about": "loop_join", "level": "faulty", "text": "the loop jumps at its join."}
SPEC = JobSpec(
    prompt="a calm sea 360",
    width=128,
    height=64,
    num_frames=NUM_FRAMES,
    fps=FPS,
    model_revision="r1",
)


class Report:
    """An inspector whose verdict is known."""

    def add(self, frame):
        pass

    def finish(self):
        told = json.dumps({"verdict": {"findings": [BROKEN]}}).encode()
        return Inspection(files={"quality.json": told}, summary={"report": "quality.json"})


def painted(index):
    """A wave of grey with a sun at yaw 90, pitch 34, and a dark red spot at yaw 0."""
    frame = np.full((64, 128, 3), 0.4 + 0.1 * np.sin(index), np.float32)
    frame[18:21, 95:98] = 0.99
    frame[40:44, 62:66] = (0.8, 0.1, 0.1)
    return frame


def made(library, spec=SPEC, **words):
    with ArtifactWriter(library, spec, "a" * 32, made_with={"model": "preview"}, **words) as writer:
        writer.write(painted(index) for index in range(spec.num_frames))
        return library / writer.finish().folder


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    return made(tmp_path_factory.mktemp("library"))


@pytest.fixture
def request_for(loop, tmp_path):
    """(preset, **words) -> the request of an export of the loop into the test's folder."""

    def make(preset, **words):
        return ExportRequest(folder=loop, preset=preset, out=tmp_path / "out", **words)

    return make


def exported(request):
    return export(plan_export(request), lambda *told: None)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("preset", "tag", "pixels", "tags"),
    [
        ("web-safe", "avc1", "yuv420p", (1, 1, 1)),
        ("quest3", "hvc1", "yuv420p10le", (1, 1, 1)),
        ("vision-pro", "hvc1", "yuv420p10le", (1, 1, 1)),
        ("blender-hdr", "hvc1", "yuv420p10le", (9, 16, 9)),
    ],
)
def test_a_film_has_its_presets_codec_depth_colour_and_sphere(
    preset, tag, pixels, tags, request_for
):
    done = exported(request_for(preset))
    assert done.path.name.endswith("_360.mp4")
    assert done.path.name.startswith("a-calm-sea_")
    assert read_spherical(done.path) == Spherical()
    with av.open(str(done.path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (stream.codec_tag, context.pix_fmt) == (tag, pixels)
        assert (context.color_primaries, context.color_trc, context.colorspace) == tags
        assert context.color_range == 1
        assert (stream.frames, stream.average_rate, stream.start_time) == (6, 24, 0)
        frames = list(container.decode(video=0))
    assert frames[0].key_frame
    assert (frames[0].color_primaries, frames[0].color_trc, frames[0].colorspace) == tags
    assert b"colrnclx" + bytes([0, tags[0], 0, tags[1], 0, tags[2], 0]) in done.path.read_bytes()


def test_pictures_come_through_and_yaw_turns_them(request_for):
    done = exported(request_for("web-safe", yaw_deg=90.0))
    with av.open(str(done.path)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    expected = np.roll(painted(0), -32, axis=1) * 255
    assert np.abs(frame.astype(float) - expected).mean() < 3
    assert frame[18:21, 63:66].mean() > 220  # the sun is in the middle


def test_an_hdr_film_says_how_bright_it_is_and_where_its_sun_belongs(request_for):
    done = exported(request_for("blender-hdr"))
    raw = done.path.read_bytes()
    assert b"mdcv" in raw
    assert b"clli" in raw
    assert "_hdr-pq_" in done.path.name
    sun = done.told["hdr"]["sun"]
    assert (sun["yaw_deg"], sun["pitch_deg"]) == pytest.approx((91, 35), abs=3)
    assert sun["lamp_strength"] == sun["illuminance"] > 0
    assert "expanded" in done.told["hdr"]["label"]
    assert any("Sun lamp" in note for note in done.notes)
    with av.open(str(done.path)) as container:
        assert "expanded" in container.metadata["comment"]


def test_an_hdri_is_a_folder_of_light_with_the_sun_in_it(request_for, loop):
    done = exported(request_for("hdri"))
    frames = [f"frames/a-calm-sea_{number:04d}.exr" for number in range(1, 7)]
    assert names(done.path) == ["a-calm-sea.exr", "a-calm-sea.hdr", *frames]
    light = cv2.imread(str(done.path / "a-calm-sea.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert light.max() > 100
    with OpenEXR.File(str(done.path / "frames" / "a-calm-sea_0001.exr")) as file:
        assert "expanded" in file.header()["comments"]
        pixels = np.asarray(file.channels()["RGB"].pixels, np.float32)
    assert pixels == pytest.approx(light, rel=0.02, abs=0.01)
    sun = done.told["hdr"]["sun"]
    assert sun["in_picture"] == pytest.approx(sun["illuminance"], rel=0.02)
    with OpenEXR.File(str(loop / "frames" / "loop_0001.exr")) as file:
        before = np.asarray(file.channels()["RGB"].pixels, np.float32)
    dark = before.max(axis=-1) < 0.4
    assert pixels[dark] == pytest.approx(before[dark], rel=1e-3)


def test_exposure_holds_still_one_curve_maps_every_frame_of_the_loop(tmp_path):
    """Clouds that grow and shrink, so that each frame by itself would ask for another exposure."""

    def clouds(index):
        row = np.linspace(0.02, 0.98, 64, dtype=np.float32)[:, None, None]
        grown = np.clip(row + 0.4 * np.sin(index), 0.0, 1.0)
        return np.broadcast_to(grown, (64, 128, 3)).astype(np.float32)

    with ArtifactWriter(tmp_path, SPEC, "a" * 32, made_with={}) as writer:
        writer.write(clouds(index) for index in range(NUM_FRAMES))
        folder = tmp_path / writer.finish().folder
    done = exported(ExportRequest(folder=folder, preset="hdri", out=tmp_path / "out"))
    before, after = [], []
    for index in range(NUM_FRAMES):
        number = f"{index + 1:04d}.exr"
        before.append(read_exr((folder / "frames" / f"loop_{number}").read_bytes()))
        after.append(read_exr((done.path / "frames" / f"a-calm-sea_{number}").read_bytes()))
    expected = expand(np.float32(before), Curve())
    assert done.told["hdr"]["sun"] is None
    assert np.float32(after) == pytest.approx(expected, rel=2e-3)
    assert np.ptp(expected.mean(axis=(1, 2, 3))) > 0.5  # the loop itself does get brighter


def test_a_film_is_unrolled_to_the_length_asked_for(request_for):
    done = exported(request_for("web-safe", seconds=1.0))
    assert "_loop1s_" in done.path.name
    with av.open(str(done.path)) as container:
        stream = container.streams.video[0]
        times = [p.pts * p.time_base for p in container.demux(stream) if p.size]
    assert times == [Fraction(index, 24) for index in range(24)]


def test_a_web_folder_has_a_page_and_all_that_it_names(request_for):
    done = exported(request_for("web"))
    assert names(done.path) == ["index.html", "loop-fragments.mp4", "loop.mp4"]
    page = (done.path / "index.html").read_text(encoding="utf-8")
    assert '"fragments": "loop-fragments.mp4"' in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_sidecar_names_every_file_with_its_hash_and_nothing_of_the_machine(request_for):
    done = exported(request_for("web"))
    told = json.loads(done.sidecar.read_bytes())
    assert told == done.told
    assert [each["path"].partition("/")[2] for each in told["files"]] == names(done.path)
    assert str(done.path.parent) not in done.sidecar.read_text()


def test_nothing_is_overwritten_unless_forced(request_for):
    first = exported(request_for("web-safe"))
    before = first.path.read_bytes()
    with pytest.raises(ArtifactWriteFailed, match="--force"):
        plan_export(request_for("web-safe"))
    again = exported(request_for("web-safe", force=True, yaw_deg=90.0))
    assert again.path == first.path
    assert again.path.read_bytes() != before
    assert names(first.path.parent) == sorted([first.path.name, first.sidecar.name])


@pytest.mark.parametrize("preset", ["quest3", "hdri", "web"])
def test_an_interrupted_export_leaves_what_was_there_and_nothing_else(preset, request_for):
    request = request_for(preset)
    request.out.mkdir()
    (request.out / "mine.txt").write_text("mine")

    def stop(what, done, total):
        if what in ("encoding", "writing") and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(plan_export(request), stop)
    assert names(request.out) == ["mine.txt"]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(request_for, monkeypatch):
    def full(*_words, **_more):
        raise OSError(28, "No space left on device")

    request = request_for("web-safe")
    monkeypatch.setattr(export_run, "unroll", full)
    with pytest.raises(ArtifactWriteFailed, match=r"No space left.*--out"):
        exported(request)
    assert names(request.out) == []


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("preset", ["web-safe", "quest3", "web", "hdri"])
def test_when_no_more_can_be_written_in_mid_export_it_says_so_and_leaves_nothing(
    preset, request_for
):
    import resource

    request, steps = request_for(preset), []
    plan = plan_export(request)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))  # bytes a file: a disk that is full
    try:
        with pytest.raises(ArtifactWriteFailed, match=r"Free some room.*--out.*Nothing was left"):
            export(plan, lambda *told: steps.append(told))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert steps  # work had begun
    assert names(request.out) == []


def test_too_little_room_for_exr_is_said_before_any_work(request_for, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(export_plan.shutil, "disk_usage", lambda folder: Usage)
    with pytest.raises(ArtifactWriteFailed, match="too full"):
        plan_export(request_for("hdri"))


def test_progress_counts_every_frame(request_for):
    seen = []
    export(plan_export(request_for("web-safe")), lambda *told: seen.append(told))
    assert seen == [*(("encoding", n, 6) for n in range(7)), ("repeating", 1, 1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"preset": "quest9"}, "no preset"),
        ({"size": (16384, 8192)}, "The largest is 4096x2048"),
        ({"size": (130, 64)}, "twice as wide"),
        ({"seconds": 0.0}, "more than 0"),
        ({"seconds": 1e9}, "at most 3600"),
        ({"preset": "hdri", "seconds": 5.0}, "for films"),
        ({"yaw_deg": float("nan")}, "yaw"),
    ],
)
def test_words_that_cannot_be_are_refused_before_any_work(words, said, request_for, tmp_path):
    with pytest.raises(InvalidJob, match=said):
        plan_export(replace(request_for("web-safe"), **words))
    assert not (tmp_path / "out").exists()


def test_fit_makes_it_the_largest_only_when_asked(request_for):
    plan = plan_export(request_for("web-safe", size=(16384, 8192), fit=True))
    assert (plan.width, plan.height) == (4096, 2048)


def test_a_folder_that_is_no_result_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match="holds no result"):
        plan_export(ExportRequest(folder=tmp_path, preset="quest3", out=tmp_path))


def test_flat_pictures_damaged_frames_and_endless_videos_are_told_apart(tmp_path):
    flat = made(tmp_path / "a", replace(SPEC, method="planar", ring=False))
    with pytest.raises(InvalidJob, match="flat picture"):
        plan_export(ExportRequest(folder=flat, preset="quest3", out=tmp_path))
    ended = made(tmp_path / "b", replace(SPEC, loop=False))
    with pytest.raises(InvalidJob, match="does not loop"):
        plan_export(ExportRequest(folder=ended, preset="quest3", out=tmp_path, seconds=5))
    (ended / "frames" / "loop_0003.exr").write_bytes(b"no picture")
    with pytest.raises(InvalidJob, match=r"loop_0003\.exr cannot be read"):
        exported(ExportRequest(folder=ended, preset="web-safe", out=tmp_path / "out"))
    (ended / "frames" / "loop_0003.exr").unlink()
    with pytest.raises(InvalidJob, match=r"loop_0003\.exr is missing"):
        plan_export(ExportRequest(folder=ended, preset="web-safe", out=tmp_path / "out"))


def test_a_broken_join_is_exported_with_a_warning(tmp_path):
    folder = made(tmp_path / "library", inspector=Report())
    done = exported(ExportRequest(folder=folder, preset="web-safe", out=tmp_path / "out"))
    assert done.path.is_file()
    assert "jumps at its join" in done.notes[0]
