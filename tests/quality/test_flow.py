from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.quality.canvas import Canvas, grey_of
from panoloom.engine_server.quality.flow import FlowField

CANVAS = Canvas(128, 64)


def test_flow_of_a_turned_panorama_is_the_turn_everywhere_also_at_the_seam(turning):
    before, after = (grey_of(frame) for frame in turning(2, 360 / 128 * 3))
    flow = FlowField(CANVAS).between(before, after)
    assert np.median(flow[20:44, :, 0]) == pytest.approx(3.0, abs=0.1)
    assert np.median(flow[20:44, [0, 1, -2, -1], 0]) == pytest.approx(3.0, abs=0.2)
    assert np.abs(np.median(flow[20:44, :, 1])) < 0.05


def test_equal_frames_and_tiny_frames_have_no_flow():
    field = FlowField(CANVAS)
    noise = np.random.default_rng(0).integers(0, 255, (64, 128), np.uint8)
    assert not field.between(noise, noise.copy()).any()
    tiny = FlowField(Canvas(8, 4))
    assert not tiny.between(noise[:4, :8], noise[4:8, :8]).any()


def test_reading_along_a_flow_goes_around_the_ring():
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[32, 127] = 200
    flow = np.full((64, 128, 2), (-2.0, 0.0), np.float32)
    read = FlowField(CANVAS).sampled(frame, flow, 1.0)
    assert read[32, 1].tolist() == [200, 200, 200]
    assert read.sum() == 600


@pytest.mark.parametrize("share", [-0.5, 0.5])
def test_reading_between_pixels_is_bilinear(share):
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[10, 20] = 200
    flow = np.full((64, 128, 2), (1.0, 0.0), np.float32)
    read = FlowField(CANVAS).sampled(frame, flow, share)
    assert read[10, 20].tolist() == [100, 100, 100]
    assert read.sum() == 600


def test_pushing_along_a_flow_goes_around_the_ring_and_tells_what_stayed_empty():
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[5, 126] = 9
    flow = np.full((64, 128, 2), (3.0, 0.0), np.float32)
    pushed, arrived = FlowField(CANVAS).splatted(frame, flow)
    assert pushed[5, 1].tolist() == [9, 9, 9]
    assert arrived.all()
    flow[...] = (0.0, 2.0)
    pushed, arrived = FlowField(CANVAS).splatted(frame, flow)
    assert pushed[7, 126].tolist() == [9, 9, 9]
    assert not arrived[:2].any()
    assert arrived[2:].all()
