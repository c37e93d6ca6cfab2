"""The gallery: a loop of every family, its table and its sheet."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from panoloom.engine_server.commands import gallery
from panoloom.engine_server.models.preview import families
from panoloom.engine_server.models.preview.text import tokenize

FIGURES = dict.fromkeys(gallery.COLUMNS, 0.5) | {"pole_crossing": None}
ROW = {"figures": FIGURES, "level": "fine", "headline": "All well."}


def test_every_family_has_a_prompt_that_the_model_understands():
    assert list(gallery.PROMPTS) == list(families.FAMILIES)
    assert [word for prompt in gallery.PROMPTS.values() for word in tokenize(prompt)[1]] == []


def test_table_has_a_cell_for_each_figure_and_none_for_what_could_not_be_told():
    lines = gallery.table({"sea": ROW}, "512x256").splitlines()
    assert lines[0] == "512x256"
    assert lines[-1].startswith("| sea | 0.5 |")
    assert "|  |" in lines[-1]
    assert {line.count("|") for line in lines[2:]} == {len(gallery.COLUMNS) + 3}


def test_figures_that_lie_in_the_folder_are_not_measured_again(tmp_path, monkeypatch):
    plain = {"verdict": {"level": "fine", "headline": "All well."}, "figures": FIGURES}
    (tmp_path / "quality.json").write_text(json.dumps(plain), encoding="utf-8")
    monkeypatch.setattr(gallery, "evaluate_video", lambda folder: pytest.fail("measured again"))
    row = gallery.measured("sea", tmp_path)
    assert (row["level"], row["figures"]) == ("fine", FIGURES)
    assert row["prompt"] == gallery.PROMPTS["sea"]


def test_contact_sheet_shows_every_poster_in_rows(tmp_path):
    posters = {}
    for number in range(4):
        posters[str(number)] = tmp_path / f"{number}.png"
        picture = np.full((64, 128, 3), 40 * (number + 1), np.uint8)
        cv2.imwrite(str(posters[str(number)]), picture)
    sheet = gallery.contact_sheet(posters, across=3)
    assert sheet.shape == (480, 3 * 480, 3)
    centres = [int(sheet[120 + 240 * (k // 3), 240 + 480 * (k % 3), 0]) for k in range(6)]
    assert centres == [40, 80, 120, 160, 0, 0]


def test_missing_poster_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        gallery.contact_sheet({"sea": tmp_path / "none.png"})


def test_docs_keep_what_stands_around_the_table(tmp_path):
    page = tmp_path / "preview.md"
    page.write_text(f"before\n{gallery.BEGIN}\nold\n{gallery.END}\nafter\n", encoding="utf-8")
    gallery.write_docs(page, "new")
    expected = f"before\n{gallery.BEGIN}\nnew\n{gallery.END}\nafter\n"
    assert page.read_text(encoding="utf-8") == expected
    page.write_text("no marks\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no"):
        gallery.write_docs(page, "new")


def test_unknown_family_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        gallery.arguments(["--out", str(tmp_path), "--families", "dragons"])
    assert "no family dragons" in capsys.readouterr().err
