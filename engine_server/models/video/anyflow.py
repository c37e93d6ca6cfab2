"""AnyFlow 1.3B: Wan distilled into a flow map, for any number of steps, without guidance.

The network predicts the mean velocity u from a noise level to the next one. The contract's
`denoised` is ``x - sigma u``: a straight step to it from sigma to the next level is then exactly
``x - (sigma - sigma_next) u``. More steps buy more moves of the views, not a better integral.

Source: AnyFlow (Gu, Fang et al. 2026, https://arxiv.org/abs/2605.13724).
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ..adapter import Cond, ViewGeometry
from .ring_rope import rings_of
from .wan import WanAdapter, build_from


class AnyFlowAdapter(WanAdapter):
    """As `WanAdapter`; it has to be told the level a step goes to."""

    prediction = "flow-map"

    def _flow(self, noisy: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        (model,) = self.transformers
        frames = noisy.movedim(1, 2)  # this network takes frames before channels
        here = self._times(noisy, sigma, views)
        there = self._times(noisy, views.sigma_next, views)
        text = cond.tensors["text"][:1].to(noisy.device, model.dtype)
        with rings_of(model, views.rings):
            velocity = model(
                hidden_states=frames.to(model.dtype),
                timestep=here[:, None].expand(frames.shape[:2]),
                r_timestep=there[:, None].expand(frames.shape[:2]),
                encoder_hidden_states=text.expand(len(noisy), -1, -1),
                return_dict=False,
            )[0]
        return velocity.movedim(2, 1)


build = partial(build_from, AnyFlowAdapter, "AnyFlowPipeline")
