"""What a prompt says to the model: its known words, and the small encoder that makes one vector.

A prompt is a bag of known words: synonyms and simple endings are folded together, stop words are
dropped, a word after "no" or "without" is left out, and every other word is reported as ignored.
"""

from __future__ import annotations

import re
import unicodedata

import torch
from torch import Tensor, nn

from .vocabulary import GROUNDS, NEGATIONS, ON_LAND, STOP_WORDS, SUBJECTS, SYNONYMS

TOKENS: tuple[str, ...] = tuple(SYNONYMS)
ROWS = 160  # of the table of vectors: more than there are tokens, so that words may be added
_INDEX = {token: i + 1 for i, token in enumerate(TOKENS)}  # 0 pads
_LOOKUP = {word: token for token, words in SYNONYMS.items() for word in words.split()}
_PHRASES = sorted((w.split("_") for w in _LOOKUP if "_" in w), key=len, reverse=True)
_CLOSING = frozenset(("above", "below"))  # "sky above" is a direction, "sky above a lake" none
_ENDINGS = (
    ("", ""),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("y", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ed", ""),
    ("ed", "e"),
    ("ly", ""),
    ("er", ""),
    ("est", ""),
)
_MAX_TOKENS = 24
REAL_MODEL = (
    "The preview model paints skies, seas, land and weather only: it makes something calm in "
    "place of {words}. A prompt like this needs a real video model and a GPU: `panoloom models "
    "list` shows them, `panoloom models install wan-1.3b` installs the first choice."
)


def split(prompt: str) -> list[str]:
    """Lower-case words of a prompt, with known phrases joined by underscores."""
    plain = unicodedata.normalize("NFKC", prompt).lower().replace("\u2019", "'").replace("'s", "")
    out: list[str] = []
    for clause in re.split(r"[,.;:!?()\n]", plain):
        words = re.findall(r"[^\W_]+", clause)
        i = 0
        while i < len(words):
            phrase = next((p for p in _PHRASES if _stands(p, words, i)), None)
            if phrase or words[i] not in _CLOSING or i + 1 == len(words):
                out.append("_".join(phrase) if phrase else words[i])
            i += len(phrase) if phrase else 1
    return out


def _stands(phrase: list[str], words: list[str], at: int) -> bool:
    """Whether the phrase stands at this place among the words of a clause."""
    end = at + len(phrase)
    return words[at:end] == phrase and (phrase[-1] not in _CLOSING or end == len(words))


def known(word: str) -> str | None:
    """The token a word stands for, trying simple endings; None when it is not known."""
    for ending, put in _ENDINGS:
        if word.endswith(ending):
            token = _LOOKUP.get(word[: len(word) - len(ending)] + put)
            if token is not None:
                return token
    return None


def read(prompt: str) -> tuple[list[str], tuple[str, ...]]:
    """The tokens of a prompt, one for every known word in order, and the words not known."""
    tokens, ignored, _ = _sort(prompt)
    return tokens, ignored


def _sort(prompt: str) -> tuple[list[str], tuple[str, ...], frozenset[str]]:
    """Tokens of a prompt, its unknown words, and the tokens that a "no" stands before."""
    tokens: list[str] = []
    ignored: dict[str, None] = {}
    left_out: set[str] = set()
    is_negated = False
    for word in split(prompt):
        token = known(word)
        if token is None and word in NEGATIONS:
            is_negated = True
        elif token is None and word in STOP_WORDS:
            continue
        elif is_negated:
            is_negated = False
            if token is not None:
                left_out.add(token)
        elif token is not None:
            tokens.append(token)
        else:
            ignored[word] = None
    return tokens, tuple(ignored), frozenset(left_out)


def tokenize(caption: str) -> tuple[list[int], tuple[str, ...]]:
    """Token numbers of a caption, each once and sorted, and the words that are not known."""
    tokens, ignored = read(caption)
    return _numbers(tokens), ignored


def tokenize_prompt(prompt: str) -> tuple[list[int], tuple[str, ...]]:
    """As `tokenize`, for what a person wrote: land without a ground stands on a meadow.

    Captions of the renderer name hills or trees also where they leave out the sea, snow or grass
    below; told of hills alone, the model goes on with clouds below the horizon.
    """
    tokens, ignored, left_out = _sort(prompt)
    if ON_LAND.intersection(tokens) and not GROUNDS.intersection(tokens):
        tokens += {"meadow"} - left_out
    return _numbers(tokens), ignored


def _numbers(tokens: list[str]) -> list[int]:
    return sorted({_INDEX[token] for token in tokens})[:_MAX_TOKENS]


def needs_real_model(prompt: str) -> str | None:
    """A sentence for the user when the prompt is outside the world of the preview model.

    That is when most of its content words are not known, or when none of the known ones names a
    thing that can be painted.
    """
    tokens, ignored = read(prompt)
    if not ignored or (len(ignored) <= len(tokens) and SUBJECTS.intersection(tokens)):
        return None
    return REAL_MODEL.format(words=", ".join(f"'{word}'" for word in ignored))


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
