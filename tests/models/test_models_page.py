"""The figures of docs/models.md are those of the cards and of the planner."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.card import GIB
from panoloom.engine_server.models.memory import LEVELS
from panoloom.engine_server.models.planner import memory_at_each_level
from panoloom.engine_server.models.released import RTX_4090_TFLOPS
from panoloom.shared.jobs import JobSpec

PAGE = Path(__file__).parents[2].joinpath("docs", "models.md").read_text(encoding="utf-8")
LARGE = [card.name for card in catalog.MODELS.values() if card.build is not None]


def table(head: str) -> dict[str, list[str]]:
    """First cell, without its marks -> the others, of the table whose head begins so."""
    lines = PAGE.partition(head)[2].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_every_model_of_the_catalog_can_be_chosen_from_the_page():
    chosen = re.findall(r"`([\w.-]+)`", "".join(table("| model | licence ")))
    assert sorted(chosen) == sorted(catalog.MODELS)


@pytest.mark.parametrize("name", LARGE)
def test_memory_at_each_level_is_the_planners(name):
    told = table("| model | resident ")
    expected = memory_at_each_level(catalog.find(name))
    assert list(expected) == [level.name for level in LEVELS]
    found = [round(count / GIB, 1) for count in expected.values()]
    assert [float(cell) for cell in told[f"`{name}`"]] == found


@pytest.mark.parametrize("name", LARGE)
def test_what_a_window_takes_is_the_cards(name):
    card = catalog.find(name)
    build = card.build
    assert build is not None
    window, weights, evaluation, decode, tflop, seconds = table("| model | one window ")[
        f"`{name}`"
    ]
    side, frames = card.window * card.ratio_s, 1 + card.ratio_t * (card.window_frames - 1)
    assert window == f"{side}x{side}, {frames} frames"
    assert float(weights.partition(" x")[0]) == round(build.denoiser_params / 1e9, 2)
    assert ("x2" in weights) == (build.experts == 2)
    assert float(evaluation) == round(build.evaluation_bytes / GIB, 1)
    assert float(decode) == round(build.decode_bytes / GIB, 1)
    assert float(tflop) == round(build.evaluation_tflop)
    assert float(seconds) == pytest.approx(build.evaluation_tflop / RTX_4090_TFLOPS, abs=0.006)


def test_times_of_jobs_are_the_planners():
    jobs = table("| job, 5 s, 24 frames a second ")
    assert len(jobs) >= 7
    for job, (evaluations, minutes) in jobs.items():
        name, size, steps = re.fullmatch(r"`(.+)` (\w+), ([\d+]+) steps", job).groups()
        width, height = map(int, size.split("x"))
        guidance = catalog.find(name).guidance_scale
        spec = catalog.outline(
            JobSpec(
                prompt="sea",
                model=name,
                width=width,
                height=height,
                num_frames=120,
                fps=24.0,
                steps=int(steps.partition("+")[0]),
                guidance_scale=guidance,
            )
        )
        assert "+".join(str(stage.steps) for stage in spec.stages) == steps
        assert int(evaluations) == round(catalog.evaluations(spec)), job
        assert minutes == f"{catalog.estimate_s(spec) / 60:.0f} min", job
