"""How much the model's change over time is enlarged for the words of a prompt.

The denoiser is small: while the noise is high it averages the motions that are still possible and
starts most clips too still, some subjects more than others. Each known word may therefore carry the
logarithm of a gain; those of a prompt add up. `evaluate.fit_motion` finds them on worlds that no
evaluation looks at, and `guidance.moved` applies them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FILE = "motion.safetensors"
LEAST, MOST = 0.7, 1.6  # a gain beyond it flickers, or freezes


def gain_for(tokens: Iterable[str], log_gains: Mapping[str, float]) -> float:
    """Gain of a prompt with these tokens, `LEAST` to `MOST`; 1 where none carries one."""
    return math.exp(within(sum(log_gains.get(token, 0.0) for token in sorted(set(tokens)))))


def within(log_gain: float) -> float:
    """The nearest logarithm of a gain from `LEAST` to `MOST`."""
    return min(max(log_gain, math.log(LEAST)), math.log(MOST))


def load(folder: Path) -> dict[str, float]:
    """Logarithms of the gains by token; none where the weights come without."""
    path = folder / FILE
    return {k: float(v) for k, v in load_file(path).items()} if path.exists() else {}


def save(log_gains: Mapping[str, float], folder: Path) -> Path:
    """Write the gains beside the weights."""
    tensors = {token: torch.tensor(value) for token, value in sorted(log_gains.items())}
    save_file(tensors, folder / FILE, metadata={"format": "pt", "licence": "GPL-3.0-or-later"})
    (folder / FILE).chmod(0o644)
    return folder / FILE
