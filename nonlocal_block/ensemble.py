"""Which networks a quality takes for planes that are denoised together, and how their results become one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .denoiser import NonLocalDenoiser, checkpoint, load_denoiser

MIXES = ((1 / 3, 1 / 3, 1 / 3), (0.5**0.5, 0.0, -(0.5**0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))
"""What makes a mean and two differences of three colours: orthogonal, so that independent noise stays so."""
GREY = 0.5
"""What is added to differences, so that they lie in the middle of the grey levels, as pictures do."""


class Mixes(nn.Module):
    """Remove noise from colours by a grey network: their mean and two differences, one after the other.

    Parameters
    ----------
    network : NonLocalDenoiser
        A network for one channel.

    Attributes
    ----------
    margin : int
        As of the network.

    Notes
    -----
    ``forward(x, sigma)`` takes x (B, 3, H, W) and a map of σ (B or 1, 1, H, W), as the network does. The σ of the mean
    is 1/√3 of that of the colours, that of the differences is the same.
    """

    forth: Tensor
    back: Tensor
    noise: Tensor

    def __init__(self, network: NonLocalDenoiser) -> None:
        super().__init__()
        self.network, self.margin = network, network.margin
        forth = torch.tensor(MIXES, dtype=torch.float64)
        for name, values in (("forth", forth), ("back", forth.inverse()), ("noise", forth.norm(dim=1))):
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the colours without noise, see the class."""
        mixes = torch.einsum("kc,bcyx->bkyx", self.forth, x)
        clean = [
            self.network(mixes[:, k : k + 1] + GREY * (k > 0), sigma * noise) - GREY * (k > 0)
            for k, noise in enumerate(self.noise)
        ]
        return torch.einsum("ck,bkyx->bcyx", self.back, torch.cat(clean, 1))


class Mean(nn.Module):
    """The mean of the results of networks that err in different places.

    Parameters
    ----------
    *networks : NonLocalDenoiser or Mixes
        For the same channels.

    Attributes
    ----------
    margin : int
        The largest of theirs.
    """

    def __init__(self, *networks: NonLocalDenoiser | Mixes) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.margin = max(network.margin for network in networks)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the mean of what the networks return."""
        return torch.stack([network(x, sigma) for network in self.networks]).mean(0)


Network = NonLocalDenoiser | Mixes | Mean


@dataclass(frozen=True)
class Choice:
    """What a quality takes for one plane, or for three that are colours.

    Attributes
    ----------
    channels : int
        Planes that are denoised together, 1 or 3.
    fast : bool
        Whether by the small network.
    whole, mixed : bool
        Whether a network sees the planes together, and whether the grey network sees their mixes.
    turns : int
        Number of turned and mirrored positions of the image whose results are averaged.
    """

    channels: int
    fast: bool = False
    whole: bool = True
    mixed: bool = False
    turns: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The checkpoints."""
        kinds = [self.channels] * self.whole + [1] * self.mixed
        return tuple(checkpoint(channels, self.fast) for channels in kinds)

    def load(self) -> Network:
        """Return the package's networks as one."""
        networks: list[NonLocalDenoiser | Mixes] = []
        if self.whole:
            networks.append(load_denoiser(self.channels, fast=self.fast)[0])
        if self.mixed:
            networks.append(Mixes(load_denoiser(1, fast=self.fast)[0]))
        return networks[0] if len(networks) == 1 else Mean(*networks)


CHOICES = {
    "fast": {1: Choice(1, fast=True), 3: Choice(3, fast=True, whole=False, mixed=True)},
    "balanced": {1: Choice(1), 3: Choice(3)},
    "best": {1: Choice(1, turns=8), 3: Choice(3, mixed=True, turns=2)},
}
"""By quality and the number of planes. Colours seen in two ways have more dB than in eight positions."""
