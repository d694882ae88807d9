"""Noise of unit variance that is not white, for the crops that a denoiser learns from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTHS = 0.3, 1.2
"""Least and largest standard deviation of the Gaussian that white noise is smoothed by, in pixels."""
REACH = 4


def smooth(noise: Tensor, part: float) -> Tensor:
    """Return noise (B, C, H, W) that is correlated in space for a part of the images; each one's variance stays.

    White noise is smoothed by a Gaussian, the same for all channels, of a width that lies evenly in `WIDTHS`.
    """
    (count, channels), (least, most) = noise.shape[:2], WIDTHS
    width = least + (most - least) * torch.rand(count, 1)
    kernel = torch.exp(-0.5 * (torch.arange(-REACH, REACH + 1) / width) ** 2)
    alone = torch.zeros(2 * REACH + 1).index_fill_(0, torch.tensor(REACH), 1.0)
    kernel = torch.where(torch.rand(count, 1) < part, kernel, alone)
    kernel = (kernel / kernel.square().sum(1, keepdim=True).sqrt()).repeat_interleave(channels, 0)
    rows = F.pad(noise.flatten(0, 1)[None], (REACH,) * 4, mode="circular")
    for each in (kernel[:, None, None, :], kernel[:, None, :, None]):
        rows = F.conv2d(rows, each, groups=len(kernel))
    return rows.reshape(noise.shape)
