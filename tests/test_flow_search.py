"""The flow of two pictures is the same on any number of cores."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
import pytest

from panoloom.engine_server.flow_search import FlowSearch, one_thread


@pytest.fixture(autouse=True)
def _threads_are_put_back():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    rough = rng.integers(0, 256, (160, 320)).astype(np.float32)
    before = cv2.GaussianBlur(rough, (0, 0), 2.5) * 4 - 384
    before = np.clip(before, 0, 255).astype(np.uint8)
    return before, np.roll(before, (1, 3), axis=(0, 1))


def test_flow_of_a_shifted_picture_is_the_shift():
    flow = FlowSearch().between(*pictures())[40:-40, 40:-40]
    assert np.abs(np.median(flow, axis=(0, 1)) - (3, 1)).max() < 0.1


def test_flow_does_not_depend_on_the_number_of_threads():
    found = []
    for threads in (1, 2, 5):
        cv2.setNumThreads(threads)
        found.append(FlowSearch().between(*pictures()).tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("before", [1, 3])
def test_the_number_of_threads_is_one_inside_and_put_back_after_errors_too(before):
    cv2.setNumThreads(before)
    with one_thread():
        with one_thread():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
    with contextlib.suppress(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert cv2.getNumThreads() == before
