"""The program: words in, files and an exit status out. No model is loaded anywhere here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_worker
import pytest
from fakes import FakeEngine
from PIL import Image

from panoloom.engine_server import cli
from panoloom.engine_server.broker import Broker, BrokerConfig
from panoloom.engine_server.client import Engine
from panoloom.engine_server.commands import access, generate, progress_bar, request
from panoloom.engine_server.config import EngineConfig, Executors, default_library, seeing_gpu
from panoloom.engine_server.models import catalog
from panoloom.shared import connection
from panoloom.shared.errors import GenerationFailed, InvalidJob, OutOfMemory
from panoloom.shared.jobs import JobSpec, Place
from panoloom.shared.jobview import JobView
from panoloom.shared.messages import CancelJob, SubmitJob

COMMANDS = ["generate", "serve", "jobs", "cancel", "free", "status", "fetch", "doctor"]
PROMPT = "steps=3"


def fake_broker(config: BrokerConfig) -> Broker:
    """The real broker with a worker that has no model."""
    return Broker(config, catalog.plan, [], fake_worker.COMMAND)


@pytest.fixture
def no_weights_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans as if the preview model were installed."""
    monkeypatch.setattr(catalog, "plan", lambda spec: replace(spec, model_revision="test"))
    monkeypatch.setattr(access, "make_broker", fake_broker)


@pytest.fixture
def engine(tmp_path: Path, no_weights_needed: None) -> Iterator[FakeEngine]:
    with FakeEngine(tmp_path) as fake:
        yield fake


def submitted(engine: FakeEngine) -> JobSpec:
    requests = [m for m in engine.received if isinstance(m, SubmitJob)]
    return JobSpec.from_plain(requests[-1].spec)


def python(code: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )


def test_help_and_parsing_load_no_torch():
    code = (
        "import sys\n"
        "from panoloom.engine_server import cli\n"
        "cli.parser().parse_args(['generate', 'sea', '--size', '1024x512'])\n"
        "cli.parser().format_help()\n"
        "print(sorted({'torch', 'diffusers', 'cv2'} & set(sys.modules)))\n"
    )
    done = python(code)
    assert done.communicate(timeout=60)[0].strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert "usage: panoloom" in capsys.readouterr().out


