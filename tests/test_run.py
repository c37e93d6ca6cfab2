"""packaging/run.py: what it says and decides. Nothing is installed here."""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from panoloom.engine_server.models.catalog import MODELS, to_plain

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PACKAGING))
    return importlib.import_module("environments")


@pytest.fixture
def tasks(environments: ModuleType) -> ModuleType:
    return importlib.import_module("tasks")


@pytest.fixture
def environment(environments: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An environment that is not there yet, in a folder with a space; pip is never run."""
    place = tmp_path / "a checkout"
    place.mkdir()
    monkeypatch.setattr(environments, "LOGS", place / "logs")
    constraints = place / "constraints.txt"
    constraints.write_text("numpy==2.4.6\n")
    return environments.Environment(
        name="engine environment",
        folder=place / ".venv-engine",
        python=(sys.executable,),
        version=(sys.version_info[0], sys.version_info[1]),
        constraints=constraints,
        installs=(("torch",), ("-e", f"{place}[dev]")),
        inputs=(constraints,),
        imports=("json",),
        size="about 1 GB",
        disk_gb=0.001,
    )


@pytest.fixture
def commands(environments: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have run; making an environment links this interpreter there."""
    ran: list[list[str]] = []

    def run_logged(command, log):
        ran.append(list(command))
        if "venv" in command:
            target = environments.venv_python(Path(command[-1]))
            target.parent.mkdir(parents=True)
            target.symlink_to(sys.executable)
        return 0

    monkeypatch.setattr(environments, "run_logged", run_logged)
    return ran


def test_old_python_is_told_so_in_a_sentence(monkeypatch, environments, capsys):
    run = importlib.import_module("run")
    monkeypatch.setattr(run, "sys", SimpleNamespace(**vars(sys) | {"version_info": (3, 9, 1)}))
    assert run.main(["test"]) == 3
    assert "needs Python 3.11 or newer; this is Python 3.9.1" in capsys.readouterr().err


def test_ci_runs_the_same_command_as_people():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec python3 packaging/run.py test")


def test_every_dependency_has_a_pin_and_no_place_is_named():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.match(r"[\w.-]+", line)[0].lower() for group in groups for line in group}
    pins = (PACKAGING / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower() for line in pins if "==" in line}
    assert names - {"panoloom"} <= pinned
    for name in ("constraints.txt", "constraints-blender.txt"):
        assert "://" not in (PACKAGING / name).read_text(encoding="utf-8")


def test_environment_is_made_once_and_then_reused(environments, environment, commands, capsys):
    environments.ensure(environment)
    assert ["venv", str(environment.folder)] == commands[0][-2:]
    assert [command[-1] for command in commands[1:]] == ["torch", environment.installs[1][1]]
    commands.clear()
    environments.ensure(environment)
    assert commands == []
    assert "is up to date" in capsys.readouterr().out


def test_torch_is_installed_first_and_under_constraints(environments, environment, commands):
    environments.ensure(environment)
    assert all(str(environment.constraints) in command for command in commands[1:])
    assert environments.engine_environment().installs[0] == ("torch",)


def test_changed_constraints_bring_it_up_to_date_in_place(environments, environment, commands):
    environments.ensure(environment)
    commands.clear()
    environment.constraints.write_text("numpy==2.5.0\n")
    environments.ensure(environment)
    assert [command[1:4] for command in commands] == [["-m", "pip", "install"]] * 2


def test_environment_without_a_working_python_is_made_anew(environments, environment, commands):
    environments.ensure(environment)
    environment.executable.unlink()
    (environment.folder / "old").touch()
    commands.clear()
    environments.ensure(environment)
    assert "venv" in commands[0]
    assert not (environment.folder / "old").exists()


def test_environment_of_another_python_is_not_used(environments, environment, commands):
    environments.ensure(environment)
    other = dataclasses.replace(environment, version=(3, 99))
    assert not other.works()
    assert not other.is_current()


def test_full_disk_is_told_before_anything_is_made(environments, environment, commands):
    huge = dataclasses.replace(environment, disk_gb=1e9)
    with pytest.raises(environments.SetupFailed, match="free disk"):
        environments.ensure(huge)
    assert commands == []


