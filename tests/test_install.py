"""The installer in a dry run: what it says, what it would run, and that it does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("sh", "uname", "dirname", "sed", "head", "df", "awk", "grep", "cat", "mkdir")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the installer's Linux part")


@pytest.fixture
def machine(tmp_path):
    """`machine(nvidia="12.8", python=True)`: run the installer where just this is installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))

    def stub(name: str, text: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def run(*words: str, nvidia: str = "", amd: bool = False, python: bool = True):
        if nvidia:
            table = (
                f'case "$*" in *query*) echo "Test Card";; *) echo "CUDA Version: {nvidia} ";; esac'
            )
            stub("nvidia-smi", table)
        if amd:
            stub("rocminfo", "echo '  Name: gfx1100'")
        if python:
            stub("python3.11", f'exec {sys.executable} "$@"')
        done = subprocess.run(
            ["/bin/sh", str(ROOT / "packaging" / "install.sh"), *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(programs), "HOME": str(tmp_path / "home")},
            check=False,
        )
        return done

    (tmp_path / "home").mkdir()
    return run


@pytest.mark.parametrize(
    ("words", "build"),
    [
        ({}, "cpu"),
        ({"nvidia": "12.6"}, "cu126"),
        ({"nvidia": "12.9"}, "cu128"),
        ({"nvidia": "13.0"}, "cu130"),
        ({"nvidia": "11.4"}, "cpu"),
        ({"amd": True}, "rocm6.4"),
    ],
)
def test_build_of_torch_is_the_one_for_the_card(machine, words, build):
    done = machine("--dry-run", **words)
    assert done.returncode == 0, done.stderr
    assert f"torch, the build for {build}, about" in done.stdout
    assert f"whl/{build} torch" in done.stdout


def test_old_driver_is_told(machine):
    assert "too old" in machine("--dry-run", nvidia="11.4").stdout


def test_choice_of_the_build_is_the_users(machine):
    assert "the build for cpu" in machine("--dry-run", "--torch", "cpu", nvidia="12.8").stdout


def test_without_a_python_uv_brings_one_and_both_are_told(machine):
    said = machine("--dry-run", python=False).stdout
    assert "uv, about 20 MB" in said
    assert "Python 3.11, about 30 MB" in said
    assert "500 MB to download" in said
    assert "uv venv" in said


def test_dry_run_does_nothing(machine, tmp_path):
    done = machine("--dry-run")
    assert done.stdout.endswith("Nothing was done.\n")
    assert list((tmp_path / "home").iterdir()) == []


def test_nothing_is_installed_without_a_yes(machine, tmp_path):
    done = machine()
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert list((tmp_path / "home").iterdir()) == []


def test_engine_lands_where_the_add_on_looks_for_it(machine, tmp_path, monkeypatch):
    from panoloom.blender_addon import engine_process

    said = machine("--dry-run").stdout
    monkeypatch.setattr(engine_process, "_data_folder", lambda: tmp_path / "data")
    monkeypatch.setenv("PATH", os.devnull)
    place = tmp_path / "data" / engine_process.INSTALLED / "bin" / "panoloom"
    assert engine_process.find_command() is None
    place.parent.mkdir(parents=True)
    place.touch()
    assert engine_process.find_command() == str(place)
    assert said.splitlines()[0].endswith("panoloom/engine")


@pytest.mark.parametrize("words", [["--torch", "abacus"], ["--quietly"]])
def test_wrong_word_is_refused(machine, words):
    assert machine(*words).returncode == 2
