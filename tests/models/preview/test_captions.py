"""Captions and the words of prompts."""

from __future__ import annotations

import re
from random import Random

import pytest

from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.preview import captions, families, text, vocabulary


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


def test_a_caption_says_nothing_untrue():
    rng = Random(3)
    for _ in range(500):
        world, pitch = families.draw(rng), rng.uniform(-90, 90)
        true = {word for words in world.words.values() for word in words}
        true |= {"sky", captions.direction_word(pitch)}
        said = tokens(captions.caption(world.words, True, pitch, rng))
        assert said <= true


def test_a_word_belongs_to_one_token_and_is_no_stop_word():
    words = [word for words in text.SYNONYMS.values() for word in set(words.split())]
    assert len(words) == len(set(words))
    assert not set(words) & vocabulary.STOP_WORDS
    assert set(text.SYNONYMS) >= vocabulary.SUBJECTS


def test_tokens_keep_the_rows_their_weights_were_trained_in():
    first = ("clouds", "sunset", "sunrise", "aurora", "stars", "milkyway", "sea", "snow")
    assert text.TOKENS[:8] == first
    assert text.TOKENS[64] == "down"
    assert text.TOKENS[65:72] == ("sun", "wisps", "fields", "flowers", "autumn", "dust", "pines")
    assert len(text.TOKENS) < text.ROWS


PROMPTS = """
a calm turquoise lagoon at noon
golden hour over rolling hills
thunderstorm over the prairie at night with forked lightning
deep space nebula, pink and blue, thousands of stars
coral reef with sun rays through the water
snowy pine forest, heavy snowfall
foggy mountain valley at dawn
sand dunes with blowing sand and hot wind
aurora borealis over a frozen lake
campfire flames and sparks rising in the dark
overcast sky, soft diffuse light, studio HDRI
clear blue sky HDRI with puffy clouds, 8k
wildflower meadow in a spring breeze
autumn forest clearing, golden leaves falling
stormy ocean with huge waves and white foam
flying above the clouds at sunrise
blizzard in the high mountains
molten lava field at night, glowing
purple and green aurora dancing over a snowy forest
god rays breaking through storm clouds
a lush green meadow under a bright blue sky with fluffy white clouds
cinematic stormy sky, epic, ominous
calm sea at night with stars reflected
cherry blossom petals in the wind
red martian dunes with dust storm
"""


@pytest.mark.parametrize("prompt", PROMPTS.strip().splitlines())
def test_plain_prompts_are_known_to_the_last_word(prompt):
    assert text.tokenize(prompt)[1] == ()
    assert text.needs_real_model(prompt) is None


@pytest.mark.parametrize("prompt", ["a dragon in a kitchen", "a red car", "cyberpunk city street"])
def test_prompts_outside_the_world_of_the_model_are_told_so(prompt):
    said = text.needs_real_model(prompt)
    assert said is not None
    assert "real video model" in said
    command, name = re.search(r"`(panoloom models install) (\S+)`", said).groups()
    assert command
    assert catalog.find(name).name == name
    assert f"'{prompt.split()[-1]}'" in said


@pytest.mark.parametrize("prompt", ["", "sea", "a dragon over the sea", "bright and calm"])
def test_prompts_that_can_be_painted_ask_for_no_other_model(prompt):
    assert text.needs_real_model(prompt) is None


@pytest.mark.parametrize(
    ("prompt", "meaning"),
    [
        ("northern lights over a calm sea", {"aurora", "calm", "sea"}),
        ("Aurora Borealis above the OCEAN, calm!", {"aurora", "calm", "sea"}),
        ("the Milky Way", {"milkyway"}),
        ("snow-covered mountains", {"snow", "mountains"}),
        ("looking up", {"up"}),
        ("a cloudy sky", {"cloudy", "sky"}),
        ("a sky without clouds", {"sky", "clear"}),
        ("sea, no birds, not stormy", {"sea"}),
        ("sky above, sea below", {"up", "sea", "down"}),
        ("a starry sky above the sea", {"stars", "sky", "sea"}),
        ("sea of clouds below snowy peaks", {"mist", "snow", "mountains"}),
    ],
)
def test_synonyms_mean_the_same(prompt, meaning):
    assert tokens(prompt) == meaning


@pytest.mark.parametrize(
    ("prompt", "has_meadow"),
    [
        ("fluffy white clouds in a blue sky over green hills", True),
        ("a forest at night", True),
        ("fir trees under the stars", True),
        ("snowy hills", False),
        ("forest by a lake", False),
        ("hills in the mist", False),
        ("hills without grass", False),
        ("a blue sky", False),
        ("snowy mountains", False),
    ],
)
def test_hills_and_trees_stand_on_a_meadow_where_a_prompt_names_no_ground(prompt, has_meadow):
    meadow = text.TOKENS.index("meadow") + 1
    ids, ignored = text.tokenize_prompt(prompt)
    assert ids == sorted({*text.tokenize(prompt)[0], *([meadow] if has_meadow else [])})
    assert ignored == ()
    assert (meadow in ids) == has_meadow


def test_unknown_words_are_reported_once_and_the_rest_is_used():
    ids, ignored = text.tokenize("a dragon in a dragon kitchen by the sea")
    assert ignored == ("dragon", "kitchen")
    assert [text.TOKENS[i - 1] for i in ids] == ["sea"]


@pytest.mark.parametrize("prompt", ["", "   ", "the of a", "!!! ???"])
def test_prompt_without_content_has_no_tokens_and_no_complaints(prompt):
    assert text.tokenize(prompt) == ([], ())


def test_order_of_words_does_not_matter():
    assert text.tokenize("sea stars night") == text.tokenize("night sea stars")


def test_every_wording_of_a_direction_means_it():
    for word, wordings in captions.DIRECTIONS.items():
        for wording in wordings:
            assert tokens(f"a meadow, {wording}") == {"meadow", word}


def test_direction_words_follow_the_pitch():
    assert captions.direction_word(80.0) == "up"
    assert captions.direction_word(0.0) == "horizon"
    assert captions.direction_word(-70.0) == "down"
