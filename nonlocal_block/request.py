"""Request: a spec of the core and the tensors that a backend applies it to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from nlmeans.pairwise import PairwiseSpec


@dataclass(frozen=True)
class Request:
    """A spec and its arguments, checked: the only thing that a backend is given.

    Parameters
    ----------
    query : Tensor, shape (B, C, Z, Y, X)
        float32 or float64, as the two below; 16-bit tensors come widened, since weights are computed in float32.
    key : Tensor, shape (B, C, Z', Y', X')
        On the query's grid, unless the search is over the whole image.
    value : Tensor, shape (B, V, Z', Y', X')
        What is averaged.
    spec : PairwiseSpec
        What to compute. ``search_radius`` is None for the whole image, else within it. Where ``scale`` or ``bias`` are
        tensors, the spec holds 1 and 0 in their place: take them from here, or ask for `numeric`.
    scale, bias : float or Tensor
        As the spec's. A tensor has no dimensions and may require a gradient; only a distance comes with one.
    dtype : torch.dtype
        What the caller's tensors were of, and the result will be cast to.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    spec: PairwiseSpec
    scale: float | Tensor
    bias: float | Tensor
    dtype: torch.dtype

    def __post_init__(self) -> None:
        if self.spec.soft or self.spec.lowest:
            raise ValueError(
                "soft must be False and lowest 0 in a spec of a non-local block; "
                f"got {self.spec.soft!r} and {self.spec.lowest:g}"
            )

    @property
    def whole(self) -> bool:
        """Whether every key is searched."""
        return self.spec.search_radius is None

    @property
    def row(self) -> tuple[str, str, str]:
        """The names of score, weight and normaliser."""
        return self.spec.score, self.spec.weight, self.spec.normalise

    @property
    def same_grid(self) -> bool:
        """Whether query and key lie on one grid, so that a pixel can meet itself."""
        return self.query.shape[2:] == self.key.shape[2:]

    def numeric(self) -> PairwiseSpec:
        """Return the spec with the numbers that tensors hold; waits for their device."""
        scale, bias = (n.detach().item() if isinstance(n, Tensor) else n for n in (self.scale, self.bias))
        return dataclasses.replace(self.spec, scale=scale, bias=bias)
