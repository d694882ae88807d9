"""Patches of (B, C, Z, Y, X) planes, mirrored at the border without repeating the edge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from nlmeans.pairwise import Radii


def mirrored(planes: Tensor, radius: Sequence[int]) -> Tensor:
    """Pad axes from the third by mirrored pixels; a radius may exceed the side, which torch's own padding refuses."""
    for axis, r in enumerate(radius, 2):
        if r:
            side = planes.shape[axis]
            period = max(2 * (side - 1), 1)
            position = torch.arange(-r, side + r, device=planes.device) % period
            planes = planes.index_select(axis, torch.minimum(position, period - position))
    return planes


def box_sum(padded: Tensor, radius: Radii) -> Tensor:
    """Sum over the box around each pixel; the margins that were padded go."""
    if not any(radius):
        return padded
    z, y, x = (2 * r + 1 for r in radius)
    return F.avg_pool3d(padded, (z, y, x), stride=1, divisor_override=1)


def rows(planes: Tensor, radius: Radii = (0, 0, 0)) -> Tensor:
    """Return the patch around every pixel as a row: (B, pixels, patch · C); a view where the patch is one pixel."""
    padded, sides = mirrored(planes, radius), planes.shape[2:]
    if any(radius):
        corners = product(*(range(2 * r + 1) for r in radius))
        z, y, x = sides
        padded = torch.cat([padded[:, :, a : a + z, b : b + y, c : c + x] for a, b, c in corners], 1)
    return padded.flatten(2).transpose(1, 2)
