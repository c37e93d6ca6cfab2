"""Words the model knows, and the small encoder that turns a prompt into one vector.

A prompt is a bag of known words: synonyms and simple endings are folded together, stop words are
dropped, and every other word is reported as ignored.
"""

from __future__ import annotations

import re
import unicodedata

import torch
from torch import Tensor, nn

SYNONYMS: dict[str, str] = {
    "clouds": "cloud clouds cumulus",
    "sunset": "sunset sundown afterglow",
    "sunrise": "sunrise dawn daybreak",
    "aurora": "aurora auroras borealis australis northern_lights southern_lights polar_lights",
    "stars": "star stars starry starlight starlit constellation constellations starfield",
    "milkyway": "milkyway milky_way galaxy galaxies galactic",
    "sea": "sea ocean water waters lake oceans seas lakes bay seascape lagoon",
    "snow": "snow snowy ice icy frozen arctic winter glacier tundra frost antarctic snowfield",
    "snowfall": "snowfall snowing snowflake snowflakes blizzard flurries falling_snow",
    "desert": "desert dune dunes sahara",
    "storm": "storm thunderstorm tempest stormy storms thunder",
    "lightning": "lightning bolt bolts",
    "rain": "rain rainy raining shower showers downpour drizzle raindrops",
    "overcast": "overcast gloomy dull",
    "nebula": "nebula nebulae nebulas gas",
    "space": "space cosmos cosmic universe outer_space interstellar deep_space",
    "fire": "fire flame flames burning blaze inferno bonfire fires fiery campfire wildfire",
    "embers": "ember embers sparks glowing_coals",
    "lava": "lava magma volcano volcanic molten volcanoes",
    "mist": "mist fog misty foggy haze hazy mists sea_of_clouds",
    "mountains": "mountain mountains peak peaks summit alps alpine mountainous",
    "hills": "hill hills hilly",
    "forest": "forest tree trees woods woodland forests",
    "meadow": "meadow meadows grass grassy grassland prairie lawn pasture steppe",
    "underwater": "underwater under_water undersea submerged reef below_the_sea caustics",
    "sand": "sand sandy seabed sandbank",
    "deep": "deep depth depths abyss",
    "moon": "moon moonlight moonlit",
    "sky": "sky skies heaven heavens",
    "day": "day daytime daylight noon midday afternoon",
    "night": "night nighttime nocturnal midnight",
    "evening": "evening dusk twilight",
    "morning": "morning",
    "clear": "clear cloudless",
    "fair": "fair scattered fluffy puffy",
    "cloudy": "cloudy heavy dense",
    "blue": "blue azure cobalt navy",
    "turquoise": "turquoise cyan teal aqua",
    "green": "green emerald",
    "purple": "purple violet lilac magenta lavender",
    "pink": "pink rose rosy",
    "red": "red crimson scarlet",
    "orange": "orange amber",
    "gold": "gold golden yellow",
    "white": "white",
    "grey": "grey gray silver",
    "pale": "pale pastel beige",
    "dark": "dark black darkness",
    "bright": "bright brilliant vivid luminous shining radiant glowing",
    "faint": "faint dim weak subtle soft",
    "strong": "strong intense powerful huge mighty blazing",
    "warm": "warm",
    "hot": "hot heat scorching",
    "cold": "cold freezing chilly cool",
    "calm": "calm gentle peaceful quiet still serene tranquil smooth placid mirror",
    "slow": "slow slowly lazy drifting",
    "fast": "fast quick rushing racing quickly rapid",
    "windy": "windy wind breeze breezy gusts",
    "waves": "wave waves swell wavy",
    "rough": "rough wild choppy raging stormtossed turbulent",
    "dramatic": "dramatic epic moody ominous threatening",
    "mysterious": "mysterious dreamy magical mystic ethereal surreal",
    "up": "up overhead zenith upward upwards looking_up sky_above up_above",
    "horizon": "horizon ahead straight_ahead distance",
    "down": "down below downward downwards underfoot ground looking_down nadir floor",
    "sun": "sun sunny sunshine sunlight sunlit sunbeam",
    "wisps": "wisps cirrus streaks wispy feathery",
    "fields": "fields farmland countryside plain plains valley patchwork",
    "flowers": "flower flowers blossoms wildflowers poppies blooming",
    "autumn": "autumn fall autumnal foliage",
    "dust": "dust dusty sandstorm windblown",
    "pines": "pine pines conifer fir firs spruce taiga evergreen",
}

