"""Levels of the memory ladder move weights and leave the numbers, but for those of 8 bits."""

from __future__ import annotations

import pytest
import torch
from tiny import wan_parts

from panoloom.engine_server.models import placement
from panoloom.engine_server.models.adapter import Cond, ViewGeometry
from panoloom.engine_server.models.memory import LEVELS, Level
from panoloom.engine_server.models.video.wan import WanAdapter

BY_NAME = {level.name: level for level in LEVELS}
COND = Cond(tensors={"text": torch.ones(1, 512, 32)})
VIEWS = ViewGeometry(elevation_rad=torch.zeros(2, 8, 8), fov_deg=90.0)


def placed(level: Level) -> WanAdapter:
    adapter = WanAdapter(wan_parts(), window_hw=(8, 8), window_frames=3, ghosts=1)
    placement.park(adapter, level, "cpu")
    placement.settle(adapter, level, "cpu")
    placement.settle(adapter, level, "cpu")  # the next job does it again
    return adapter


def denoised(adapter: WanAdapter) -> torch.Tensor:
    x = torch.randn(2, 16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return adapter.denoised(x, 0.7, COND, VIEWS)


@pytest.fixture(scope="module")
def resident() -> torch.Tensor:
    return denoised(placed(BY_NAME["resident"]))


@pytest.mark.parametrize("name", [level.name for level in LEVELS if level.same_pictures])
def test_a_level_that_keeps_the_pictures_keeps_every_bit(name: str, resident: torch.Tensor) -> None:
    assert torch.equal(denoised(placed(BY_NAME[name])), resident)


@pytest.mark.parametrize("name", ["float8", "float8-offloaded"])
def test_weights_of_8_bits_change_the_numbers_a_little(name: str, resident: torch.Tensor) -> None:
    adapter = placed(BY_NAME[name])
    kinds = {parameter.dtype for parameter in adapter.transformers[0].parameters()}
    assert torch.float8_e4m3fn in kinds
    change = (denoised(adapter) - resident).std() / resident.std()
    assert 0 < change < 0.1


def test_the_text_encoder_runs_where_its_level_says() -> None:
    where = {level.name: placement.build_device(level, "cuda") for level in LEVELS}
    assert where["resident"] == where["encoder-first"] == "cuda"
    assert {where[level.name] for level in LEVELS[2:]} == {"cpu"}
