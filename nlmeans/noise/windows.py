"""Windows of a picture at three scales: what processed noise is judged by.

A window is 8 × 8 pixels of the quarter-size picture; at half and full size it is what lies in the same place. Chosen
by one band at the coarsest scale, the flattest windows show the noise of all scales without favouring where a camera
or JPEG has removed it from one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ..pixels.halves import halved
from .patches import cosines
from .shared import first_of_each

if TYPE_CHECKING:
    from .patches import Array

SIDE: Final = 8
SCALES: Final = 3
FEWEST: Final = 24
"""Windows from which a picture can be judged."""
# Bands, by the sum of a coefficient's two frequencies 0 to 7: what windows are chosen by at the coarsest scale, what
# is measured there, and what is measured at finer scales.
CHOICE, COARSE, FINE = range(1, 4), range(4, 9), range(2, 9)


@dataclass(frozen=True, eq=False)
class Windows:
    """Energies in the windows of a picture.

    Attributes
    ----------
    brightness : ndarray, shape (N,)
        Mean of the pixels and channels.
    texture : ndarray, shape (N,)
        Energy of the mean of channels by which windows are chosen.
    luma, chroma : ndarray, shape (3, N)
        Mean energies, at full, half and quarter size, of the mean of channels, and of the differences of three.
    """

    brightness: Array
    texture: Array
    luma: Array
    chroma: Array

    def __len__(self) -> int:
        return len(self.brightness)

    @classmethod
    def of(cls, planes: Array) -> Windows | None:
        """Measure planes (C, Z, Y, X); None where too few windows have all their pixels."""
        if len(set(first_of_each(planes, [0.0] * len(planes)))) == 1:
            planes = planes[:1]
        count = len(planes)
        basis = cosines(count)[:3] if count == 3 else cosines(count)[:1]
        parts = np.einsum("kc,czyx->kzyx", basis / np.sqrt(count), planes).astype(np.float32)
        chosen: list[Array] = []
        for scale in range(SCALES):
            if scale:
                parts = halved(parts)
            bands = (CHOICE, COARSE) if scale == SCALES - 1 else (FINE,)
            each = _energies(parts, SIDE >> scale, bands)
            if each is None:
                return None
            chosen.append(each)
        last = chosen[-1]
        reaches = [4, 3, 1]
        rows, columns = (min(e.shape[k] - r + 1 for e, r in zip(chosen, reaches, strict=True)) for k in (-2, -1))
        if min(rows, columns) < 1:
            return None
        levels = [_together(e[:, -1], reach, rows, columns) for e, reach in zip(chosen, reaches, strict=True)]
        brightness, texture = last[0, :2, :, :rows, :columns]
        fit = np.isfinite(brightness) & np.isfinite(sum(level[0] for level in levels))
        if np.count_nonzero(fit) < FEWEST:
            return None
        luma = np.stack([level[0][fit] for level in levels])
        chroma = np.stack([level[1:].sum(axis=0)[fit] / max(len(parts) - 1, 1) for level in levels])
        return cls(brightness[fit], texture[fit], luma, chroma)


def _energies(parts: Array, stride: int, bands: tuple[range, ...]) -> Array | None:
    """Return each window's mean and its mean energy in each band: (K, 1 + bands, Z, rows, columns)."""
    if min(parts.shape[2:]) < SIDE:
        return None
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    functions = np.kron(cosines(SIDE), cosines(SIDE)).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(parts, (SIDE, SIDE), axis=(2, 3))[:, :, ::stride, ::stride]
    result = np.empty((len(parts), 1 + len(bands), *views.shape[1:4]), np.float32)
    for k, view in enumerate(views):
        pixels = view.reshape(-1, SIDE**2)
        result[k, 0] = pixels.mean(axis=1).reshape(view.shape[:3])
        for b, band in enumerate(bands):
            coefficients = pixels @ functions[np.isin(frequency, band)].T
            result[k, b + 1] = np.einsum("nf,nf->n", coefficients, coefficients).reshape(view.shape[:3])
            result[k, b + 1] /= coefficients.shape[1]
    return result


def _together(energies: Array, reach: int, rows: int, columns: int) -> Array:
    """Return the means over ``reach`` × ``reach`` places from each window of the coarsest scale on."""
    total = np.zeros((*energies.shape[:-2], rows, columns), np.float32)
    for y in range(reach):
        for x in range(reach):
            total += energies[..., y : y + rows, x : x + columns]
    return total / reach**2