_STOP = """
a an and the of over above in on at with by to from into under through across around behind before
after near is are it its this that there some very many all as onto between while where view scene
picture video image photo panorama world landscape look looking seen see like full big large small
long wide open beautiful nice lovely great time my our your his her be light lights 360 degree
degrees loop looping seamless cinematic realistic
"""
STOP_WORDS = frozenset(_STOP.split())

TOKENS: tuple[str, ...] = tuple(SYNONYMS)
ROWS = 160  # of the table of vectors: more than there are tokens, so that words may be added
_INDEX = {token: i + 1 for i, token in enumerate(TOKENS)}  # 0 pads
_LOOKUP = {word: token for token, words in SYNONYMS.items() for word in words.split()}
_PHRASES = sorted((w.split("_") for w in _LOOKUP if "_" in w), key=len, reverse=True)
_MAX_TOKENS = 24


def split(prompt: str) -> list[str]:
    """Lower-case words of a prompt, with known phrases joined by underscores."""
    plain = unicodedata.normalize("NFKC", prompt).lower().replace("'s", "")
    words = re.findall(r"[^\W_]+", plain)
    out: list[str] = []
    i = 0
    while i < len(words):
        phrase = next((p for p in _PHRASES if words[i : i + len(p)] == p), None)
        out.append("_".join(phrase) if phrase else words[i])
        i += len(phrase) if phrase else 1
    return out


def known(word: str) -> str | None:
    """The token a word stands for, trying simple endings; None when it is not known."""
    for ending, put in (
        ("", ""),
        ("s", ""),
        ("es", ""),
        ("y", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ly", ""),
    ):
        if word.endswith(ending):
            token = _LOOKUP.get(word[: len(word) - len(ending)] + put)
            if token is not None:
                return token
    return None


def tokenize(prompt: str) -> tuple[list[int], tuple[str, ...]]:
    """Token numbers of a prompt, each once and sorted, and the words that are not known."""
    ids: set[int] = set()
    ignored: dict[str, None] = {}
    for word in split(prompt):
        token = known(word)
        if token is not None:
            ids.add(_INDEX[token])
        elif word not in STOP_WORDS:
            ignored[word] = None
    return sorted(ids)[:_MAX_TOKENS], tuple(ignored)


def pad_tokens(batch: list[list[int]]) -> Tensor:
    """Token lists as one tensor [N, L], padded with 0."""
    length = max(1, *(len(ids) for ids in batch))
    out = torch.zeros(len(batch), length, dtype=torch.long)
    for row, ids in enumerate(batch):
        out[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    return out


class TextEncoder(nn.Module):
    """Bag of words to one vector: a table, attention pooling and two layers."""

    def __init__(self, width: int = 128, out: int = 256) -> None:
        super().__init__()
        self.table = nn.Embedding(ROWS, width)
        nn.init.normal_(self.table.weight, std=0.5)
        self.score = nn.Linear(width, 1)
        self.null = nn.Parameter(torch.zeros(2 * width))
        self.mlp = nn.Sequential(nn.Linear(2 * width, out), nn.SiLU(), nn.Linear(out, out))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: [N, L], 0 pads; a row of zeros is the empty prompt. Returns [N, out]."""
        emb = self.table(tokens)
        real = (tokens > 0).unsqueeze(-1).float()
        any_real = real.amax(dim=1)
        scores = self.score(emb).masked_fill(real == 0, -1e4)
        weight = torch.softmax(scores, dim=1) * real
        total = (emb * real).sum(1) / real.sum(1).clamp(min=1.0).sqrt()
        pooled = torch.cat(((emb * weight).sum(1), 0.5 * total), dim=-1)
        pooled = pooled * any_real + self.null * (1.0 - any_real)
        return self.mlp(pooled)
