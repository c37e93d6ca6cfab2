"""Who evaluates the windows of a step: one after another, or several workers at once.

The windows of a step are cut into chunks, in order and of the job's fixed size, before anyone is
asked. A chunk is plain data, and its result depends on nothing else, so the bytes are the same
whoever takes which chunk, and when. An executor maps a function over chunks and gives the results
back in the order of the chunks; `in_order` is one, `Threads` another. One that sends chunks to
other processes has the same signature.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.adapter import ViewGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Windows that go through the model in one call.

    Attributes:
        x: Noisy windows, ``[N, C, f, h, w]``.
        sigma: Their noise level.
        geometry: Where they lie.
    """

    x: Tensor
    sigma: float
    geometry: ViewGeometry


Evaluate = Callable[[Chunk], Tensor]
"""A chunk's guided `denoised`, ``[N, C, f, h, w]``."""

Executor = Callable[[Evaluate, Iterable[Chunk]], Iterator[Tensor]]
"""Results of all chunks, in their order; chunks are asked for as they are needed."""


def in_order(evaluate: Evaluate, chunks: Iterable[Chunk]) -> Iterator[Tensor]:
    """One chunk after another, here: what one worker does."""
    return map(evaluate, chunks)


class Threads:
    """Several chunks at once, each in a thread of its own; the model must bear that.

    Args:
        count: Threads; at most twice as many chunks are held.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, evaluate: Evaluate, chunks: Iterable[Chunk]) -> Iterator[Tensor]:
        """See `Executor`. An error of a chunk is raised in its turn; later ones are dropped."""

        def work(chunk: Chunk) -> Tensor:
            with torch.no_grad():  # the mode belongs to a thread
                return evaluate(chunk)

        pool = ThreadPoolExecutor(self._count)
        open_: deque[Future[Tensor]] = deque()
        try:
            for chunk in chunks:
                open_.append(pool.submit(work, chunk))
                if len(open_) >= 2 * self._count:
                    yield open_.popleft().result()
            while open_:
                yield open_.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