def test_failed_install_leaves_no_stamp(environments, environment, commands, monkeypatch):
    make = environments.run_logged
    monkeypatch.setattr(
        environments, "run_logged", lambda c, log: 1 if "pip" in c else make(c, log)
    )
    with pytest.raises(environments.SetupFailed, match="pip failed"):
        environments.ensure(environment)
    assert not environment.is_current()


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "disk filled up"),
        ("ERROR: No matching distribution found for bpy==4.5.*", "no bpy==4.5.*"),
        ("Collecting torch\nNewConnectionError: name resolution failed", "could not reach torch"),
        ("Collecting av\nERROR: Failed to build av", "pip failed at av: Failed to build av"),
    ],
)
def test_pip_failures_become_a_sentence_that_names_package_and_log(
    log, said, environments, environment
):
    environment.log.parent.mkdir()
    environment.log.write_text(log)
    sentence = environments.explain(environment)
    assert said in sentence
    assert environment.log.name in sentence


def test_big_downloads_are_told_and_small_ones_are_not(environments, environment, capsys):
    big = "Downloading torch-2.13.0-cp311-none-any.whl (180.1 MB)"
    lines = f"{big}\nDownloading six-1.0-py3-none-any.whl (11 kB)"
    environment.log.parent.mkdir()
    environments.run_logged([sys.executable, "-c", f"print({lines!r})"], environment.log)
    assert capsys.readouterr().out == "  torch 2.13.0: 180.1 MB\n"
    assert "six" in environment.log.read_text()


