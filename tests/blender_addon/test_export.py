"""An export from the panel: its words, what the program says, and the program itself."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs import write_program

from panoloom.blender_addon import export
from panoloom.blender_addon.export import Export, ExportWish, command_words, read_log, why_not
from panoloom.engine_server import cli
from panoloom.engine_server.commands.export import Meter, read_size
from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.export.encodings import LABELS
from panoloom.engine_server.output.export.presets import PRESETS
from panoloom.shared.errors import ArtifactWriteFailed, EngineUnreachable, InvalidJob
from panoloom.shared.jobs import JobSpec

WISH = ExportWish(folder=Path("loop"), preset="quest3", out=Path("films"))


def test_the_panel_has_every_preset_and_codec_of_the_engine():
    kinds = {preset.name: preset.kind == "video" for preset in PRESETS}
    assert {preset.name: preset.plays_on for preset in export.PRESETS} == kinds
    assert {name for name, _ in export.CODECS if name} == set(LABELS)
    has_light = {preset.name: preset.hdr for preset in PRESETS}
    assert {preset.name: preset.has_light for preset in export.PRESETS} == has_light


def test_every_size_and_sun_of_the_panel_is_one_of_the_command_lines():
    for size, _ in export.SIZES[1:]:
        wish = replace(WISH, preset="hdri", size=size)
        assert read_size(cli.parser().parse_args(command_words(wish)).size)[0] in export.WIDTHS
    for sun, _ in export.SUNS[1:]:
        options = cli.parser().parse_args(command_words(replace(WISH, preset="hdri", sun=sun)))
        assert options.sun == sun
    assert "--sun" not in command_words(replace(WISH, sun="lamp"))  # a film without light


def test_words_of_the_panel_mean_the_same_on_the_command_line():
    wish = ExportWish(
        folder=Path("loop"),
        preset="quest3",
        out=Path("films"),
        seconds=90,
        yaw_deg=-45,
        codec="av1",
        fit=True,
        replace=True,
    )
    options = cli.parser().parse_args(command_words(wish))
    assert (options.folder, options.out) == (Path("loop"), Path("films"))
    assert (options.preset, options.codec) == ("quest3", "av1")
    assert (options.seconds, options.yaw) == (90, -45)
    assert (options.fit, options.force, options.json) == (True, True, True)


def test_nothing_is_replaced_played_on_or_shrunk_unless_asked():
    options = cli.parser().parse_args(command_words(WISH))
    assert (options.force, options.fit, options.seconds, options.yaw) == (False, False, None, 0)
    assert (options.size, options.sun) == (None, None)


def test_a_folder_is_not_asked_to_play_on():
    wish = ExportWish(folder=Path("loop"), preset="hdri", out=Path("o"), seconds=60, codec="av1")
    options = cli.parser().parse_args(command_words(wish))
    assert (options.seconds, options.codec) == (None, None)


def test_progress_is_read_as_the_program_writes_it(tmp_path, capsys):
    meter = Meter(as_json=True)
    meter.show("encoding", 0, 8)
    (tmp_path / "first").write_text(capsys.readouterr().err, "utf-8")
    assert read_log(tmp_path / "first").step.left_s is None
    for done in range(1, 4):
        meter.show("encoding", done, 8)
    log = tmp_path / "log"
    log.write_text(
        "a library's chatter\n" + capsys.readouterr().err + '{"progress": {"what', "utf-8"
    )
    step = read_log(log).step
    assert (step.what, step.done, step.total) == ("encoding", 3, 8)
    assert step.fraction == 0.375


def test_nothing_is_known_of_a_program_that_said_nothing(tmp_path):
    assert read_log(tmp_path / "none") == export.Said()
    (tmp_path / "odd").write_text('{"progress": 3}\n{"path": 4}\n{"error": "x"}\n{\n')
    assert read_log(tmp_path / "odd") == export.Said()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"is_running": True}, "is being made"),
        ({"folder": None}, "Apply a finished loop first"),
        ({"folder": Path("nowhere")}, "a file of yours"),
        ({"has_program": False}, "was not found"),
    ],
)
def test_what_hinders_an_export_is_said(facts, said, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    fine = {"folder": tmp_path, "has_program": True, "is_running": False}
    assert why_not(**fine) == ""
    assert said in why_not(**fine | facts)


def test_an_export_goes_beside_the_blend_and_never_into_the_loop():
    loop = Path("library") / "aurora-1"
    assert export.default_out(loop, str(Path("scenes") / "a.blend")) == Path("scenes")
    assert export.default_out(loop, "") == Path("library") / "exports"


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """A finished loop of two grey frames."""
    spec = JobSpec(prompt="grey", width=64, height=32, num_frames=2, model_revision="r1")
    library = tmp_path_factory.mktemp("library")
    with ArtifactWriter(library, spec, "a" * 32, made_with={}) as writer:
        writer.write(np.full((32, 64, 3), 0.5, np.float32) for _ in range(2))
        return library / writer.finish().folder


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The engine's program."""
    if os.name == "nt":
        pytest.skip("scripts of POSIX")
    path = tmp_path_factory.mktemp("bin") / "panoloom"
    return write_program(
        path, "import sys\nfrom panoloom.engine_server.cli import main\nsys.exit(main())\n"
    )


