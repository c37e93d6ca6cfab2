"""The shipped weights make what they are asked for, and make it twice.

`families.safetensors` is a classifier trained on the renderer's clips alone; it is made anew by
`python -m panoloom.engine_server.models.preview.evaluate --classifier FILE`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from panoloom.engine_server.models.preview import families
from panoloom.engine_server.models.preview.adapter import PreviewAdapter
from panoloom.engine_server.models.preview.evaluate import classifier, examples, horizon
from panoloom.engine_server.models.preview.evaluate.classifier import SPAN, FamilyNet
from panoloom.engine_server.models.preview.evaluate.examples import Sampling, View
from panoloom.engine_server.models.preview.evaluate.measure import named_held_out

QUICK = Sampling(frames=SPAN + 1, steps=12)


@pytest.fixture(scope="module")
def judge() -> FamilyNet:
    return classifier.load(Path(__file__).parent / "families.safetensors")


@pytest.fixture(scope="module")
def adapter() -> PreviewAdapter:
    return PreviewAdapter()


def first_clip(adapter: PreviewAdapter, family: str) -> torch.Tensor:
    prompt = examples.plain_prompts(family)[0]
    return examples.generated(adapter, View(prompt=prompt, seed=11), QUICK)


def test_judge_knows_the_renderers_families(judge):
    assert judge.names == tuple(families.FAMILIES)
    counts = {family: named_held_out(judge, family, 4)[family] for family in families.FAMILIES}
    assert sum(counts.values()) >= 0.85 * 4 * len(counts), counts


def test_clips_of_plain_prompts_show_their_family(judge, adapter):
    seen = {family: judge.family(first_clip(adapter, family)) for family in families.FAMILIES}
    right = [family for family, named in seen.items() if named == family]
    assert len(right) >= 0.7 * len(seen), seen


@pytest.mark.parametrize("family", ["aurora", "sea"])
def test_same_prompt_and_seed_make_the_same_clip(adapter, family):
    assert torch.equal(first_clip(adapter, family), first_clip(adapter, family))


def test_another_seed_and_another_prompt_make_another_clip(adapter):
    sea = View(prompt="blue open sea by day", seed=1)
    views = (sea, View(prompt=sea.prompt, seed=2), View(prompt="fire and embers", seed=1))
    first, reseeded, other = (examples.generated_latents(adapter, view, QUICK) for view in views)
    assert (first - reseeded).abs().mean() > 0.1
    assert (first - other).abs().mean() > (first - reseeded).abs().mean()


def test_horizon_stands_where_the_model_is_told_to_look(adapter):
    still = Sampling(frames=1, steps=12)
    for pitch in (-20.0, 20.0):
        view = View(prompt="blue open sea under a clear sky", pitch_deg=pitch, seed=3)
        found = horizon.horizon_row(examples.generated(adapter, view, still))
        assert abs(found - horizon.true_row(pitch, 90.0, 128)) <= 10
