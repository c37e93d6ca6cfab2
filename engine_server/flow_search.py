"""OpenCV's dense inverse search: the same flow for the same pictures, on any number of cores.

Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np


class FlowSearch:
    """Finds flow between two greys, at OpenCV's preset "medium".

    Args:
        finest_scale: The last halving that is looked at; None: as the preset has it.
    """

    def __init__(self, *, finest_scale: int | None = None) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        if finest_scale is not None:
            self._search.setFinestScale(finest_scale)

    def between(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Flow [H, W, 2] float32 in pixels (right, down) between greys [H, W] uint8."""
        with one_thread():
            return self._search.calc(before, after, np.zeros((*before.shape, 2), np.float32))


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread: the last bits of its flow depend on their number, which is the
    machine's. May be nested; the number before is put back."""
    before = cv2.getNumThreads()
    if before == 1:  # setting it takes milliseconds
        yield
        return
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
