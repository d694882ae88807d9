"""pairwise_attention(): check, choose a backend, run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict, Unpack

import torch
from torch import Tensor

from nlmeans.pairwise import Centre, Normalise, PairwiseSpec, Score, Weight

from . import _checks, backends
from .backends import reference
from .request import Request

Search = int | tuple[int, ...] | Literal["image"]

if TYPE_CHECKING:

    class Arguments(TypedDict, total=False):
        """What `pairwise_attention` takes besides its tensors."""

        search_radius: Search
        patch_radius: int | tuple[int, ...]
        score: Required[Score]
        weight: Required[Weight]
        normalise: Required[Normalise]
        scale: float | Tensor
        bias: float | Tensor
        centre: Centre
        backend: str


def pairwise_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    search_radius: Search = "image",
    patch_radius: int | tuple[int, ...] = 0,
    score: Score,
    weight: Weight,
    normalise: Normalise,
    scale: float | Tensor = 1.0,
    bias: float | Tensor = 0.0,
    centre: Centre = "one",
    backend: str = "auto",
) -> Tensor:
    """Replace every pixel by an average of values, each weighted by how well its key matches the pixel's query.

    The output is y_i = 1/C_i · Σ_j f(s_ij) · value_j, over the pixels j of a window around i. Four combinations of
    score, weight and normaliser make the rows of the table (gaussian and embedded gaussian blocks share one):

    ============================= ======== ======== ========= =========================== ==================
    what                          score    weight   normalise s_ij                        f(s)
    ============================= ======== ======== ========= =========================== ==================
    non-local means, distance     distance gaussian sum       Σ (query_i − key_j)²        exp(−max(s − bias, 0)·scale)
    gaussian, embedded gaussian   dot      exp      sum       Σ query_i · key_j           exp(s·scale)
    dot product                   dot      linear   count     Σ query_i · key_j           s·scale
    concatenation                 sum      relu     count     query_i + key_j             max(s·scale, 0)
    ============================= ======== ======== ========= =========================== ==================

    Parameters
    ----------
    query : Tensor, shape (B, C, X), (B, C, Y, X) or (B, C, Z, Y, X)
        The embedding of each output pixel. The sum score takes one channel.
    key : Tensor, shape (B, C, ...)
        What is matched, on the query's grid; on any other grid if the search is over the whole image.
    value : Tensor, shape (B, V, ...)
        What is averaged, on the key's grid.
    search_radius : int, tuple of int, or "image"
        Half-width in pixels of the window around each pixel, for all spatial axes or one each; a window of radius r
        is 2·r + 1 wide and clipped to the image. "image" (default) takes in everything. A radius beyond the image
        is capped to it.
    patch_radius : int or tuple of int, default 0
        Scores are summed over a patch of this half-width around i and j; patches that reach over the border read
        mirrored pixels (the edge is not repeated). Above 0 only where key and query share a grid.
    score, weight, normalise : str
        A row of the table. "sum" divides by Σ_j f, "count" by the number of pixels j in the clipped window.
    scale : float or Tensor without dimensions, default 1
        Factor of the score, as in the table; above 0 for the distance. A tensor gets its gradient.
    bias : float or Tensor without dimensions, default 0
        The part of a distance that is not held against a pair, in the score's units; 0 for the other scores.
    centre : {"one", "zero", "max"}
        The pixel itself. For a distance: weighted by 1, by 0, or by the largest weight of the others; a pixel whose
        weights all vanish keeps its value. For the others: one of the j ("one"), or left out ("zero"). Keys on
        another grid have no such pixel.
    backend : str, default "auto"
        Who computes it: "sdpa", "linear", "numba" or "reference", or the first of these that can (`explain`).

    Returns
    -------
    Tensor, shape (B, V, ...)
        On the query's grid and device, of its dtype.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks a rule above, tensors are of mixed dtypes or devices, or the requested backend
        cannot compute this; the message says which rule, and what was given.

    See Also
    --------
    pairwise_map : the weights f / C themselves.
    explain : the backend that would be chosen, and why.

    Notes
    -----
    float16 and bfloat16 are widened: weights are computed in float32, under autocast too. A gaussian weight below
    2⁻³² is 0. NaN spreads to the pixels whose windows hold it ("linear" lets a weight of 0 keep out a value that is
    NaN). An empty batch gives an empty result, tensors on "meta" one there.

    Gradients can be differentiated again, and `torch.func` transforms the function: by the "reference", which keeps all
    pairs then. The exception is "sdpa", whose second derivative torch refuses ("is not implemented"); with
    ``backend="reference"`` it is there. In traces and exported programs the "reference" stands for the core.

    Time and memory, for N pixels, K keys in a window, C channels and patches of P pixels: "numba" takes O(N·K·C·P)
    time and O(N·C·P) memory, without the P for a distance of features from themselves that needs no gradient;
    "linear" O(N·C²) time for the dot product and O(N·(C + log N)) for the concatenation, O(N·C·P) memory;
    "sdpa" O(N²·C·P) time, O(N·C·P) memory; "reference" O(N·K·C) time for a window and O(N²·C·P) for the
    whole image, in O(N·C·P) memory and chunks of a fixed size.

    References
    ----------
    X. Wang, R. Girshick, A. Gupta, K. He, "Non-local Neural Networks", CVPR 2018, arXiv:1711.07971.

    Examples
    --------
    >>> import torch
    >>> x = torch.arange(5.0).reshape(1, 1, 5)
    >>> pairwise_attention(x, x, x, score="dot", weight="linear", normalise="count").flatten().tolist()
    [0.0, 6.0, 12.0, 18.0, 24.0]
    """
    request = _request(query, key, value, search_radius, patch_radius, score, weight, normalise, scale, bias, centre)
    chosen, _ = backends.choose_backend(request, backend)
    if query.shape[0] == 0:  # joined to the graph, so that every parameter gets a gradient
        empty = value.new_zeros((0, value.shape[1], *query.shape[2:]))
        return empty + 0 * (query.sum() + key.sum() + value.sum() + request.scale + request.bias)
    with full_precision(query.device):
        average = chosen.run(request)
    return average.reshape(value.shape[:2] + query.shape[2:]).to(value.dtype)


def pairwise_map(
    query: Tensor,
    key: Tensor,
    *,
    search_radius: Search = "image",
    patch_radius: int | tuple[int, ...] = 0,
    score: Score,
    weight: Weight,
    normalise: Normalise,
    scale: float | Tensor = 1.0,
    bias: float | Tensor = 0.0,
    centre: Centre = "one",
) -> Tensor:
    """Return the weights with which `pairwise_attention` averages, as a matrix.

    Parameters
    ----------
    query, key, search_radius, patch_radius, score, weight, normalise, scale, bias, centre
        As for `pairwise_attention`.

    Returns
    -------
    Tensor, shape (B, N, M)
        f(s_ij) / C_i. Axis 1 is i, the pixels of the output, in the query's row-major order (x fastest); axis
        2 is j, the pixels averaged, in the key's; pixels outside the window have weight 0. ``map[b, i].reshape(key's
        sides)`` is therefore the picture of what pixel i is made of. With the normaliser "sum" axis 2 sums to 1, with
        "count" it does not. ``map @ value`` is the average. float64 for float64, else float32.

    Raises
    ------
    TypeError, ValueError
        As `pairwise_attention`.

    Notes
    -----
    Memory O(N·M): this is the one function that makes the matrix.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[0.0, 0, 3]]])
    >>> pairwise_map(x, x, score="distance", weight="gaussian", normalise="sum").round(decimals=2)[0].tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    request = _request(query, key, key, search_radius, patch_radius, score, weight, normalise, scale, bias, centre)
    with full_precision(query.device):
        return reference.weight_map(request)