def test_children_inherit_no_other_python(environments, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert "PYTHONPATH" not in environments.clean_environ()


def fake_version(monkeypatch, environments, version):
    fake = SimpleNamespace(version_info=version, executable=sys.executable)
    monkeypatch.setattr(environments, "sys", fake)


@pytest.mark.parametrize(("version", "bpy"), [((3, 11, 7), "4.5"), ((3, 13, 0), "5.2")])
def test_blender_follows_the_python_that_is_there(version, bpy, environments, monkeypatch):
    fake_version(monkeypatch, environments, version)
    assert environments.blender_environment().installs[0][0] == f"bpy=={bpy}.*"


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_another_python_on_path_serves_blender(environments, monkeypatch, tmp_path):
    fake_version(monkeypatch, environments, (3, 12, 1))
    stand_in = tmp_path / "python3.13"
    stand_in.write_text("#!/bin/sh\nexit 0\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environments.find_blender_python() == ((str(stand_in),), (3, 13))


def test_without_a_python_for_blender_the_rest_still_runs(
    environments, tasks, monkeypatch, capsys, tmp_path
):
    fake_version(monkeypatch, environments, (3, 12, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = []
    monkeypatch.setattr(tasks, "ensure", lambda environment: Path(sys.executable))
    monkeypatch.setattr(
        tasks.subprocess, "run", lambda c, **_: ran.append(c) or SimpleNamespace(returncode=5)
    )
    assert tasks.test(["-k", "geometry"], "") == 5
    assert ran == [[sys.executable, "-m", "pytest", "-k", "geometry"]]
    assert "marked blender are skipped" in capsys.readouterr().out


def test_words_after_test_go_to_pytest_and_nowhere_else(tasks):
    assert tasks.parse(["test", "-x", "tests/shared"])[1] == ["-x", "tests/shared"]
    with pytest.raises(SystemExit):
        tasks.parse(["setup", "-x"])


def test_demo_has_a_prompt_of_its_own(tasks):
    assert tasks.parse(["demo"])[0].prompt == "northern lights over a calm sea"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--size", "large"], "1024x512"),
        (["--size", "640x320"], "1024x512"),
        (["--seconds", "0.5"], "1 to 30 seconds"),
        (["--seconds", "31"], "1 to 30 seconds"),
        (["--seconds", "nan"], "1 to 30 seconds"),
        (["--seconds", "long"], "1 to 30 seconds"),
    ],
)
def test_demo_refuses_what_the_model_cannot_make_before_any_set_up(words, remedy, tasks, capsys):
    with pytest.raises(SystemExit, match="2"):
        tasks.run(["demo", "sea", *words])
    assert remedy in capsys.readouterr().err


def test_demo_knows_what_the_model_makes(tasks):
    card = to_plain(MODELS["preview"])
    assert [f"{width}x{height}" for width, height in card["sizes"]] == list(tasks.SIZES)
    assert (card["min_seconds"], card["max_seconds"]) == (tasks.SHORTEST_S, tasks.LONGEST_S)


def test_engine_that_ends_at_once_is_told_with_its_last_words(tasks, environments, tmp_path):
    log = tmp_path / "engine.log"
    log.write_text("first\nthe port is in use\n")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        with pytest.raises(environments.SetupFailed, match="the port is in use"):
            tasks.wait_for_engine(process, tmp_path, log)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_broken_connection_file_is_no_engine(text, tasks, tmp_path):
    path = tmp_path / "engine.json"
    path.write_text(text)
    assert tasks.engine_pid(path) is None
    assert tasks.engine_pid(tmp_path / "none.json") is None


def test_set_up_that_fails_ends_with_3_and_a_sentence(tasks, environments, monkeypatch, capsys):
    def fail(environment):
        raise environments.SetupFailed("The disk is full.")

    monkeypatch.setattr(tasks, "ensure", fail)
    assert tasks.run(["setup"]) == 3
    assert "The disk is full." in capsys.readouterr().err


def test_demo_reads_the_last_line_of_a_talkative_blender(tasks):
    assert tasks.last_document('Saved "x"\nFra:1 Mem:9M\n{"loop": "there"}\n') == {"loop": "there"}
    assert tasks.last_document("Segmentation fault\n") is None
    assert tasks.last_document("") is None


def test_demo_lists_what_is_there(tasks, tmp_path):
    for name in ("loop.mp4", "poster.png", "demo.blend", "scene-0001.png"):
        (tmp_path / name).touch()
    made = {
        "loop": str(tmp_path),
        "blend": str(tmp_path / "demo.blend"),
        "renders": [str(tmp_path / "scene-0001.png"), str(tmp_path / "scene-0025.png")],
        "num_frames": 48,
        "notes": ["The word sharknado is not known."],
    }
    text = "\n".join(tasks.summary(made))
    assert "48 frames" in text
    assert "demo.blend" in text
    assert "contact sheet" not in text
    assert "scene-0025" not in text
    assert "sharknado" in text


def test_every_blender_that_can_be_asked_for_has_its_python(environments, monkeypatch):
    for blender, version in environments.PYTHON_OF.items():
        monkeypatch.setattr(environments, "find_python", lambda wanted: (f"python{wanted}",))
        made = environments.blender_environment_of(blender)
        assert made.installs[0][0] == f"bpy=={blender}.*"
        assert made.version == version
        assert made.folder.name == f".venv-blender-{blender}"
    with pytest.raises(environments.SetupFailed, match=r"4\.2"):
        environments.blender_environment_of("3.6")


def test_asked_for_versions_run_blenders_tests_alone_in_each(tasks, monkeypatch):
    ran = []

    def run(command, env, **_):
        ran.append((env["PANOLOOM_TEST_BLENDER"], command[1:5]))
        return SimpleNamespace(returncode=len(ran) - 1)

    monkeypatch.setattr(tasks, "ensure", lambda environment: Path(str(environment)))
    monkeypatch.setattr(tasks, "engine_environment", lambda: "engine")
    monkeypatch.setattr(tasks, "blender_environment_of", lambda version: f"bpy{version}")
    monkeypatch.setattr(tasks, "build_extension", lambda engine: None)
    monkeypatch.setattr(tasks.subprocess, "run", run)
    assert tasks.run(["test", "--blender", "4.2, 5.0", "-k", "world"]) == 1
    words = ["-m", "pytest", "-m", "blender"]
    assert ran == [("bpy4.2", words), ("bpy5.0", words)]


def test_bench_of_the_add_on_tells_each_figure_with_its_budget(environments):
    bench_addon = importlib.import_module("bench_addon")
    times = {"median": 1.0, "p99": 4.0, "most": 9.0}
    found = {
        "blender": "4.5.1",
        "num_ticks": 420,
        "tick_ms": times | {"p99": 10.0},
        "tick_cpu_ms": times,
        "swap_growth_mb": 25.0,
    }
    said = "\n".join(bench_addon.lines(found))
    assert "10.00 of 5 ms, 2.00 of the budget" in said
    assert "4.00 of 5 ms, 0.80 of the budget" in said
    assert "25.00 of 50 MB, 0.50 of the budget" in said
