"""The classifier of families: the same lesson makes the same weights."""

from __future__ import annotations

import pytest
import torch

from panoloom.engine_server.models.preview import families
from panoloom.engine_server.models.preview.evaluate import classifier
from panoloom.engine_server.models.preview.evaluate.classifier import FamilyNet, Lesson

TINY = Lesson(level=1, free=3, epochs=1)


@pytest.fixture(scope="module")
def tiny() -> FamilyNet:
    return classifier.train(TINY)


def test_same_lesson_makes_the_same_weights(tiny):
    again = classifier.train(TINY)
    for name, value in tiny.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_training_leaves_the_common_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    classifier.train(Lesson(level=0, free=2, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_classifier_knows_every_family_by_name(tiny):
    assert tiny.names == tuple(families.FAMILIES)
    clip = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    assert tiny.family(clip) in families.FAMILIES


def test_key_changes_with_the_lesson_and_the_renderer(monkeypatch):
    key = classifier.key_of(TINY)
    assert classifier.key_of(TINY) == key
    assert classifier.key_of(Lesson(level=2, free=3, epochs=1)) != key
    monkeypatch.setattr(classifier, "renderer_hash", lambda: "another")
    assert classifier.key_of(TINY) != key


def test_classifier_is_made_once_and_read_from_then_on(tmp_path, tiny, monkeypatch):
    made = []
    monkeypatch.setattr(classifier, "train", lambda lesson, note: made.append(lesson) or tiny)
    first = classifier.trained(TINY, tmp_path / "cache")
    second = classifier.trained(TINY, tmp_path / "cache")
    assert made == [TINY]
    assert second.names == tiny.names
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
        torch.testing.assert_close(value, tiny.state_dict()[name], atol=1e-3, rtol=1e-2)


def test_pictures_are_a_frame_and_how_it_changes():
    clip = torch.full((8, 3, 128, 128), 0.5)
    clip[3] = 0.75
    pictures = classifier.pictures_of(clip)
    assert pictures.shape == (6, 64, 64)
    torch.testing.assert_close(pictures[:3], torch.zeros(3, 64, 64))
    torch.testing.assert_close(pictures[3:], torch.ones(3, 64, 64))
