"""Encoded prompts on disk: a text encoder of several gigabytes runs once for each new text.

One safetensors file for each text, named by the SHA-256 of everything its numbers depend on. It is
written whole or not at all, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

Encode = Callable[[list[str]], Mapping[str, Tensor]]
"""Texts -> tensors whose leading dimension counts texts."""


class PromptCache:
    """Encoded prompts of one model.

    Args:
        folder: Where the files lie; None keeps them in memory alone.
        key: What the numbers depend on beside the text: the encoder's files, precision, length.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder = folder
        self._key = key
        self._memory: dict[str, dict[str, Tensor]] = {}

    def encode(self, texts: Sequence[str], encode: Encode) -> dict[str, Tensor]:
        """Tensors of `texts`, in their order; `encode` is asked once for those that are new."""
        new = [text for text in dict.fromkeys(texts) if self._find(text) is None]
        if new:
            fresh = encode(new)
            for index, text in enumerate(new):
                self._put(text, {name: rows[index].cpu() for name, rows in fresh.items()})
        found = [self._memory[text] for text in texts]
        return {name: torch.stack([one[name] for one in found]) for name in found[0]}

    def path(self, text: str) -> Path | None:
        """The file of a text."""
        if self._folder is None:
            return None
        name = hashlib.sha256(json.dumps([self._key, text]).encode()).hexdigest()
        return self._folder / f"{name}.safetensors"

    def _find(self, text: str) -> dict[str, Tensor] | None:
        path = self.path(text)
        if text not in self._memory and path is not None and path.is_file():
            self._memory[text] = safetensors.torch.load_file(path)
        return self._memory.get(text)

    def _put(self, text: str, tensors: dict[str, Tensor]) -> None:
        self._memory[text] = tensors
        path = self.path(text)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, partial)
        partial.replace(path)
