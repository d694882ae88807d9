"""The definition in plain torch, differentiable on any device: the oracle of the other backends.

Memory is bounded: pairs are made a part at a time (a displacement of a window, some rows of the whole matrix), and
again for the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nlmeans.pairwise import PairwiseSpec, Radii

from .. import _modes
from ..request import Request
from . import _patches

name = "reference"
PAIRS = 2**19
"""Pairs whose weights are held at once, of the whole matrix."""

Number = float | Tensor
Slices = tuple[Any, ...]


def why_not(request: Request) -> str | None:
    """Never a reason: it computes everything."""
    return None


def run(request: Request, pairs: int = PAIRS) -> Tensor:
    """Compute a request: over the displacements of a window, or by rows of the whole matrix, ``pairs`` at a time."""
    return _average_rows(request, pairs) if request.whole else _average_window(request)


Part = Callable[..., Tensor]
"""What is added to one place of an output; takes the index of the place, and the inputs."""


def _by_parts(part: Part, places: list[Slices], shape: tuple[int, ...], *inputs: Any) -> Tensor:
    """Return zeros of a shape to which a part was added at each place; the first input is a tensor."""
    wanted = torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
    # A compiler plans the memory itself; the others must see every operation.
    visible = torch.compiler.is_compiling() or _modes.recorded() or _modes.transformed()
    if wanted and not visible:
        result: Tensor = _Parts.apply(part, places, shape, *inputs)
        return result
    return _add_up(part, places, shape, *inputs)


def _add_up(part: Part, places: list[Slices], shape: tuple[int, ...], *inputs: Any) -> Tensor:
    out = inputs[0].new_zeros(shape)
    for index, place in enumerate(places):
        some = part(index, *inputs)
        out = some.new_zeros(shape) if index == 0 else out  # under vmap it is of as many images as the parts are
        out[place] += some
    return out


class _Parts(torch.autograd.Function):
    """Parts that are forgotten, and computed again one by one when their gradients are due.

    Checkpoints would do the same, but leave small nodes of their graph between large tensors, so that the C library
    cannot give memory back.
    """

    @staticmethod
    def forward(ctx: Any, part: Part, places: list[Slices], shape: tuple[int, ...], *inputs: Any) -> Tensor:
        ctx.part, ctx.places, ctx.shape = part, places, shape
        ctx.save_for_backward(*(x if isinstance(x, Tensor) else None for x in inputs))
        ctx.numbers = [None if isinstance(x, Tensor) else x for x in inputs]
        return _add_up(part, places, shape, *inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        if torch.is_grad_enabled():  # to be differentiated again: all parts are kept
            inputs = [x if n is None else n for x, n in zip(ctx.saved_tensors, ctx.numbers, strict=True)]
            whole = partial(_add_up, ctx.part, ctx.places, ctx.shape)
            return None, None, None, *_modes.gradients(whole, inputs, gradient)
        inputs = [
            number if tensor is None else tensor.detach().requires_grad_(wanted)
            for tensor, number, wanted in zip(ctx.saved_tensors, ctx.numbers, ctx.needs_input_grad[3:], strict=True)
        ]
        with torch.enable_grad(), torch.autocast(gradient.device.type, enabled=False):
            for index, place in enumerate(ctx.places):
                ctx.part(index, *inputs).backward(gradient[place])
        return None, None, None, *(x.grad if isinstance(x, Tensor) else None for x in inputs)


def _weights(
    score: Tensor, spec: PairwiseSpec, scale: Number, bias: Number, top: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """Return f of a score, 0 where ``out``; that of exp over the largest one, or over exp(``top``), which cancels."""
    if spec.weight == "exp":
        logit = score * scale if out is None else (score * scale).masked_fill(out, -torch.inf)
        return torch.exp(logit - (_finite(logit.detach().amax(2, keepdim=True)) if top is None else top))
    if spec.weight == "gaussian":
        weight = torch.exp(-F.relu(score - bias) * scale)
        weight = weight.masked_fill(weight < spec.vanish, 0)
    else:
        weight = score * scale if spec.weight == "linear" else F.relu(score * scale)
    return weight if out is None else weight.masked_fill(out, 0)


def _finite(top: Tensor) -> Tensor:
    """Return the largest logits, 0 where there is none."""
    return top.masked_fill(top == -torch.inf, 0)


def _average_window(request: Request) -> Tensor:
    spec, value = request.spec, request.value
    query, key = (_patches.mirrored(x, spec.patch_radius) for x in (request.query, request.key))
    sides = value.shape[2:]
    rz, ry, rx = (range(-r, r + 1) for r in spec.search_radius or (0, 0, 0))
    steps = list(product(rz, ry, rx))
    if spec.weight == "gaussian" or spec.centre == "zero":
        steps.remove((0, 0, 0))
    with torch.no_grad():
        top, best = _extremes(query, key, value, spec, request.scale, request.bias, steps)

    def part(index: int, query: Tensor, key: Tensor, value: Tensor, scale: Number, bias: Number) -> Tensor:
        """Return what one displacement adds to the weighted sums and, as the last channel, to the normaliser."""
        here, there = _slices(steps[index], sides)
        score = _score(query, key, spec, steps[index], sides)
        weight = _weights(score, spec, scale, bias, None if top is None else top[here])
        total, share = weight * value[there], weight if spec.normalise == "sum" else torch.ones_like(weight)
        if best is not None:  # the pixel itself takes part with the largest of these weights
            own = weight * (best[here] == index)
            total, share = total + own * value[here], share + own
        return torch.cat([total, share], 1)

    places = [_slices(step, sides)[0] for step in steps]
    shape = (value.shape[0], value.shape[1] + 1, *sides)
    sums = _by_parts(part, places, shape, query, key, value, request.scale, request.bias)
    numerator, denominator = sums[:, :-1], sums[:, -1:]
    if spec.weight == "gaussian" and spec.centre == "one":
        numerator, denominator = numerator + value, denominator + 1
    none = denominator == 0
    average = numerator / denominator.masked_fill(none, 1)
    return torch.where(none, value, average) if spec.weight == "gaussian" else average


def _slices(step: Radii, sides: torch.Size, radius: Radii = (0, 0, 0)) -> tuple[Slices, Slices]:
    """Return where i and j = i + step are both real, with a margin for the patch in planes that were padded by it."""
    starts = [(max(-d, 0), max(d, 0)) for d in step]
    spans = [side - abs(d) + 2 * r for d, side, r in zip(step, sides, radius, strict=True)]
    here, there = (tuple(slice(s[k], s[k] + n) for s, n in zip(starts, spans, strict=True)) for k in (0, 1))
    return (..., *here), (..., *there)


def _score(query: Tensor, key: Tensor, spec: PairwiseSpec, step: Radii, sides: torch.Size) -> Tensor:
    """Return the scores of all pairs (i, i + step) as a plane."""
    here, there = _slices(step, sides, spec.patch_radius)
    a, b = query[here], key[there]
    pairs = {"distance": lambda: (a - b).square(), "dot": lambda: a * b, "sum": lambda: a + b}[spec.score]()
    return _patches.box_sum(pairs.sum(1, keepdim=True), spec.patch_radius)


def _extremes(
    query: Tensor, key: Tensor, value: Tensor, spec: PairwiseSpec, scale: Number, bias: Number, steps: list[Radii]
) -> tuple[Tensor | None, Tensor | None]:
    """Return each pixel's largest logit (for exp), and which displacement has its largest weight (for "max")."""
    if not (spec.weight == "exp" or spec.centre == "max"):
        return None, None
    sides = value.shape[2:]
    top = torch.full_like(value[:, :1], -torch.inf if spec.weight == "exp" else 0)
    best = torch.full_like(top, -1, dtype=torch.int32)
    for index, step in enumerate(steps):
        here, _ = _slices(step, sides)
        score = _score(query, key, spec, step, sides)
        size = score * scale if spec.weight == "exp" else _weights(score, spec, scale, bias)
        if index == 0:  # under vmap they are of as many images as the scores are
            top = top + size.new_zeros(top.shape)
            best = best + torch.zeros_like(top, dtype=best.dtype)
        best[here] = torch.where(size > top[here], index, best[here])
        top[here] = torch.maximum(size, top[here])
    if spec.weight == "exp":
        return _finite(top), None
    return None, best


