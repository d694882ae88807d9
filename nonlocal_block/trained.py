"""The package's trained networks: their checkpoints, those for colours, and which ones a quality takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from . import weights
from .denoiser import NonLocalDenoiser, checked
from .functional import full_precision
from .mixer import Mixer

CHECKPOINTS = {(False, 0): "denoiser-grey", (True, 0): "denoiser-grey-fast", (True, 1): "denoiser-differences"}
"""The package's checkpoints of networks for one channel, by whether they are small, and guides."""
MIXER = "denoiser-mixer"
"""The package's checkpoint of what mixes results with those of another method."""
MIXES = ((1 / 3, 1 / 3, 1 / 3), (0.5**0.5, 0.0, -(0.5**0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))
"""What makes a mean and two differences of three colours: orthogonal, so that independent noise stays so."""
GREY = 0.5
"""What is added to differences, so that they lie in the middle of the grey levels, as pictures do."""


class ColourDenoiser(nn.Module):
    """Remove noise from colours by networks for one channel: from their mean, then, guided by it, from two differences.

    Parameters
    ----------
    network : NonLocalDenoiser
        For the mean.
    differences : NonLocalDenoiser
        For a difference, guided by the mean without noise.

    Attributes
    ----------
    channels : int
        3.
    margin : int
        The sum of theirs, since one sees what the other made.

    Notes
    -----
    ``forward(x, sigma)`` takes x (B, 3, H, W) and σ as the network does, and returns the shape of x. The σ of the mean
    is 1/√3 of that of the colours, that of the differences is the same.

    Examples
    --------
    >>> import torch
    >>> colours = ColourDenoiser(NonLocalDenoiser(), NonLocalDenoiser(guides=1))
    >>> colours(torch.rand(1, 3, 37, 50), 0.1).shape
    torch.Size([1, 3, 37, 50])
    """

    forth: Tensor
    back: Tensor

    def __init__(self, network: NonLocalDenoiser, differences: NonLocalDenoiser) -> None:
        super().__init__()
        self.network, self.differences = network, differences
        self.channels = 3
        self.margin = network.margin + differences.margin
        forth = torch.tensor(MIXES, dtype=torch.float64)
        for name, values in (("forth", forth), ("back", forth.inverse())):
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the colours without noise, see the class."""
        x, level = checked(x, sigma, self.channels, self.forth.dtype)
        with full_precision(x.device):  # in 16 bits, colours would be rounded to a grey level
            mean, *differences = torch.einsum("kc,bcyx->bkyx", self.forth, x.to(self.forth.dtype)).split(1, 1)
        mean = self.network(mean, level / 3**0.5)
        clean = [self.differences(one + GREY, level, mean) - GREY for one in differences]
        with full_precision(x.device):
            planes = torch.cat([mean, *clean], 1).to(self.back.dtype)
            return torch.einsum("ck,bkyx->bcyx", self.back, planes).to(x.dtype)


Network = NonLocalDenoiser | ColourDenoiser


@dataclass(frozen=True)
class Choice:
    """What a quality takes for one plane, or for three that are colours.

    Attributes
    ----------
    channels : int
        Planes that are denoised together, 1 or 3.
    fast : bool
        Whether the small network takes the plane, or the mean of the colours.
    turns : int
        Number of turned and mirrored positions of the image whose results are averaged.
    """

    channels: int
    fast: bool = False
    turns: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The checkpoints."""
        own = CHECKPOINTS[self.fast, 0]
        return (own,) if self.channels == 1 else (own, CHECKPOINTS[True, 1])

    def load(self) -> Network:
        """Return the package's networks as one."""
        return _joined([_network(name)[0] for name in self.names])


CHOICES = {
    "fast": {1: Choice(1, fast=True), 3: Choice(3, fast=True)},
    "balanced": {1: Choice(1), 3: Choice(3)},
    "best": {1: Choice(1, turns=8), 3: Choice(3, turns=4)},
}
"""By quality and the number of planes."""


@overload
def load_denoiser(
    channels: Literal[1] = 1, path: None = None, *, fast: bool = False
) -> tuple[NonLocalDenoiser, dict[str, Any]]: ...
@overload
def load_denoiser(
    channels: Literal[3], path: None = None, *, fast: bool = False
) -> tuple[ColourDenoiser, dict[str, Any]]: ...
@overload
def load_denoiser(
    channels: int, path: str | os.PathLike[str], *, fast: bool = False
) -> tuple[NonLocalDenoiser, dict[str, Any]]: ...
@overload
def load_denoiser(
    channels: int = 1, *, path: str | os.PathLike[str], fast: bool = False
) -> tuple[NonLocalDenoiser, dict[str, Any]]: ...
def load_denoiser(
    channels: int = 1, path: str | os.PathLike[str] | None = None, *, fast: bool = False
) -> tuple[Network, dict[str, Any]]:
    """Return a trained network, ready to use as ``denoiser(x, sigma)``, and the notes of its checkpoint.

    Parameters
    ----------
    channels : {1, 3}
        For grey images, or for colour: `ColourDenoiser` of that for grey images and a small one.
    path : path, optional
        A checkpoint of `nonlocal_block.train denoiser`; by default the package's own.
    fast : bool, default False
        The package's small network, that of quality "fast". A file says its sizes itself.

    Returns
    -------
    network : NonLocalDenoiser or ColourDenoiser
        On the CPU, in evaluation mode.
    notes : dict
        What was saved with it: training recipe, figures, data and licence; in colour, with the network for differences.

    Raises
    ------
    FileNotFoundError, ValueError
        If the checkpoint is missing, corrupt, changed, of a newer format, or of another network.

    Examples
    --------
    >>> import torch
    >>> network, notes = load_denoiser()
    >>> noisy = 0.4 + 0.1 * torch.randn(1, 1, 32, 32, generator=torch.manual_seed(0))
    >>> with torch.no_grad():
    ...     bool(network(noisy, 0.1).std() < 0.03)
    True
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3; got {channels!r}")
    if path is None:
        parts = [_network(name) for name in Choice(channels, fast).names]
        return _joined([part for part, _ in parts]), parts[-1][1]
    if fast:
        raise ValueError(f"fast must be left out with a path, whose file says how large its network is; got {path}")
    network, notes = _assembled(weights.load(path, NonLocalDenoiser.__name__), path)
    if (network.channels, network.guides) != (channels, 0):
        guided = f" and {network.guides} guides" if network.guides else ""
        raise ValueError(f"{path} must be for images of {channels} channels; got {network.channels}{guided}")
    return network, notes


def load_mixer() -> Mixer:
    """Return the package's mixer of a network's result with that of another method."""
    arguments, state, _ = weights.shipped(MIXER, Mixer.__name__)
    return weights.assembled(Mixer, arguments, state, MIXER)


def _joined(networks: Sequence[NonLocalDenoiser]) -> Network:
    """Return a network, or one for colours of the two that it takes."""
    own, *others = networks
    return ColourDenoiser(own, *others).eval() if others else own


def _network(name: str) -> tuple[NonLocalDenoiser, dict[str, Any]]:
    """Return the network and the notes of one of the package's checkpoints."""
    return _assembled(weights.shipped(name, NonLocalDenoiser.__name__), name)


def _assembled(loaded: weights.Loaded, origin: str | os.PathLike[str]) -> tuple[NonLocalDenoiser, dict[str, Any]]:
    arguments, state, notes = loaded
    return weights.assembled(NonLocalDenoiser, arguments, state, origin), notes
