"""Whole-domain softmax averages by torch's own scaled-dot-product attention, which never holds the N×N matrix."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .. import _modes
from ..request import Request
from . import _patches

name = "sdpa"


def why_not(request: Request) -> str | None:
    """Return why attention cannot compute this."""
    if request.row != ("dot", "exp", "sum"):
        return f"it computes the score dot with the weight exp; asked for {request.spec.score}, {request.spec.weight}"
    if not request.whole:
        return f"it searches the whole image; asked for a window of radius {request.spec.search_radius}"
    if request.spec.centre != "one":
        return "it cannot leave out the pixel itself"
    if _modes.forward_mode():
        return "torch has no derivative of it in forward mode"
    return None


def run(request: Request) -> Tensor:
    """Compute attention with one head, in the caller's type: the fused kernels keep the weights in float32."""
    query, key = (_patches.rows(x, request.spec.patch_radius) for x in (request.query, request.key))
    value = _patches.rows(request.value)
    # The fused kernels want contiguous rows, all three equally wide, on CUDA by a multiple of 8. Without them, torch
    # would make the N×N matrix.
    width = -(-max(query.shape[2], value.shape[2]) // 8) * 8
    rows = (F.pad(x, (0, width - x.shape[2])) for x in (query, key, value))
    q, k, v = (x.to(request.dtype).contiguous()[:, None] for x in rows)
    average = F.scaled_dot_product_attention(q, k, v, scale=request.spec.scale)[:, 0, :, : value.shape[2]]
    return average.transpose(1, 2).reshape(*request.value.shape[:2], *request.query.shape[2:])