def _average_rows(request: Request, pairs: int) -> Tensor:
    value = _patches.rows(request.value)
    average = _by_rows(request, pairs, torch.matmul, value.shape[2], value)
    return average.transpose(1, 2).reshape(*request.value.shape[:2], *request.query.shape[2:])


def weight_map(request: Request) -> Tensor:
    """Return all normalised weights, (B, pixels, keys)."""
    return _by_rows(request, PAIRS, lambda weight: weight, request.key.shape[2:].numel())


def _by_rows(request: Request, pairs: int, use: Callable[..., Tensor], width: int, *read: Tensor) -> Tensor:
    """Return what a function makes of the normalised weights and what else it reads, from a few rows at a time."""
    query, key = (_patches.rows(x, request.spec.patch_radius) for x in (request.query, request.key))
    batch, pixels = query.shape[:2]
    size = max(1, pairs // (max(batch, 1) * key.shape[1]))

    def part(index: int, query: Tensor, key: Tensor, scale: Number, bias: Number, *read: Tensor) -> Tensor:
        some = query[places[index]]
        out, itself = _masks(request, index * size, some.shape[1])
        return use(_normalised(some, key, request.spec, scale, bias, out, itself), *read)

    places: list[Slices] = [(slice(None), slice(start, start + size)) for start in range(0, pixels, size)]
    return _by_parts(part, places, (batch, pixels, width), query, key, request.scale, request.bias, *read)


def _masks(request: Request, start: int, count: int) -> tuple[Tensor | None, Tensor | None]:
    """Return which pairs of some pixels with all keys are left out, and which of them are a pixel with itself.

    Either is None where there is no such pair, or it takes part like any other.
    """
    spec, sides, device = request.spec, request.key.shape[2:], request.query.device
    pixel = torch.arange(start, start + count, device=device)[:, None]
    key = torch.arange(sides.numel(), device=device)
    alone = request.same_grid and (spec.weight == "gaussian" or spec.centre == "zero")
    itself = pixel == key if alone else None
    if spec.search_radius is None:
        return itself, itself
    out = torch.zeros(count, len(key), dtype=torch.bool, device=device) if itself is None else itself.clone()
    for radius, side, stride in zip(spec.search_radius, sides, (sides[1] * sides[2], sides[2], 1), strict=True):
        out |= (pixel // stride % side - key // stride % side).abs() > radius
    return out, itself


def _distances(query: Tensor, key: Tensor) -> Tensor:
    """Return the squared distances of rows."""
    if _modes.transformed():  # which torch's own function has no second derivative for
        return (query[:, :, None] - key[:, None]).square().sum(3)
    return torch.cdist(query, key, compute_mode="donot_use_mm_for_euclid_dist").square()


def _normalised(
    query: Tensor,
    key: Tensor,
    spec: PairwiseSpec,
    scale: Number,
    bias: Number,
    out: Tensor | None,
    itself: Tensor | None,
) -> Tensor:
    """Return the weights of some queries with all keys, divided by their normaliser."""
    if spec.score == "distance":  # not by a matrix product, which would lose the small ones
        score = _distances(query, key)
    elif spec.score == "dot":
        score = query @ key.transpose(1, 2)
    else:
        score = query.sum(2)[:, :, None] + key.sum(2)[:, None, :]
    weight = _weights(score, spec, scale, bias, out=out)
    if spec.normalise == "count":
        left = 0 if out is None else out.sum(1, keepdim=True)
        return weight / torch.as_tensor(weight.shape[2] - left, device=weight.device).clamp(min=1)
    total = weight.sum(2, keepdim=True)
    if spec.weight == "gaussian" and itself is not None:
        nothing = torch.zeros_like(total)
        own = {"max": weight.amax(2, keepdim=True), "one": nothing + 1, "zero": nothing}[spec.centre]
        own = own.masked_fill(total + own == 0, 1)
        weight, total = weight + own * itself, total + own
    return weight / total.masked_fill(total == 0, 1)