def test_module_and_program_are_the_same():
    words = [sys.executable, "-m", "panoloom.engine_server", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("panoloom ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([""], "Write a prompt"),
        (["sea", "--size", "512"], "WIDTHxHEIGHT"),
        (["sea", "--size", "500x300"], "twice as wide"),
        (["sea", "--frames", "1"], "from 2 to 2000"),
        (["sea", "--frames", "100000"], "from 2 to 2000"),
        (["sea", "--seconds", "nan"], "above 0"),
        (["sea", "--seconds", "1e300"], "from 2 to 2000"),
        (["sea", "--fps", "inf"], "above 0"),
        (["sea", "--seed", "-1"], "seed"),
        (["sea", "--guidance", "nan"], "guidance"),
        (["sea", "--model", "sora"], "Known: "),
        (["sea", "--mask", "x.png"], "--reference"),
        (["sea", "--reference", "nowhere.png"], "cannot be read"),
        (["sea", "--reference-at", "0,0,60"], "--reference"),
        (["sea", "--animate"], "--reference"),
        (["sea", "--at", "90,20", "a moon"], "YAW,PITCH,RADIUS"),
        (["sea", "--at", "-90,up,30", "a moon"], "not '-90,up,30'"),
        (["sea", "--at", "90,20,0", "a moon"], "radius"),
        (["sea", "--at", "90,95,10", "a moon"], "pitch"),
        (["sea", "--at", "90,20,10", ""], "needs words"),
        (["sea", "--no-ring"], "planar"),
        (["sea", "--cluster", "auto"], "--executors N"),
    ],
)
def test_wrong_words_end_with_2_and_a_sentence_before_any_engine(words, said, tmp_path, capsys):
    assert cli.main(["generate", *words, "--out", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""
    assert list(tmp_path.iterdir()) == []


def test_unknown_method_lists_the_known_ones(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(catalog, "revision", lambda card: "test")
    assert cli.main(["generate", "sea", "--method", "magic", "--out", str(tmp_path)]) == 2
    assert "fused" in capsys.readouterr().err


def test_missing_weights_end_with_3(monkeypatch, tmp_path, capsys):
    card = catalog.MODELS["preview"]
    monkeypatch.setitem(catalog.MODELS, "preview", replace(card, folder=tmp_path / "none"))
    assert cli.main(["generate", "sea", "--out", str(tmp_path)]) == 3
    assert "weights" in capsys.readouterr().err


def test_reference_that_is_no_picture_is_refused_before_any_engine(tmp_path, capsys):
    picture = tmp_path / "text.png"
    picture.write_text("not a picture")
    words = ["generate", "sea", "--reference", str(picture), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    assert "no picture" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_generate_brings_its_own_engine_and_prints_the_folder(tmp_path, no_weights_needed, capsys):
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path)]) == 0
    output = capsys.readouterr()
    folder = Path(output.out.splitlines()[0])
    assert folder.parent == tmp_path
    assert str(folder / "manifest.json") in output.out
    assert not (tmp_path / ".panoloom" / "engine.json").exists()


def test_generate_prints_exactly_one_json_document(tmp_path, no_weights_needed, capsys):
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["state"] == "finished"
    assert Path(plain["files"]["manifest"]).is_file()
    assert {"start", "denoise", "total"} <= set(plain["cost_s"])


def test_wrong_words_are_one_json_document_too(tmp_path, capsys):
    words = ["generate", "sea", "--size", "9x9", "--json", "--out", str(tmp_path)]
    assert cli.main(words) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "user.invalid_job"


def test_generate_uses_the_engine_that_is_running(engine, tmp_path, capsys):
    words = ["generate", PROMPT, "--seed", "7", "--no-loop", "--guidance", "2.5"]
    assert cli.main([*words, "--out", str(tmp_path)]) == 0
    spec = submitted(engine)
    assert (spec.prompt, spec.seed, spec.loop, spec.guidance_scale) == (PROMPT, 7, False, 2.5)


def test_defaults_of_generate_are_those_of_a_job_that_lasts_five_seconds(engine, tmp_path):
    cli.main(["generate", PROMPT, "--out", str(tmp_path)])
    assert submitted(engine) == JobSpec(prompt=PROMPT, num_frames=120, fps=24.0)


def test_prompts_by_direction_reach_the_engine_also_with_angles_below_zero(engine, tmp_path):
    words = ["--sky", "stars", "--ground", "sea", "--at", "-90,-20.5,30", "a moon"]
    words += ["--at", "10,0,5", "fire", "--horizon", "mist"]
    assert cli.main(["generate", PROMPT, *words, "--out", str(tmp_path)]) == 0
    spec = submitted(engine)
    assert (spec.sky, spec.horizon, spec.ground) == ("stars", "mist", "sea")
    assert spec.places == (
        Place(text="a moon", yaw_deg=-90, pitch_deg=-20.5, radius_deg=30),
        Place(text="fire", yaw_deg=10, pitch_deg=0, radius_deg=5),
    )


def test_a_photograph_hangs_where_the_words_say(engine, tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "photo.png")
    words = ["--reference", str(tmp_path / "photo.png"), "--reference-at", "-30,10,60"]
    assert cli.main(["generate", PROMPT, *words, "--animate", "--out", str(tmp_path)]) == 0
    reference = submitted(engine).reference
    assert reference is not None
    assert (reference.yaw_deg, reference.pitch_deg, reference.fov_deg) == (-30, 10, 60)
    assert reference.mode == "animate"
    assert reference.strength == request.DEFAULT_STRENGTH["animate"]


def test_around_a_photograph_that_is_kept_the_loop_does_not_start_from_noise_alone(
    engine, tmp_path
):
    Image.new("RGB", (64, 32)).save(tmp_path / "photo.png")
    words = ["generate", PROMPT, "--reference", str(tmp_path / "photo.png")]
    for more, kind in (([], "keep"), (["--reference-at", "0,0,60"], "photograph")):
        assert cli.main([*words, *more, "--out", str(tmp_path)]) == 0
        reference = submitted(engine).reference
        assert reference is not None
        assert reference.strength == request.DEFAULT_STRENGTH[kind]


def test_a_flat_picture_is_asked_for_with_its_method(engine, tmp_path):
    words = ["--method", "planar", "--size", "3072x768", "--no-ring"]
    assert cli.main(["generate", PROMPT, *words, "--out", str(tmp_path)]) == 0
    spec = submitted(engine)
    assert (spec.width, spec.height, spec.ring) == (3072, 768, False)


def test_long_work_is_told_of_before_it_begins(engine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalog, "estimate_s", lambda planned: 45 * 60.0)
    assert cli.main(["generate", PROMPT, "--out", str(tmp_path)]) == 0
    assert "about 45 minutes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "frames_and_fps"),
    [
        (["--frames", "24"], (24, catalog.MODELS["preview"].fps)),
        (["--frames", "24", "--fps", "12"], (24, 12.0)),
        (["--seconds", "2"], (48, 24.0)),
        (["--seconds", "1.5", "--fps", "30"], (45, 30.0)),
        (["--fps", "30"], (150, 30.0)),
        ([], (120, 24.0)),
    ],
)
def test_length_is_frames_at_the_models_rate_or_seconds_at_24(
    words, frames_and_fps, engine, tmp_path
):
    cli.main(["generate", PROMPT, *words, "--out", str(tmp_path)])
    spec = submitted(engine)
    assert (spec.num_frames, spec.fps) == frames_and_fps


