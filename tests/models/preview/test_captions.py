"""Captions and the words of prompts."""

from __future__ import annotations

from random import Random

import pytest

from panoloom.engine_server.models.preview import captions, families, text


def tokens(prompt: str) -> set[str]:
    return {text.TOKENS[i - 1] for i in text.tokenize(prompt)[0]}


def test_every_caption_is_made_of_known_words():
    rng = Random(1)
    for _ in range(300):
        world = families.draw(rng)
        prompt = captions.caption(world.words, world.kind == "open", rng.uniform(-90, 90), rng)
        ids, ignored = text.tokenize(prompt)
        assert ignored == (), prompt
        assert ids, prompt


def test_every_true_word_of_a_world_is_a_token():
    rng = Random(2)
    for _ in range(300):
        said = {word for words in families.draw(rng).words.values() for word in words}
        assert said <= set(text.TOKENS)


@pytest.mark.parametrize(
    ("prompt", "meaning"),
    [
        ("northern lights over a calm sea", {"aurora", "calm", "sea"}),
        ("Aurora Borealis above the OCEAN, calm!", {"aurora", "calm", "sea"}),
        ("the Milky Way", {"milkyway"}),
        ("snow-covered mountains", {"snow", "mountains"}),
        ("looking up", {"up"}),
        ("a cloudy sky", {"cloudy", "sky"}),
    ],
)
def test_synonyms_mean_the_same(prompt, meaning):
    assert tokens(prompt) == meaning


def test_unknown_words_are_reported_once_and_the_rest_is_used():
    ids, ignored = text.tokenize("a dragon in a dragon kitchen by the sea")
    assert ignored == ("dragon", "kitchen")
    assert [text.TOKENS[i - 1] for i in ids] == ["sea"]


@pytest.mark.parametrize("prompt", ["", "   ", "the of a", "!!! ???"])
def test_prompt_without_content_has_no_tokens_and_no_complaints(prompt):
    assert text.tokenize(prompt) == ([], ())


def test_order_of_words_does_not_matter():
    assert text.tokenize("sea stars night") == text.tokenize("night sea stars")


def test_direction_words_follow_the_pitch():
    assert captions.direction_word(80.0) == "up"
    assert captions.direction_word(0.0) == "horizon"
    assert captions.direction_word(-70.0) == "down"
