"""How torch runs the code: for its numbers, to record it, or to transform it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def recorded() -> bool:
    """Whether a program is made of the operations, by a trace or an export, that other inputs will run through."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def forward_mode() -> bool:
    """Whether derivatives may go along with the numbers (`torch.func.jvp`, `torch.autograd.forward_ad`)."""
    return forward_ad._current_level >= 0  # torch says it of a tensor alone, and not under vmap


def transformed() -> bool:
    """Whether `torch.func` is at work, or derivatives in forward mode: only torch's own operations know of them."""
    if torch.compiler.is_compiling():
        return False
    return forward_mode() or bool(torch._C._are_functorch_transforms_active())


def hidden(tensor: Tensor) -> bool:
    """Whether a tensor's numbers cannot be read: there are none yet, or they stand for many."""
    return tensor.device.type == "meta" or recorded() or transformed()


def gradients(function: Callable[..., Tensor], inputs: Sequence[Any], gradient: Tensor) -> list[Tensor | None]:
    """Carry a gradient back from a function's result to its inputs so that it can be differentiated again.

    Inputs that are no tensors get None. Where torch's own ``once_differentiable`` stands in the way of a second
    derivative, ``torch.autograd.grad`` leaves that part of it out and does not say so.
    """
    tensors = [k for k, x in enumerate(inputs) if isinstance(x, Tensor)]

    def of_tensors(*some: Tensor) -> Tensor:
        every = list(inputs)
        for k, x in zip(tensors, some, strict=True):
            every[k] = x
        return function(*every)

    results: list[Tensor | None] = [None] * len(inputs)
    pull = torch.func.vjp(of_tensors, *(inputs[k] for k in tensors))[1]
    for k, x in zip(tensors, pull(gradient), strict=True):
        results[k] = x
    return results
