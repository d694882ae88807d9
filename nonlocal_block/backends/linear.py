"""Whole-domain averages that need no pairs, in memory linear in the pixels: dot product and concatenation.

They are exact. The dot product is a chain of matrices, so that key and value are multiplied first. In the
concatenation, max(a_i + b_j, 0) lets exactly those j take part whose b_j exceeds −a_i: with the keys in falling
order of b they are the first few, and their sums of g_j and of b_j·g_j are prefix sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..request import Request
from . import _patches

name = "linear"


def why_not(request: Request) -> str | None:
    """Return why there is no such form."""
    if request.spec.normalise != "count":
        requested = f"{request.spec.score}, {request.spec.weight}"
        return f"it computes the scores dot and sum, with the weights linear and relu; asked for {requested}"
    if not request.whole:
        return f"it searches the whole image; asked for a window of radius {request.spec.search_radius}"
    if request.spec.centre != "one":
        return "it cannot leave out the pixel itself"
    return None


def run(request: Request) -> Tensor:
    """Compute a whole-domain dot product or concatenation."""
    radius, value = request.spec.patch_radius, _patches.rows(request.value)
    if request.spec.score == "dot":
        query, key = _patches.rows(request.query, radius), _patches.rows(request.key, radius)
        average = query @ (key.transpose(1, 2) @ value * (request.scale / value.shape[1]))
    else:
        a, b = (_patches.box_sum(_patches.mirrored(x, radius), radius) for x in (request.query, request.key))
        average = _average_relu(a.flatten(1) * request.scale, b.flatten(1) * request.scale, value)
    return average.transpose(1, 2).reshape(*request.value.shape[:2], *request.query.shape[2:])


def _average_relu(a: Tensor, b: Tensor, value: Tensor) -> Tensor:
    """Return Σ_j max(a_i + b_j, 0) · value_j / M for a (B, N), b (B, M) and value (B, M, V)."""
    middle = b.detach().mean(1, keepdim=True)  # small numbers cancel less
    a, b = a + middle, b - middle
    b, order = b.sort(1, descending=True)
    value = value.gather(1, order[:, :, None].expand_as(value))
    none = torch.zeros_like(value[:, :1])
    mass = torch.cat([none, value.cumsum(1)], 1)
    moment = torch.cat([none, (b[:, :, None] * value).cumsum(1)], 1)
    first = _count_below(-b.detach(), a.detach())[:, :, None].expand(-1, -1, value.shape[2])
    return (a[:, :, None] * mass.gather(1, first) + moment.gather(1, first)) / value.shape[1]


def _count_below(numbers: Tensor, limits: Tensor) -> Tensor:
    """Count for each limit the smaller numbers of its row: `torch.searchsorted`, which ONNX does not have."""
    both = torch.cat([limits, numbers], 1)
    # A limit comes before the numbers equal to it, which is the gradient's concern alone; ONNX has the plain sort.
    order = (both.sort(dim=1) if torch.onnx.is_in_onnx_export() else both.sort(dim=1, stable=True))[1]
    passed = (order >= limits.shape[1]).cumsum(1)
    return torch.zeros_like(passed).scatter(1, order, passed)[:, : limits.shape[1]]
