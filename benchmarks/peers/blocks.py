"""The methods of the suite ``learned``: the block's backends, and what one writes or takes instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.methods import CannotRun, Method
from ..harness.tensors import OPTIONS, Arrays, Oracle, TensorCase, TensorJudge

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pass:
    """A function's forward pass and, where a gradient is given, its backward pass; as text, what a user would write."""

    function: Callable[..., Tensor]
    text: str
    inputs: tuple[Tensor, ...]
    gradient: Tensor | None

    def __call__(self) -> Arrays:
        """Run it; the answer is the output and the inputs' gradients."""
        import torch

        with torch.set_grad_enabled(self.gradient is not None):
            leaves = [x.detach().requires_grad_(self.gradient is not None) for x in self.inputs]
            output = self.function(*leaves)
            gradients = torch.autograd.grad(output, leaves, self.gradient) if self.gradient is not None else ()
        return tuple(x.detach().numpy() for x in (output, *gradients))

    def __str__(self) -> str:
        return self.text if self.gradient is None else f"{self.text}.backward(gradient)"


@dataclass(frozen=True)
class TensorMethod(Method):
    """A method that takes tensors, on as many threads as torch has."""

    def judge(self, case: TensorCase, subject: Any) -> TensorJudge:
        """Return the judge that knows what the reference computes."""
        return TensorJudge(case, subject, oracle(case.problem()), defines=self is REFERENCE)

    def call(self, case: TensorCase, inputs: Arrays, gradient: np.ndarray, threads: int) -> Pass:
        """Return the pass to measure; the tensors share the arrays' memory."""
        import torch

        function, text = self.function(case, threads)
        tensors = tuple(torch.from_numpy(x) for x in inputs)
        return Pass(function, text, tensors, torch.from_numpy(gradient) if case.backward else None)

    def function(self, case: TensorCase, threads: int) -> tuple[Callable[..., Tensor], str]:
        """Return the function of the case's inputs, and a call of it as text."""
        raise NotImplementedError


@dataclass(frozen=True)
class Block(TensorMethod):
    """The learned side of this library, on one of its backends."""

    backend: str = "numba"

    def function(self, case: TensorCase, threads: int) -> tuple[Callable[..., Tensor], str]:
        """Return `pairwise_attention`, or the filter, with every parameter stated."""
        if case.row == "nlm":
            return self._filter(case)
        from nonlocal_block import pairwise_attention

        options = {"search_radius": case.search_radius, **OPTIONS[case.row], "backend": self.backend}

        def attention(query: Tensor, *others: Tensor) -> Tensor:
            key, value = others if len(others) == 2 else (query, *others)
            return pairwise_attention(query, key, value, **options)

        names = ("features", *case.inputs) if case.row == "distance" else case.inputs
        return attention, _text("pairwise_attention", names, options)

    def _filter(self, case: TensorCase) -> tuple[Callable[..., Tensor], str]:
        from nonlocal_block import NonLocalMeans2d

        assert case.sigma is not None
        assert case.strength is not None
        options: dict[str, Any] = {
            "patch_radius": case.patch_radius, "search_radius": case.search_radius, "strength": case.strength,
            "centre": "max", "backend": self.backend,
        }  # fmt: skip
        layer, sigma = NonLocalMeans2d(**options).requires_grad_(False), case.sigma
        return lambda image: layer(image, sigma), f"{_text('NonLocalMeans2d', (), options)}(image, {sigma})"


@dataclass(frozen=True)
class Denoise(TensorMethod):
    """The core of the classical side, with the filter's parameters."""

    def function(self, case: TensorCase, threads: int) -> tuple[Callable[..., Tensor], str]:
        """Return `nlmeans.pairwise.pairwise_average` of what the layer computes: weights that end at 2⁻³²."""
        import torch

        from nlmeans.pairwise import PairwiseSpec, pairwise_average

        radius, patch = case.search_radius, case.patch_radius
        assert isinstance(radius, int)
        assert case.sigma is not None
        assert case.strength is not None
        terms, h = (2 * patch + 1) ** 2, case.strength * case.sigma
        spec = PairwiseSpec((0, patch, patch), (0, radius, radius), 1 / (terms * h**2), 2 * terms * case.sigma**2)

        def denoise(image: Tensor) -> Tensor:
            planes = image[0, :, None].numpy()
            return torch.from_numpy(pairwise_average(planes, planes, spec, threads=threads))[None, :, 0]

        return denoise, f"pairwise_average(image, image, {spec}, threads={threads})"


