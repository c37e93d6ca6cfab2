"""Muon: momentum whose steps are made orthogonal (Jordan et al. 2024), for the inner weights.

Convolution weights are read as matrices [outputs, inputs * size]. What is not a matrix, and the
first and last layers, belong to AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Near the closest matrix with all singular values one, [m, n], by Newton-Schulz rounds."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, with decoupled weight decay."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        bf16: bool = False,
    ) -> None:
        self.bf16 = bf16
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1.0 - group["momentum"])
                update = weight.grad.lerp(state["momentum"], group["momentum"])
                flat = update.reshape(len(update), -1)
                scale = max(1.0, flat.shape[0] / flat.shape[1]) ** 0.5
                if self.bf16:
                    flat = flat.bfloat16()
                step = orthogonal(flat).to(weight.dtype).reshape(weight.shape)
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(step, alpha=-group["lr"] * scale)


def split_parameters(
    model: torch.nn.Module, outer: tuple[str, ...]
) -> tuple[list[Tensor], list[Tensor]]:
    """(weights for Muon, the rest for AdamW); names that start with one of `outer` go to AdamW."""
    inner, rest = [], []
    for name, weight in model.named_parameters():
        is_matrix = weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= 16
        (inner if is_matrix and not name.startswith(outer) else rest).append(weight)
    return inner, rest
