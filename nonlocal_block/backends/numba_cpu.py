"""The core of `nlmeans` as a torch function: every row of the table on the CPU, windowed or not, forward and backward.

Tensors and arrays share their memory; the core's threads are as many as torch's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlmeans.pairwise import Averages, attend, attend_adjoint, pairwise_average

from .. import _modes
from ..request import Request
from . import reference

name = "numba"


def why_not(request: Request) -> str | None:
    """Return why the core cannot compute this."""
    if request.query.device.type != "cpu":
        return f"it computes on the CPU; got tensors on {request.query.device}"
    if _modes.recorded():
        return "its code cannot be exported, and a trace would take its answer for a constant"
    if _modes.transformed():
        return "torch.func and derivatives in forward mode do not reach into its code"
    plain = Tensor.__torch_dispatch__  # tensors without numbers, or with theirs elsewhere, have one of their own
    if any(type(x).__torch_dispatch__ is not plain for x in (request.query, request.key, request.value)):
        return f"it takes tensors with memory of their own; got {type(request.query).__name__}"
    scale = request.scale.detach().item() if isinstance(request.scale, Tensor) else request.scale
    if scale == 0 or not math.isfinite(scale):
        return f"it takes a finite scale that is not 0; got {scale}"
    return None


@torch.compiler.disable  # the core is compiled already: torch.compile steps around it
def run(request: Request) -> Tensor:
    """Compute a request on the core."""
    inputs = (request.query, request.key, request.value, request.scale, request.bias)
    if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        result: Tensor = _Average.apply(request, *inputs)
        return result
    return _stack(_forward(request, keep=False)[0])


def _forward(request: Request, keep: bool) -> tuple[list[np.ndarray], list[Averages]]:
    """Return the output of every item of the batch, and what the adjoint needs if that is to be kept."""
    spec = request.numeric()
    outputs: list[np.ndarray] = []
    kept: list[Averages] = []
    for query, key, value in zip(*(_arrays(x) for x in (request.query, request.key, request.value)), strict=True):
        if not keep and _is_symmetric(request):  # non-local means: half the pairs, and sums that slide over the patch
            query, value = np.ascontiguousarray(query), np.ascontiguousarray(value)
            outputs.append(pairwise_average(query, value, spec, threads=torch.get_num_threads()))
            continue
        averages = attend(query, key, value, spec, threads=torch.get_num_threads())
        outputs.append(averages.output)
        if keep:
            kept.append(averages)
    return outputs, kept


def _is_symmetric(request: Request) -> bool:
    query, key = request.query, request.key
    same = query.data_ptr() == key.data_ptr() and query.shape == key.shape and query.stride() == key.stride()
    if not same or request.spec.weight != "gaussian" or request.whole:
        return False
    return bool(torch.isfinite(query).all() and torch.isfinite(request.value).all())


class _Average(torch.autograd.Function):
    """Forward and adjoint of the core."""

    @staticmethod
    def forward(ctx: Any, request: Request, query: Tensor, key: Tensor, value: Tensor, scale: Any, bias: Any) -> Tensor:
        outputs, ctx.averages = _forward(request, keep=True)
        ctx.request, ctx.spec = request, request.numeric()
        ctx.save_for_backward(query, key, value)
        return _stack(outputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        request = ctx.request
        if torch.is_grad_enabled():  # to be differentiated again, which the definition can be and the core cannot
            inputs = (*ctx.saved_tensors, request.scale, request.bias)

            def average(*inputs: Any) -> Tensor:
                names = ("query", "key", "value", "scale", "bias")
                return reference.run(dataclasses.replace(request, **dict(zip(names, inputs, strict=True))))

            return None, *_modes.gradients(average, inputs, gradient)
        items = zip(*(_arrays(x) for x in (*ctx.saved_tensors, gradient)), ctx.averages, strict=True)
        threads = torch.get_num_threads()
        adjoints = [attend_adjoint(q, k, v, ctx.spec, a, g, threads=threads) for q, k, v, g, a in items]
        queries, keys, values, scales, biases = zip(*adjoints, strict=True)
        numbers = (
            torch.as_tensor(sum(numbers), dtype=x.dtype) if isinstance(x, Tensor) else None
            for numbers, x in ((scales, request.scale), (biases, request.bias))
        )
        return None, _stack(queries), _stack(keys), _stack(values), *numbers


def _arrays(tensor: Tensor) -> np.ndarray:
    """Return the tensor's memory as an array."""
    array: np.ndarray = tensor.detach().numpy()
    return array


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    """Return the items of a batch as one tensor."""
    return torch.from_numpy(arrays[0][None] if len(arrays) == 1 else np.stack(arrays))
