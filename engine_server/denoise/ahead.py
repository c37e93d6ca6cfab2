"""A model that is told where a step goes: flow maps predict the way from one level to another.

The methods ask for `denoised` at one noise level. For a stage its levels are known beforehand, so
the next one is put into what the model is told of the windows, in one place for all methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor

from ..models.adapter import Adapter, Cond, ViewGeometry
from ..models.passing_on import PassesOn


def told_ahead(adapter: Adapter, sigmas: Sequence[float]) -> Adapter:
    """The adapter for a stage with these levels: itself, unless it predicts a flow map."""
    if adapter.spec.prediction != "flow-map":
        return adapter
    return Ahead(adapter=adapter, after=dict(pairwise(sigmas)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead(PassesOn):
    """An adapter for one stage.

    Attributes:
        adapter: The model.
        after: Noise level -> the next one.
    """

    adapter: Adapter
    after: Mapping[float, float]

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate of x0, with the level after `sigma` told; 0 where none is known."""
        told = replace(views, sigma_next=self.after.get(sigma, 0.0))
        return self.adapter.denoised(x, sigma, cond, told)
