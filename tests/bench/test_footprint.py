"""Counting a window of a denoiser without a card."""

from __future__ import annotations

import pytest

from panoloom.engine_server.bench.footprint import CONFIGS, footprint
from panoloom.engine_server.models import catalog


@pytest.mark.timeout(600)
def test_the_card_of_wan_1_3b_has_the_counted_figures():
    kind, config, window = CONFIGS["wan-1.3b"]
    found, build = footprint(kind, config, window), catalog.MODELS["wan-1.3b"].build
    assert build is not None
    assert found.params == build.denoiser_params
    assert build.evaluation_bytes == pytest.approx(found.peak_bytes, rel=0.1)
    assert build.evaluation_tflop == pytest.approx(found.tflop, rel=0.05)
    frames, height, width = window
    tokens, inner = frames * height * width // 4, 12 * 128
    assert found.peak_bytes > 2 * tokens * (inner + config["ffn_dim"])  # a block's state and middle