def test_reference_and_mask_of_different_sizes_are_refused_before_any_engine(tmp_path, capsys):
    words = ["generate", "sea", "--out", str(tmp_path / "out")]
    for word, width in (("--reference", 64), ("--mask", 32)):
        Image.new("RGB", (width, width // 2)).save(tmp_path / f"{width}.png")
        words += [word, str(tmp_path / f"{width}.png")]
    assert cli.main(words) == 2
    assert "mask of the same size" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidJob("x"), 2), (OutOfMemory("x"), 3), (GenerationFailed("x"), 4), (None, 4)],
)
def test_exit_status_tells_who_can_put_a_failed_job_right(error, status):
    assert generate.status_of(error) == status


def test_failed_job_ends_with_4_and_the_engines_sentence(engine, tmp_path, capsys):
    assert cli.main(["generate", "steps=5 fail_at=2", "--out", str(tmp_path)]) == 4
    assert "sea" in capsys.readouterr().err


def test_ctrl_c_cancels_the_job_and_ends_with_130(engine, tmp_path, monkeypatch, capsys):
    def interrupt(bar: progress_bar.ProgressBar, view: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "plan", lambda spec: spec)
    monkeypatch.setattr(progress_bar.ProgressBar, "show", interrupt)
    words = ["generate", "steps=5 hold_at=2", "--out", str(tmp_path), "--json"]
    assert cli.main(words) == 130
    assert any(isinstance(m, CancelJob) for m in engine.received)
    assert json.loads(capsys.readouterr().out)["state"] == "cancelled"


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
def test_job_goes_on_when_its_engine_goes_away(is_killed, engine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(access, "ANSWER_S", 0.4)
    monkeypatch.setattr(access, "PATIENCE_S", 0.0)
    show = progress_bar.ProgressBar.show

    def show_and_stop(bar: progress_bar.ProgressBar, view: JobView) -> None:
        show(bar, view)
        if view.progress is not None and view.progress.step == 2:
            (tmp_path / "go").touch()
            engine.stop(leaves_connection_file=is_killed)
            if is_killed:  # this process is the engine's, and it lives on
                monkeypatch.setattr(connection, "is_process_alive", lambda pid: False)

    monkeypatch.setattr(progress_bar.ProgressBar, "show", show_and_stop)
    assert cli.main(["generate", "steps=4 hold_at=2", "--out", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert "going on with another" in output.err
    assert Path(output.out.splitlines()[0]).is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_interrupted_process_cancels_its_job_and_ends_with_130(engine, tmp_path):
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have it ignored
        "from panoloom.engine_server import cli\n"
        "from panoloom.engine_server.models import catalog\n"
        "catalog.plan = lambda spec: spec\n"
        f"sys.exit(cli.main(['generate', 'steps=5 hold_at=2', '--out', {str(tmp_path)!r}]))\n"
    )
    with python(code) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("denoising"):
                process.send_signal(signal.SIGINT)
                break
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert any(isinstance(m, CancelJob) for m in engine.received)


def test_jobs_lists_and_cancel_takes_the_beginning_of_an_id(engine, tmp_path, capsys):
    cli.main(["generate", PROMPT, "--out", str(tmp_path), "--json"])
    job_id = json.loads(capsys.readouterr().out)["job_id"]
    assert cli.main(["jobs", "--library", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"][0]["job_id"] == job_id
    assert cli.main(["jobs", "--library", str(tmp_path)]) == 0
    assert job_id[:8] in capsys.readouterr().out
    assert cli.main(["cancel", job_id[:6], "--library", str(tmp_path)]) == 0
    assert "ended already" in capsys.readouterr().out
    assert cli.main(["cancel", "zz", "--library", str(tmp_path)]) == 2


def test_status_says_who_runs(engine, tmp_path, capsys):
    assert cli.main(["status", "--library", str(tmp_path)]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    assert cli.main(["status", "--library", str(tmp_path), "--json"]) == 0
    assert "worker" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["jobs", "status", "free"])
def test_questions_without_an_engine_end_with_3(command, tmp_path, capsys):
    assert cli.main([command, "--library", str(tmp_path)]) == 3
    assert "No engine is running" in capsys.readouterr().err


def test_fetch_refuses_what_is_no_hash(tmp_path, capsys):
    assert cli.main(["fetch", "../../etc/passwd", "--library", str(tmp_path)]) == 2
    assert "64" in capsys.readouterr().err


def test_fetch_to_a_place_that_cannot_be_written_is_a_sentence(engine, tmp_path, capsys):
    with Engine.connect(tmp_path) as client:
        sha256 = client.store_blob(b"bytes")
    words = ["fetch", sha256, "--library", str(tmp_path), "--to"]
    assert cli.main([*words, str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy").read_bytes() == b"bytes"
    assert cli.main([*words, str(tmp_path / "no" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", "a b", "1.2.3.4:0", "1.2.3.4:65535", "::1", "x:y"])
def test_address_that_is_none_is_refused_in_words(address, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["serve", f"--listen={address}"])
    assert end.value.code == 2
    assert "is not an address: give HOST or HOST:PORT" in capsys.readouterr().err


def test_name_is_no_address_to_listen_on(tmp_path, capsys):
    assert cli.main(["serve", "--listen", "example.org", "--library", str(tmp_path)]) == 2
    assert "not an address to listen on" in capsys.readouterr().err


def test_library_is_the_word_then_the_variable_then_the_default(tmp_path):
    environ = {"PANOLOOM_LIBRARY": str(tmp_path / "variable")}
    assert EngineConfig.read(library=tmp_path, environ=environ).library == tmp_path
    assert EngineConfig.read(environ=environ).library == tmp_path / "variable"
    assert EngineConfig.read(environ={}).library == default_library()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (7, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_time_left_reads_like_a_clock(seconds, text):
    assert progress_bar.clock(seconds) == text


def test_executors_are_those_of_the_command_else_of_the_variable_else_one_a_gpu():
    environ = {"PANOLOOM_EXECUTORS": "3"}
    assert Executors.read(count=2, environ=environ).words() == ("--executors", "2")
    assert Executors.read(environ=environ).count == 3
    assert Executors.read(environ={}).words() == ()
    assert Executors(count=4, cluster="auto").words() == ("--executors", "4", "--cluster", "auto")
    with pytest.raises(InvalidJob, match="'many'"):
        Executors.read(environ={"PANOLOOM_EXECUTORS": "many"})


def test_each_process_sees_one_gpu_of_those_that_were_given():
    given = {"CUDA_VISIBLE_DEVICES": "2, 5"}
    seen = [seeing_gpu(index, 2, given)["CUDA_VISIBLE_DEVICES"] for index in range(3)]
    assert seen == ["2", "5", "2"]
    assert seeing_gpu(1, 4, {})["CUDA_VISIBLE_DEVICES"] == "1"
    assert seeing_gpu(1, 0, {}) == {}


def test_executors_are_not_asked_of_an_engine_that_runs_already(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "find", lambda library: object())
    with (
        pytest.raises(InvalidJob, match="panoloom serve --executors"),
        access.engine_or_own(tmp_path, None, Executors(count=2)),
    ):
        pass
