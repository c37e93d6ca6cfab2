"""The words of `panoloom export` and `panoloom view`; what they do is tested where it is done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from panoloom.engine_server import cli
from panoloom.engine_server.commands.export import Meter, read_size
from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import JobSpec

SAMPLE = Path(__file__).resolve().parents[2] / "packaging" / "sample" / "sample.mp4"


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    import numpy as np

    spec = JobSpec(prompt="grey", width=64, height=32, num_frames=2, model_revision="r1")
    library = tmp_path_factory.mktemp("library")
    with ArtifactWriter(library, spec, "a" * 32, made_with={}) as writer:
        writer.write(np.full((32, 64, 3), 0.5, np.float32) for _ in range(2))
        return library / writer.finish().folder


def test_export_prints_one_json_document_with_what_it_made(loop, tmp_path, capsys):
    words = ["export", str(loop), "--preset", "web-safe", "--out", str(tmp_path), "--json"]
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    steps = [json.loads(line)["progress"] for line in printed.err.splitlines()]
    assert [(step["what"], step["done"], step["total"]) for step in steps] == [
        ("encoding", 0, 2),
        ("encoding", 1, 2),
        ("encoding", 2, 2),
        ("repeating", 1, 1),
    ]
    assert steps[0]["left_s"] is None
    assert all(step["left_s"] >= 0 for step in steps[1:])
    assert Path(told["path"]).is_file()
    assert Path(told["sidecar"]).is_file()
    assert cli.main(words) == 3
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "quest9"], "Known: web-safe"),
        (["--preset", "web-safe", "--size", "9000"], "WIDTHxHEIGHT"),
        (["--preset", "web-safe", "--size", "16384x8192"], "The largest is 4096x2048"),
    ],
)
def test_wrong_words_end_with_2_and_a_sentence(words, said, loop, tmp_path, capsys):
    assert cli.main(["export", str(loop), *words, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "x", "4096", "4096x", "-2x4", "1e3x5", "1x2x3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InvalidJob, match="WIDTHxHEIGHT"):
        read_size(text)


def test_without_a_terminal_progress_is_a_line_a_tenth(capsys):
    meter = Meter()
    for done in range(1, 101):
        meter.show("encoding", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("encoding 100/100, ")


def test_for_a_program_progress_is_a_line_of_json_a_hundredth(capsys):
    meter = Meter(as_json=True)
    for done in range(1, 1001):
        meter.show("encoding", done, 1000)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert 90 <= len(lines) <= 101
    assert lines[-1]["progress"] == {"what": "encoding", "done": 1000, "total": 1000, "left_s": 0.0}


PROGRAM = "import sys; from panoloom.engine_server.cli import main; sys.exit(main())"
WAITING = f"""
import time
from panoloom.engine_server.commands.export import Meter
show = Meter.show
Meter.show = lambda *told: (show(*told), time.sleep(60))
{PROGRAM}
"""
"""The same, which waits after the first it says of its progress."""


@contextmanager
def running(program: str, *words: str, stream: str):
    """The program with `stream` to be read; killed in the end, or when it says nothing for long."""
    command = [sys.executable, "-c", program, *words]
    process = subprocess.Popen(command, text=True, **{stream: subprocess.PIPE})
    guard = threading.Timer(200, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        guard.join()
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_view_serves_the_page_until_it_is_told_to_end():
    with running(
        PROGRAM, "view", str(SAMPLE), "--no-browser", "--json", stream="stdout"
    ) as process:
        address = json.loads(process.stdout.readline())["address"]
        assert address.startswith("http://localhost:")
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"<canvas" in answer.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@pytest.mark.timeout(300)  # a process that loads torch, on a busy machine
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_export_that_is_told_to_end_leaves_nothing_and_says_130(loop, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    words = ["export", str(loop), "--preset", "web-safe", "--json", "--out", str(tmp_path)]
    with running(WAITING, *words, stream="stderr") as process:
        assert "encoding" in process.stderr.readline()
        assert len(list(tmp_path.iterdir())) == 2  # the begun one is hidden beside
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no loop.mp4"),
        ([str(SAMPLE), "--plain"], "goes with --lan"),
        ([str(SAMPLE), "--port", "99999"], "is no port"),
        ([str(SAMPLE.with_suffix(".json"))], "no MP4"),
    ],
)
def test_view_refuses_what_it_cannot_show(words, said, capsys):
    assert cli.main(["view", *words, "--no-browser"]) == 2
    assert said in capsys.readouterr().err