def explain(query: Tensor, key: Tensor, value: Tensor, **options: Unpack[Arguments]) -> str:
    """Say which backend `pairwise_attention` would use, and why not those before it.

    Parameters
    ----------
    query, key, value, **options
        As for `pairwise_attention`.

    Returns
    -------
    str
        The backend's name, and a line for each one that was passed over.

    Raises
    ------
    TypeError, ValueError
        As `pairwise_attention`.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(1, 4, 8, 8)
    >>> print(explain(x, x, x, score="dot", weight="linear", normalise="count"))
    linear
      not sdpa: it computes the score dot with the weight exp; asked for dot, linear
    """
    defaults = {"search_radius": "image", "patch_radius": 0, "scale": 1.0, "bias": 0.0, "centre": "one"}
    given: dict[str, Any] = {**defaults, **options}
    name = given.pop("backend", "auto")
    request = _request(query, key, value, **given)
    chosen, reasons = backends.choose_backend(request, name)
    return "\n".join([chosen.name, *(f"  not {other}: {reason}" for other, reason in reasons.items())])


def _request(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    search_radius: Any,
    patch_radius: Any,
    score: Any,
    weight: Any,
    normalise: Any,
    scale: Any,
    bias: Any,
    centre: Any,
) -> Request:
    _checks.features(query, key, value, score)
    axes = query.ndim - 2
    patch = _checks.radii(patch_radius, "patch_radius", axes)
    search = _checks.search(search_radius, axes)
    same_grid = query.shape == key.shape
    if not same_grid and (search is not None or any(patch)):
        raise ValueError(
            "a window or a patch needs query and key on one grid; got search_radius="
            f"{search_radius!r}, patch_radius={patch_radius!r}, shapes {tuple(query.shape)} and {tuple(key.shape)}"
        )
    sides = (1,) * (3 - axes) + tuple(query.shape[2:])
    if search is not None:
        z, y, x = (min(radius, side - 1) for radius, side in zip(search, sides, strict=True))
        search = None if (z, y, x) == tuple(side - 1 for side in sides) else (z, y, x)
    scale, bias = _checks.number(scale, "scale"), _checks.number(bias, "bias")
    spec = PairwiseSpec(
        patch_radius=patch,
        search_radius=search,
        scale=1.0 if isinstance(scale, Tensor) else scale,
        bias=0.0 if isinstance(bias, Tensor) else bias,
        centre=centre,
        score=score,
        weight=weight,
        normalise=normalise,
    )
    if isinstance(bias, Tensor) and score != "distance":
        raise ValueError("bias belongs to the score 'distance'; got a tensor for another")
    dtype = query.dtype
    query, key, value = (_widened(tensor) for tensor in (query, key, value))
    if isinstance(scale, Tensor) and score != "distance":  # a score is linear in the query (a sum: in both)
        query = query * scale
        key = key * scale if score == "sum" else key
        scale = 1.0
    return Request(query, key, value, spec, scale, bias, dtype)


def _widened(tensor: Tensor) -> Tensor:
    sides = (1,) * (5 - tensor.ndim) + tuple(tensor.shape[2:])
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32)).reshape(*tensor.shape[:2], *sides)


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context without autocast."""
    return torch.autocast(device.type, enabled=False) if autocast(device) else nullcontext()


def autocast(device: torch.device) -> bool:
    """Return whether a device's operations run in 16 bits now; of "meta" torch refuses to say so."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