def ended(running: Export) -> Export:
    """The same, when its program has ended and was listened to."""
    running._process._process.wait(120)
    assert running.poll() is False
    return running


def test_the_engines_own_program_makes_the_film_and_never_overwrites_it_untold(
    loop, program, tmp_path
):
    out = tmp_path / "films"
    wish = ExportWish(folder=loop, preset="web-safe", out=out, seconds=1)
    running, log = Export(), tmp_path / "log"
    running.start(program, wish, log)
    made = ended(running).made
    assert made == out / "grey_web-safe_loop1s_360.mp4"
    assert running.step.fraction == 1
    first = made.stat().st_mtime_ns
    running.start(program, wish, log)
    with pytest.raises(ArtifactWriteFailed, match="without the tick “Replace”; or name another"):
        ended(running)
    assert made.stat().st_mtime_ns == first
    assert not running.is_running
    assert sorted(path.suffix for path in out.iterdir()) == [".json", ".mp4"]


def stand_in(folder: Path, body: str) -> str:
    return write_program(folder / "panoloom", body)


@pytest.mark.skipif(os.name == "nt", reason="scripts of POSIX")
def test_an_error_of_the_program_has_its_kind_and_the_panels_words(tmp_path):
    told = InvalidJob("a loop does not loop: it would jump. Leave --seconds out.", field="seconds")
    code, message, details = told.to_wire()
    plain = json.dumps({"error": {"code": code, "message": message, "details": details}})
    running = Export()
    running.start(stand_in(tmp_path, f"print({plain!r}); exit(2)"), WISH, tmp_path / "log")
    with pytest.raises(InvalidJob, match="Set “Seconds” to 0") as found:
        ended(running)
    assert found.value.details == {"field": "seconds"}


@pytest.mark.skipif(os.name == "nt", reason="scripts of POSIX")
def test_a_program_that_dies_is_told_with_its_last_words(tmp_path):
    running = Export()
    running.start(stand_in(tmp_path, "exit('no such word')"), WISH, tmp_path / "log")
    with pytest.raises(EngineUnreachable, match="no such word"):
        ended(running)
    assert not running.is_running


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_cancelled_it_ends_without_an_error(tmp_path):
    running = Export()
    running.start(stand_in(tmp_path, "import signal; signal.pause()"), WISH, tmp_path / "log")
    assert running.poll()
    running.cancel()
    assert running.is_cancelling
    ended(running)
    assert (running.was_cancelled, running.is_cancelling, running.made) == (True, False, None)
