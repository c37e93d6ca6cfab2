"""Which cells a reference holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracles

from panoloom.engine_server.models.adapter import Cond
from panoloom.engine_server.worker.condition import condition, kept_cells
from panoloom.shared.jobs import JobSpec


class Bewildered(oracles.OracleAdapter):
    """Knows no word, and says what the prompt would need."""

    def encode_prompt(self, texts: list[str]) -> Cond:
        words = tuple(" ".join(texts).split())
        return Cond(ignored_words=words, notes=("Another model is needed.",) if words else ())


def test_only_cells_with_nothing_open_around_them_are_held() -> None:
    mask = np.zeros((64, 128), np.float32)
    mask[32:, :] = 1
    cells = kept_cells(mask, 8).numpy()
    assert (cells[5:] == 1).all()
    assert (cells[:5] == 0).all()


def test_an_opening_at_the_seam_frees_cells_on_both_sides_of_it() -> None:
    mask = np.ones((64, 128), np.float32)
    mask[24:32, 127] = 0
    freed = np.argwhere(kept_cells(mask, 8).numpy() < 1)
    assert {int(column) for _, column in freed} == {14, 15, 0}
    assert {int(row) for row, _ in freed} == {2, 3, 4}


def test_a_reference_kept_everywhere_holds_every_cell() -> None:
    assert (kept_cells(np.ones((64, 128), np.float32), 8).numpy() == 1).all()


def test_what_a_model_says_of_a_prompt_follows_its_ignored_words_in_the_notes(
    tmp_path: Path,
) -> None:
    told = condition(JobSpec(prompt="dragon"), Bewildered(num_frames=8), tmp_path).notes
    assert "dragon" in told[0]
    assert told[1:] == ("Another model is needed.",)
    assert condition(JobSpec(prompt=""), Bewildered(num_frames=8), tmp_path).notes == ()
