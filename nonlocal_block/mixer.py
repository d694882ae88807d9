"""Mixer: two results of one image become one, pixel by pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import _checks
from .denoiser import LEAST, checked, to_multiple

BLUR = 2
"""Half-width of the mean that detail is told from."""
BEGIN = -1.7
"""Of what the sigmoid is taken where the network says nothing: the other's share is 15 %."""


class Mixer(nn.Module):
    """Mix two results without noise of one image: y = (1 − m)·one + m·other, with m from 0 to 1 at each pixel.

    A small network at half the size chooses m by what the results differ in, what the first took away, and its detail,
    all in units of σ, and by σ. Channels are mixed by themselves.

    Parameters
    ----------
    width : int, default 24
        Channels of its features.

    Attributes
    ----------
    margin : int
        How far a pixel of the result depends on others, rounded up to a multiple of 8.

    Raises
    ------
    TypeError, ValueError
        If width breaks its rule; in the forward pass, if the images or sigma do.

    Notes
    -----
    ``forward(x, sigma, one, other)`` takes the noisy images x, of shape (B, C, H, W), their σ as `NonLocalDenoiser`
    does, and the results, of the shape of x, which it returns. It takes 3,500 multiplications a pixel and channel.

    Examples
    --------
    >>> import torch
    >>> x, one, other = torch.rand(3, 1, 3, 37, 50)
    >>> Mixer()(x, 0.1, one, other).shape
    torch.Size([1, 3, 37, 50])
    """

    margin = 16

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        width = _checks.count(width, "width")
        self.stem = nn.Conv2d(13, width, 3, padding=1)
        self.middle = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.head = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, sigma: float | Tensor, one: Tensor, other: Tensor) -> Tensor:
        """Return the mix, see the class."""
        x, level = checked(x, sigma, x.shape[1], self.stem.weight.dtype)
        for name, result in (("one", one), ("other", other)):
            if result.shape != x.shape:
                raise ValueError(f"{name} must be as large as x, {tuple(x.shape)}; got {tuple(result.shape)}")
        share = self._share(x.flatten(0, 1), level.expand_as(x).flatten(0, 1), one.flatten(0, 1), other.flatten(0, 1))
        return one + share.view_as(x) * (other - one)

    def _share(self, x: Tensor, level: Tensor, one: Tensor, other: Tensor) -> Tensor:
        """Return the other's share, for planes (N, H, W)."""
        height, width = x.shape[1:]
        x, level, one, other = (to_multiple(plane[:, None]) for plane in (x, level, one, other))
        sigma = level.clamp(min=LEAST)
        mean = F.avg_pool2d(one, 2 * BLUR + 1, 1, BLUR, count_include_pad=False)
        seen = torch.cat([F.pixel_unshuffle(part / sigma, 2) for part in (other - one, x - one, one - mean)], 1)
        features = F.relu(self.stem(torch.cat([seen, 4 * F.avg_pool2d(level, 2)], 1)))
        share = (self.head(F.relu(self.middle(features))) + BEGIN).sigmoid()
        return F.pixel_shuffle(share, 2)[:, 0, :height, :width]