@dataclass(frozen=True)
class Unfold(TensorMethod):
    """Windows by `torch.nn.functional.unfold`."""

    def function(self, case: TensorCase, threads: int) -> tuple[Callable[..., Tensor], str]:
        """Return what one writes in plain torch."""
        radius = case.search_radius
        assert radius != "image"
        if case.row == "distance":
            return (lambda x, value: unfold_attention(x, x, value, radius, squared_distance)), (
                f"unfold_attention(features, features, value, {radius}, squared_distance)"
            )
        return (lambda query, key, value: unfold_attention(query, key, value, radius, dot_product)), (
            f"unfold_attention(query, key, value, {radius}, dot_product)"
        )


def unfold_attention(
    query: Tensor, key: Tensor, value: Tensor, radius: int, score: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Average values over a window, weighted by a softmax of scores: all windows are written out side by side."""
    import torch
    from torch.nn.functional import unfold

    batch, channels, height, width = query.shape
    side = 2 * radius + 1

    def windows(x: Tensor) -> Tensor:
        return unfold(x, side, padding=radius).view(batch, x.shape[1], side * side, height * width)

    scores = score(query.view(batch, channels, 1, height * width), windows(key))
    inside = windows(torch.ones_like(key[:, :1]))[:, 0]
    weights = scores.masked_fill(inside == 0, -torch.inf).softmax(1)
    return (weights[:, None] * windows(value)).sum(2).view_as(value)


def dot_product(query: Tensor, keys: Tensor) -> Tensor:
    """Return the scores of embedded gaussians."""
    return (query * keys).sum(1)


def squared_distance(query: Tensor, keys: Tensor) -> Tensor:
    """Return the scores whose exponential is the gaussian of the distance."""
    return -(query - keys).square().sum(1)


@dataclass(frozen=True)
class Flex(TensorMethod):
    """FlexAttention with a mask for the window, compiled; on the CPU it has no backward pass."""

    def function(self, case: TensorCase, threads: int) -> tuple[Callable[..., Tensor], str]:
        """Return the compiled function; the mask is made beforehand, as one would for a whole network."""
        from torch import compile as compiled
        from torch.nn.attention.flex_attention import flex_attention

        assert case.search_radius != "image"
        height, width = case.shape[2:]
        try:
            mask, run = window_mask(height, width, case.search_radius), compiled(flex_attention, dynamic=False)
        except Exception as error:
            raise _no_flex(error) from error
        ran = False

        def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            nonlocal ran
            query, key, value = (x.flatten(2).transpose(1, 2)[:, None] for x in (query, key, value))
            try:
                average: Tensor = run(query, key, value, block_mask=mask, scale=1.0)
            except Exception as error:
                raise error if ran else _no_flex(error) from error
            ran = True
            return average[:, 0].transpose(1, 2).unflatten(2, (height, width))

        return attention, "torch.compile(flex_attention)(query, key, value, block_mask=window, scale=1.0)"


def _no_flex(error: Exception) -> CannotRun:
    return CannotRun(f"FlexAttention cannot be compiled here: {' '.join(str(error).split())[:200]}")


@lru_cache(maxsize=2)
def window_mask(height: int, width: int, radius: int) -> Any:
    """Return FlexAttention's mask of the pixels whose rows and columns differ by at most a radius."""
    from torch.nn.attention.flex_attention import create_block_mask

    def near(batch: Tensor, head: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return ((i // width - j // width).abs() <= radius) & ((i % width - j % width).abs() <= radius)

    return create_block_mask(near, None, None, height * width, height * width, device="cpu")


def _text(function: str, names: tuple[str, ...], options: dict[str, Any]) -> str:
    return f"{function}({', '.join([*names, *(f'{name}={value!r}' for name, value in options.items())])})"


@lru_cache
def oracle(problem: TensorCase) -> Oracle:
    """Return the right answers to a problem, which cases share."""
    return Oracle(lambda given: REFERENCE.call(problem, *given, threads=1)(), problem.subject())


OURS: dict[str, Any] = {
    "package": "nlmeans[learned]", "module": "nonlocal_block.functional", "dtype": "float32", "own": True
}  # fmt: skip
TORCH: dict[str, Any] = {"package": "torch", "module": "torch", "dtype": "float32"}
REFERENCE = Block("block-reference", **OURS, backend="reference", yardstick=True, note="plain torch, bounded memory")

METHODS: tuple[TensorMethod, ...] = (
    Block("block-numba", **OURS, backend="numba", note="the core"),
    Block("block-sdpa", **OURS, backend="sdpa", note="torch's scaled_dot_product_attention"),
    Block("block-linear", **OURS, backend="linear", note="exact without pairs"),
    REFERENCE,
    Denoise("nlmeans", **OURS, yardstick=True, note="forward only"),
    Unfold("torch-unfold", **TORCH, note="all windows written out side by side"),
    Flex("torch-flex", **TORCH, note="forward only on the CPU; compiling is in the first call, the mask in none"),
)
