"""Variants beside one of them: pairs of the same prompt and seed, and equal looks."""

from __future__ import annotations

import math

import pytest

from panoloom.engine_server.bench import pairs
from panoloom.engine_server.bench.tables import Column

JOIN = Column("join", "quality", "join_worst_view", -1)


def result(variant, prompt, seed, **quality):
    return {
        "table": "methods",
        "variant": variant,
        "prompt": prompt,
        "seed": seed,
        "quality": quality,
    }


def test_a_constant_factor_is_found_whatever_the_prompts_spread():
    results = []
    for number, prompt in enumerate("abcd"):
        level = 10.0**number
        results += [result("fused", prompt, 0, join_worst_view=level)]
        results += [result("other", prompt, 0, join_worst_view=1.5 * level)]
    found = pairs.paired(results, "other", JOIN, reference="fused")
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert (found.wins, found.pairs) == (4, 4)


def test_only_what_both_have_is_compared():
    results = [
        result("fused", "a", 0, join_worst_view=1.0),
        result("other", "a", 0, join_worst_view=0.5),
        result("other", "b", 0, join_worst_view=9.0),
    ]
    found = pairs.paired(results, "other", JOIN, reference="fused")
    assert found is not None
    assert (found.mean, found.wins, found.pairs) == (pytest.approx(0.5), 0, 1)
    assert pairs.paired(results, "third", JOIN, reference="fused") is None


def looks(*, factor):
    """Roughness that goes with motion, with the inverse of sharpness, and with the variant."""
    results = []
    for number, prompt in enumerate("abcdef"):
        for variant, own, move, sharp in (
            ("fused", 1.0, 4.0 + number, 3.0 + 0.5 * number**2),
            ("other", factor, 16.0 - number, 5.0 + 0.9 * number),
        ):
            rough = 0.001 * (1 + number) * own * move**0.8 * sharp**-0.5
            results.append(
                result(variant, prompt, 0, smoothness=1 - rough, dynamic_top5=move, sharpness=sharp)
            )
    return results


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_roughness_at_equal_looks_is_the_variants_own(factor):
    found = pairs.roughness_at_equal_looks(looks(factor=factor), reference="fused")
    assert found["other"] == pytest.approx((factor, factor, factor), rel=1e-6)


def test_too_few_results_tell_nothing():
    assert pairs.roughness_at_equal_looks(looks(factor=2.0)[:4], reference="fused") == {}


def test_the_comparison_stands_below_its_table():
    text = pairs.with_pairs({"methods": "the table"}, looks(factor=2.0))["methods"]
    above, below = text.split("\n\n")
    assert above == "the table"
    assert "| other |" in below
    assert math.isclose(float(below.rsplit("| ", 1)[1].split(" (")[0]), 2.0)
