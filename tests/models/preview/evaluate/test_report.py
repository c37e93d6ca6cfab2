"""Ratios, verdicts and the table they stand in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from panoloom.engine_server.models.preview.evaluate import measure, report, verdicts
from panoloom.engine_server.models.preview.evaluate.__main__ import arguments, overall
from panoloom.engine_server.models.preview.evaluate.measure import Clips

CPU, GPU = verdicts.LIMITS["cpu"], verdicts.LIMITS["gpu"]


def clip(seed: int, brightness: float = 1.0) -> torch.Tensor:
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return brightness * torch.nn.functional.avg_pool2d(noise, 5, 1, 2)


def row(**changes: Any) -> dict[str, Any]:
    plain = dict.fromkeys((*verdicts.GATED, "fine", "spread", "chroma"), 1.0)
    return {"ratios": plain | changes, "psnr_db": 35.0, "drift_rgb": [0.0, 0.0, 0.0]}


def whole(rows: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "command": "evaluate", "quick": False, "trained_on": "cpu", "clips": 6, "steps": 16,
        "guidance_scale": 4.0, "shift": 2.0,
    }  # fmt: skip
    top1 = {"generated": 0.9, "held_out": 0.95}
    confusion = {"generated": {"sea": {"sea": 5, "rain": 1}}, "held_out": {"sea": {"sea": 6}}}
    return {
        "settings": settings, "revision": "r", "renderer": "s", "families": rows, "top1": top1,
        "confusion": confusion, **overall(rows, []),
    }  # fmt: skip


def test_clips_are_all_alike_to_themselves():
    found = measure.facts([clip(1), clip(2)])
    assert set(measure.ratios(found, found).values()) == {1.0}


def test_clips_of_half_the_brightness_have_half_the_contrast():
    made, wanted = measure.facts([clip(1, 0.5)]), measure.facts([clip(1)])
    ratios = measure.ratios(made, wanted)
    assert ratios["contrast"] == pytest.approx(0.5, abs=0.1)
    assert ratios["colour"] == pytest.approx(0.26 / 0.51, rel=0.05)
    assert ratios["slope"] == pytest.approx(1.0, abs=1e-3)


def test_furthest_ratio_is_measured_as_a_factor():
    assert measure.furthest([1.5, 0.6]) == 0.6
    assert measure.furthest([1.8, 0.6]) == 1.8


def test_clip_made_twice_is_no_variety():
    worlds = [clip(k) for k in range(3)]
    clips = Clips(family="sea", passed=worlds, captioned=[clip(7), clip(7)], seeded=worlds[:2])
    found = measure.variety(clips)
    assert found["least"] == 0.0
    assert found["seeds"] > 0.5


def test_worlds_themselves_vary_as_much_as_worlds_do():
    worlds = [clip(k) for k in range(3)]
    clips = Clips(family="sea", passed=worlds, captioned=worlds)
    assert measure.variety(clips) == {"least": 1.0}


@pytest.mark.parametrize(("ratio", "cpu", "gpu"), [(1.3, [], []), (1.6, [], ["sea motion 1.60"])])
def test_what_a_gpu_trained_is_held_to_narrower_limits(ratio, cpu, gpu):
    rows = {"sea": row(motion=ratio)}
    assert verdicts.outside(rows, CPU) == cpu
    assert verdicts.outside(rows, GPU) == gpu


def test_one_statistic_outside_fails_the_part_and_is_named():
    judged = verdicts.verdicts(whole({"sea": row(), "rain": row(motion=2.5)}), CPU)
    part = next(v for v in judged if v.what.startswith("(b)"))
    assert not part.passed
    assert part.value == "7 of 8; rain motion 2.50"
    assert [v.passed for v in judged if v.what.startswith(("(a)", "(e)"))] == [True] * 3


def test_parts_that_were_not_measured_are_not_judged():
    rows = {"sea": {"psnr_db": 31.0, "drift_rgb": [0.0, 0.0, 0.0]}}
    judged = verdicts.verdicts({"families": rows, **overall(rows, [])}, CPU)
    assert [(v.what, v.passed) for v in judged] == [
        ("(e) autoencoder", False),
        ("(e) colour drift", True),
    ]


def test_table_has_a_row_for_each_family_and_says_what_was_mistaken():
    found = whole({"sea": row(), "rain": row()})
    text = report.markdown(found, verdicts.verdicts(found, CPU))
    assert "| sea |  |  | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |  | 35.0 |" in text
    assert "Taken for another, generated: sea for rain (1)." in text
    assert "Taken for another, rendered: none." in text


def test_card_keeps_everything_else_and_a_second_time_changes_nothing(tmp_path):
    card = tmp_path / "MODEL_CARD.md"
    card.write_text("# Card\n\n## Limits\nNone.\n", encoding="utf-8")
    report.write_card(card, "first")
    report.write_card(card, "table")
    once = card.read_text(encoding="utf-8")
    report.write_card(card, "table")
    assert card.read_text(encoding="utf-8") == once
    assert once.startswith("# Card\n\n## Limits\nNone.\n")
    assert once.count(report.BEGIN) == 1
    assert "first" not in once


def test_card_with_half_its_marks_is_refused(tmp_path):
    card = tmp_path / "MODEL_CARD.md"
    card.write_text(f"{report.BEGIN}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no <!-- evaluation -->"):
        report.write_card(card, "table")


def test_parts_and_families_are_read_from_the_words(capsys):
    args = arguments(["--only", "a,e", "--families", "sea,fire"])
    assert args.only == {"a", "e"}
    assert args.families == ["sea", "fire"]
    with pytest.raises(SystemExit):
        arguments(["--families", "dragons"])
    assert "no family dragons" in capsys.readouterr().err
