"""Counter-based noise: a pure function of (seed, stage, step, purpose, cell).

Neither the order of the work nor the size of the array matters: a cell has the same noise in a crop
as in the whole, in a resumed run as in an undisturbed one. Drawn on the CPU.

Source: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF
Words = NDArray[np.uint64]


class Purpose(IntEnum):
    """What noise is for; two purposes never share a number."""

    START = 0
    TIME_CUT = 1
    RENOISE = 2


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, ...]:
    """Four random 32-bit words for every counter (four broadcastable arrays of 32-bit words)."""
    mask = np.uint64(_LOW)
    shift = np.uint64(32)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = c0 * np.uint64(_MULTIPLY[0]), c2 * np.uint64(_MULTIPLY[1])
        c0, c1, c2, c3 = (
            (second >> shift) ^ c1 ^ np.uint64(k0),
            second & mask,
            (first >> shift) ^ c3 ^ np.uint64(k1),
            first & mask,
        )
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


def _stream(stage: int, step: int, purpose: Purpose) -> np.uint64:
    assert 0 <= stage < 256, stage
    assert 0 <= step < 65536, step
    return np.uint64((int(purpose) << 24) | (stage << 16) | step)


def normal_noise(
    shape: tuple[int, int, int, int],
    *,
    seed: int,
    stage: int = 0,
    step: int = 0,
    purpose: Purpose = Purpose.START,
    index: int = 0,
) -> Tensor:
    """Unit Gaussian noise ``[C, F, H, W]``, float32.

    Args:
        shape: Size of the array; a smaller one is a corner of a larger one.
        seed: 0 .. 2**64 - 1.
        stage: Rung of the ladder, below 256.
        step: Denoising step, below 65536.
        purpose: What it is for.
        index: Which of several fields of one step and purpose, below 2**24.
    """
    channels, frames, height, width = shape
    assert max(height, width) <= 65536, shape
    assert channels <= 1024, shape
    assert 0 <= index < 1 << 24, index
    cell = np.arange(height, dtype=np.uint64)[:, None] << np.uint64(16)
    cell = (cell | np.arange(width, dtype=np.uint64))[None, None]
    frame = np.arange(frames, dtype=np.uint64)[None, :, None, None]
    stream = _stream(stage, step, purpose)
    key = (seed & _LOW, (seed >> 32) & _LOW)
    out = np.empty((-(-channels // 4) * 4, frames, height, width), dtype=np.float32)
    for block in range(0, channels, 4):
        lane = np.uint64((index << 8) | block // 4)
        zero = np.zeros((1, frames, height, width), dtype=np.uint64)
        words = philox((cell + zero, frame + zero, zero + lane, zero + stream), key)
        for k in (0, 2):
            radius = np.sqrt(-2 * np.log((words[k][0] + 0.5) * 2.0**-32))
            angle = (words[k + 1][0] + 0.5) * (2 * np.pi * 2.0**-32)
            out[block + k] = radius * np.cos(angle)
            out[block + k + 1] = radius * np.sin(angle)
    return torch.from_numpy(out[:channels])


def random_int(
    low: int, high: int, *, seed: int, stage: int, step: int, purpose: Purpose, index: int
) -> int:
    """A whole number in low..high, both included."""
    stream = _stream(stage, step, purpose)
    zero = np.zeros(1, dtype=np.uint64)
    counter = (zero + np.uint64(index), zero, zero, zero + stream)
    word = philox(counter, (seed & _LOW, (seed >> 32) & _LOW))[0][0]
    return low + (int(word) * (high - low + 1) >> 32)


def time_cut(*, seed: int, stage: int, step: int) -> Callable[[int, int, int], int]:
    """Where the owner changes in each overlap of a step's windows in time: `time_ring.Cut`."""

    def cut(index: int, low: int, high: int) -> int:
        purpose = Purpose.TIME_CUT
        return random_int(
            low, high, seed=seed, stage=stage, step=step, purpose=purpose, index=index
        )

    return cut
