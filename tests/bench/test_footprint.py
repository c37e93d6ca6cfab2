"""Counting a window of a denoiser without a card."""

from __future__ import annotations

import pytest

from panoloom.engine_server.bench.coding_footprint import KINDS, coding_footprint
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


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "card"), [("wan", "wan-1.3b"), ("ltx", "ltx")])
def test_the_cards_have_the_counted_figures_of_their_autoencoders(name, card):
    found, build = coding_footprint(KINDS[name]), catalog.MODELS[card].build
    assert build is not None
    assert found.params == build.decoder_params
    assert build.decode_bytes == pytest.approx(found.window_bytes, rel=0.05)
    tile = max(build.tile_bytes, build.decode_bytes)
    assert tile == pytest.approx(found.tile_bytes, rel=0.05)


def test_a_tile_of_a_panorama_is_no_larger_than_a_window_where_its_margin_leaves_room():
    assert [KINDS[name].tile for name in ("wan", "wan2.2-5b", "animatediff")] == [64, 44, 64]
    assert KINDS["ltx"].tile == 24
