"""Levels of the memory ladder move weights and leave the numbers, but for those of 8 bits."""

from __future__ import annotations

import pytest
import torch
from tiny import wan_parts, wan_transformer

from panoloom.engine_server.config import compiles_models
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


class Placed(WanAdapter):
    """Counts, at every evaluation, the experts that lie on the card."""

    on_card: list[int]
    working: list[int]

    def _flow(self, noisy, sigma, cond, views):
        self.on_card.append(sum(model.device == CARD for model in self.transformers))
        at_work = self.transformers.index(self._chosen(sigma))
        assert self.transformers[at_work].device == CARD
        self.working.append(at_work)
        return super()._flow(noisy, sigma, cond, views)


CARD = torch.device("cpu:1")
"""Stands for a card: to tensors it is the CPU, and its name is another."""


@pytest.fixture
def expert(monkeypatch: pytest.MonkeyPatch):
    """Makes a transformer that tells where it was moved to; the moves are counted."""

    def make(seed: int):
        made = wan_transformer(seed)
        monkeypatch.setattr(type(made), "device", property(lambda self: self.place), raising=False)
        made.place, made.moves = torch.device("cpu"), 0

        def to(device: torch.device):
            made.moves += torch.device(device) != made.place
            made.place = torch.device(device)
            return made

        monkeypatch.setattr(made, "to", to)
        return made

    return make


@pytest.mark.parametrize("name", ["resident", "encoder-first", "encoder-on-cpu", "float8"])
def test_two_experts_never_lie_on_a_card_together_and_change_places_once_a_job(name, expert):
    parts = wan_parts(transformer=expert(0), transformer_2=expert(9), boundary=0.6)
    adapter = Placed(parts, window_hw=(8, 8), window_frames=3, ghosts=1)
    adapter.on_card, adapter.working = [], []
    x = torch.randn(2, 16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(2):  # the next job begins with high noise again
        placement.park(adapter, BY_NAME[name], str(CARD))
        placement.settle(adapter, BY_NAME[name], str(CARD))
        for sigma in (1.0, 0.9, 0.7, 0.5, 0.3):
            adapter.denoised(x, sigma, COND, VIEWS)
    assert adapter.on_card == [1] * 10
    assert adapter.working == [0, 0, 0, 1, 1] * 2
    assert parts.transformer_2.moves == 3  # to the card, away from it, and to it again


def test_a_pair_of_experts_block_by_block_is_the_pair_that_stays():
    def pair(name: str) -> torch.Tensor:
        parts = wan_parts(transformer_2=wan_transformer(9), boundary=0.6)
        adapter = WanAdapter(parts, window_hw=(8, 8), window_frames=3, ghosts=1)
        placement.park(adapter, BY_NAME[name], "cpu")
        placement.settle(adapter, BY_NAME[name], "cpu")
        x = torch.randn(2, 16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        return torch.stack([adapter.denoised(x, sigma, COND, VIEWS) for sigma in (0.7, 0.5)])

    assert torch.equal(pair("offloaded"), pair("resident"))


def test_blocks_are_compiled_once_at_levels_without_hooks(resident):
    adapter = WanAdapter(wan_parts(), window_hw=(8, 8), window_frames=3, ghosts=1)
    (model,) = adapter.transformers
    with torch.compiler.set_stance("force_eager"):  # what the compiler makes of them is its own
        for _ in range(2):
            placement.settle(adapter, BY_NAME["resident"], "cpu", compiles=True)
        assert model.panoloom_compiled
        assert all(block._compiled_call_impl is not None for block in model.blocks)
        assert torch.equal(denoised(adapter), resident)
    hooked = placed(BY_NAME["offloaded"])
    placement.settle(hooked, BY_NAME["offloaded"], "cpu", compiles=True)
    assert not hasattr(hooked.transformers[0], "panoloom_compiled")


def test_compiling_is_asked_for_by_the_environment():
    assert compiles_models({"PANOLOOM_COMPILE": "1"})
    assert not compiles_models({"PANOLOOM_COMPILE": "0"})
    assert not compiles_models({})
