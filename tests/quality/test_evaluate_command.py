from __future__ import annotations

import json

import pytest
from PIL import Image

from panoloom.engine_server.cli import main


@pytest.fixture
def stills(tmp_path, perfect_loop):
    """A folder of six frames of the perfect loop."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(perfect_loop[::4]):
        Image.fromarray(frame).save(folder / f"frame_{index:02d}.png")
    return folder


def test_evaluate_says_what_a_viewer_would_notice(stills, capsys):
    assert main(["evaluate", str(stills), "--fps", "8", "--loop"]) == 0
    words = capsys.readouterr()
    assert words.out.splitlines()[0].startswith("FINE: Nothing was found")
    assert "loop join, worst of 14 views" in words.out
    assert "not installed" in words.out
    assert words.err == ""


def test_evaluate_prints_one_json_document_and_nothing_else(stills, capsys):
    assert main(["evaluate", str(stills), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == "panoloom.quality"
    assert document["video"]["fps"] == 24.0
    assert len(document["video"]["remarks"]) == 2


def test_evaluate_writes_the_report_where_it_is_told(stills, tmp_path, capsys):
    out = tmp_path / "new" / "report"
    assert main(["evaluate", str(stills), "--out", str(out), "--no-loop"]) == 0
    assert json.loads((out / "quality.json").read_text())["video"]["loop"] is False
    assert (out / "quality.html").read_bytes().startswith(b"<!doctype html>")
    assert str(out / "quality.json") in capsys.readouterr().out


def test_evaluate_refuses_what_it_cannot_measure(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "nothing.mp4")]) == 2
    assert "nothing.mp4 is no result" in capsys.readouterr().err


def test_a_results_own_report_is_never_overwritten(stills, capsys):
    (stills / "manifest.json").write_text("{}")
    (stills / "quality.json").write_text("its own")
    assert main(["evaluate", str(stills.parent), "--out", str(stills)]) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert (stills / "quality.json").read_text() == "its own"


@pytest.mark.parametrize("fps", ["0", "-8", "nan"])
def test_a_rate_that_is_none_is_refused_and_not_replaced_by_another(fps, stills, capsys):
    assert main(["evaluate", str(stills), f"--fps={fps}"]) == 2
    assert "above 0" in capsys.readouterr().err


def test_evaluate_says_where_a_report_cannot_be_written(stills, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main(["evaluate", str(stills), "--out", str(tmp_path / "taken")]) == 3
    assert "--out" in capsys.readouterr().err
