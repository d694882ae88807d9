"""Muon: momentum with orthogonalised steps, so that all directions of a layer learn equally fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""An odd polynomial that, applied repeatedly, brings singular values between 0 and 1 near to 1."""
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised layer by layer; `torch.optim.Muon` takes matrices only, this one filters too.

    Parameters
    ----------
    parameters : iterable of Tensor
        Parameters of two or more dimensions; a filter counts as a matrix of its first axis (the output channels, or the
        input channels where a convolution is transposed) and all the rest.
    learning_rate : float
        Length of a step: the root mean square of a change is about this over the root of the columns.
    momentum : float, default 0.95
        Nesterov's momentum.

    Notes
    -----
    The momentum's matrix U·S·Vᵀ is replaced by about U·Vᵀ, with five rounds of a polynomial: no decomposition is
    needed, and only two products are larger than the number of rows.

    References
    ----------
    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon; J. Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": learning_rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make a step."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                by_shape.setdefault(ahead.shape, []).append((parameter, ahead))
            for (rows, columns), pairs in by_shape.items():  # one product for all layers of one shape
                orthogonal = orthogonalised(torch.stack([ahead for _, ahead in pairs]))
                length = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (parameter, _), change in zip(pairs, orthogonal, strict=True):
                    parameter.add_(change.reshape(parameter.shape).to(parameter.dtype), alpha=-length)
        return loss


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices (N, rows, columns) with about the same singular vectors, and singular values near 1.

    The polynomial is odd, so that all rounds together are one small symmetric matrix, a polynomial of X·Xᵀ, times X.
    """
    a, b, c = QUINTIC
    x = matrices.float()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    square = x @ x.mT
    whole = identity = torch.eye(x.shape[1], device=x.device)
    for _ in range(ROUNDS):
        change = a * identity + b * square + c * square @ square
        whole, square = change @ whole, change @ square @ change
    x = whole @ x
    return x.mT if tall else x
