"""NonLocalClassifier: a small network for digits with a non-local block after each of its first two stages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from . import _checks, weights
from .block import NonLocalBlock2d

Block = Literal["none", "conv", "gaussian", "embedded_gaussian", "dot_product", "concatenation"]

MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
BLOCKS = ("none", "conv", *MODES)
"""What can follow the first two stages."""


class NonLocalClassifier(nn.Module):
    """Classify digits of 28×28 pixels: three convolutional stages, non-local blocks after the first two.

    A stage is Conv3×3 – BatchNorm – ReLU – MaxPool2; the stages have 32, 64 and 128 channels. Behind them are
    Linear(1152 → 256) – ReLU – Dropout(0.5) – Linear(256 → 10).

    Parameters
    ----------
    block : str, default "embedded_gaussian"
        What follows the first two stages: a non-local block, sub-sampled and with batch norm, of the mode "gaussian",
        "embedded_gaussian", "dot_product" or "concatenation" (`NonLocalBlock2d`); or, for comparison, "none", or
        "conv", the embedded gaussian's own layers on every pixel alone: 1×1 convolutions θ, φ and g to
        half the channels, of which the largest counts (maxout), another one back, batch norm, and the input added.
    backend : str, default "auto"
        The backend of the blocks, see `pairwise_attention`.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule; in the forward pass, if x is not a batch of such images.

    Notes
    -----
    ``forward(x)`` takes x of shape (B, 1, 28, 28), 0 to 1 with bright digits, and returns logits of shape (B, 10).
    ``forward_with_nl_map(x)`` returns also the blocks' maps.

    There are 401,530 parameters with "embedded_gaussian", "dot_product" and "conv", of which the blocks have 2,192
    and 8,480; 96 more with "concatenation", 5,216 fewer with "gaussian". For one random state all start
    with the same parameters, but for the blocks themselves, which start as the identity.

    Parameters are kept in channels-last order, which nearly halves the time on the CPU. They are named as in
    AlexHex7's network, whose checkpoints load by ``load_state_dict(layouts.convert(state, "alexhex7"))``.

    References
    ----------
    X. Wang, R. Girshick, A. Gupta, K. He, "Non-local Neural Networks", CVPR 2018, arXiv:1711.07971. Maxout:
    I. Goodfellow et al., "Maxout Networks", ICML 2013, arXiv:1302.4389.

    Examples
    --------
    >>> import torch
    >>> net = NonLocalClassifier()
    >>> net(torch.randn(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    >>> sum(p.numel() for p in net.parameters())
    401530
    """

    def __init__(self, block: Block = "embedded_gaussian", *, backend: str = "auto") -> None:
        super().__init__()
        self.block = _checks.one_of(block, "block", BLOCKS)
        # The blocks come last, so that all networks draw the same parameters for the rest, but are listed in place.
        stages = [_stage(1, 32), _stage(32, 64), _stage(64, 128)]
        fc = nn.Sequential(nn.Linear(128 * 3 * 3, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
        self.conv_1, self.nl_1 = stages[0], _block(self.block, 32, backend)
        self.conv_2, self.nl_2 = stages[1], _block(self.block, 64, backend)
        self.conv_3, self.fc = stages[2], fc
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 10) of images (B, 1, 28, 28)."""
        x = self.nl_1(self.conv_1(_digits(x)))
        x = self.nl_2(self.conv_2(x))
        logits: Tensor = self.fc(self.conv_3(x).flatten(1))
        return logits

    def forward_with_nl_map(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the blocks' maps of weights.

        Parameters
        ----------
        x : Tensor, shape (B, 1, 28, 28)
            Images.

        Returns
        -------
        logits : Tensor, shape (B, 10)
            As of ``forward``.
        maps : list of 2 Tensor, shapes (B, 196, 49) and (B, 49, 9)
            The weights of the keys (columns: 7×7 and 3×3) for every pixel (rows: 14×14 and 7×7), both in row-major
            order; see `NonLocalBlock2d`.

        Raises
        ------
        ValueError
            If the network has no non-local blocks.
        """
        if self.block not in MODES:
            raise ValueError(f"only non-local blocks have maps; this network was made with block={self.block!r}")
        x, first = self.nl_1(self.conv_1(_digits(x)), return_nl_map=True)
        x, second = self.nl_2(self.conv_2(x), return_nl_map=True)
        return self.fc(self.conv_3(x).flatten(1)), [first, second]


class _Maxout(nn.Module):
    """The non-local block's layers on every pixel alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out, self.norm = nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)  # as the block, it starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        largest = torch.maximum(torch.maximum(self.theta(x), self.phi(x)), self.g(x))
        z: Tensor = x + self.norm(self.out(largest))
        return z


def _stage(before: int, after: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2))


def _block(block: str, channels: int, backend: str) -> nn.Module:
    if block == "none":
        return nn.Identity()
    if block == "conv":
        return _Maxout(channels)
    return NonLocalBlock2d(channels, mode=block, sub_sample=True, backend=backend)  # type: ignore[arg-type]


def _digits(x: Any) -> Tensor:
    x = _checks.image(x, 1, 2)
    if x.shape[2:] != (28, 28):
        raise ValueError(f"x must have 28×28 pixels; got shape {tuple(x.shape)}")
    return x


def save_classifier(path: str | os.PathLike[str], network: NonLocalClassifier, notes: Mapping[str, Any]) -> None:
    """Write a network's parameters as a safetensors file, which appears whole or not at all.

    Parameters
    ----------
    path : path
        The file; one of that name is replaced.
    network : NonLocalClassifier
        The network.
    notes : mapping
        Notes for the file's metadata, as JSON: training recipe, seed, accuracy.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    weights.save(path, network, {"block": network.block}, notes)


def load_classifier(
    path: str | os.PathLike[str] | None = None, *, backend: str = "auto"
) -> tuple[NonLocalClassifier, dict[str, Any]]:
    """Return a trained network, ready to evaluate, and its notes: training recipe, seed and accuracy.

    Nothing in the file is executed.

    Parameters
    ----------
    path : path, optional
        A checkpoint of `save_classifier`; by default the package's own.
    backend : str, default "auto"
        As for `NonLocalClassifier`.

    Returns
    -------
    network : NonLocalClassifier
        On the CPU, in evaluation mode.
    notes : dict
        What was saved with it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is corrupt, or of another network; the message names it.

    Examples
    --------
    >>> network, notes = load_classifier()
    >>> notes["figures"]["test_accuracy"] > 0.99
    True
    """
    name, own = "classifier", NonLocalClassifier.__name__
    arguments, state, notes = weights.shipped(name, own) if path is None else weights.load(path, own)
    given = {**arguments, "backend": backend}
    return weights.assembled(NonLocalClassifier, given, state, path or name), notes
