"""Stored numbers that stand for real ones: a slope times the stored one, plus an intercept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .picture import PictureError

MOST_EXACT = 2**53
"""Whole numbers that float64 holds."""


@dataclass(frozen=True)
class Scaling:
    """How a real value becomes a stored one.

    Attributes
    ----------
    dtype : numpy.dtype
        Of what is stored, in the file's order of bytes.
    slope, inter : float
        The real value is stored · slope + inter.
    """

    dtype: np.dtype
    slope: float = 1.0
    inter: float = 0.0

    @property
    def scaled(self) -> bool:
        """Whether stored values are not the real ones."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def working(self) -> np.dtype:
        """The type that holds the real values: stored values come back from it unchanged."""
        if self.dtype.kind == "f" or (not self.scaled and self.dtype.itemsize < 8):
            return self.dtype.newbyteorder("=")
        return self.real

    @property
    def real(self) -> np.dtype:
        """The float that holds the real values of whole numbers exactly enough for them to come back."""
        info = np.iinfo(self.dtype)
        steps = max(abs(info.min), info.max) + abs(self.inter / self.slope)
        return np.dtype(np.float32 if steps < 2**22 else np.float64)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return real values."""
        if self.dtype.itemsize == 8 and self.dtype.kind in "iu":
            low, high = int(stored.min()), int(stored.max())
            if max(-low, high) > MOST_EXACT:
                raise PictureError(f"64-bit whole numbers must be within ±2**53: these span {low} to {high}")
        if not self.scaled:
            return stored.astype(self.working, copy=False)
        real = np.empty_like(stored, self.working)
        slabs, source = (real, stored) if stored.flags.c_contiguous else (real.T, stored.T)
        for slab, part in zip(slabs, source, strict=True):  # little is float64 at a time
            slab[...] = part.astype(np.float64) * self.slope + self.inter
        return real

    def encode(self, real: np.ndarray) -> np.ndarray:
        """Return stored values, for whole numbers rounded and clipped."""
        if not self.scaled and real.dtype == self.dtype.newbyteorder("="):
            return real.astype(self.dtype, copy=False)
        stored = (real.astype(np.float64) - self.inter) / self.slope
        if self.dtype.kind == "f":
            return stored.astype(self.dtype)
        info = np.iinfo(self.dtype)
        return np.clip(np.rint(stored), max(info.min, -MOST_EXACT), min(info.max, MOST_EXACT)).astype(self.dtype)


@dataclass(frozen=True)
class Blanked(Scaling):
    """The same, where one stored number may stand for no value.

    Attributes
    ----------
    blank : float or None
        That number.
    """

    blank: float | None = None

    @property
    def undefined(self) -> bool:
        """Whether real values are floats made of others, among which NaN stands for none."""
        return self.scaled or self.working != self.dtype.newbyteorder("=")

    @property
    def nodata(self) -> float | None:
        """The real value that stands for none."""
        return None if self.blank is None else float("nan") if self.undefined else self.blank

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return real values."""
        if self.blank is None or not self.undefined:
            return super().decode(stored)
        none = stored == self.blank
        real = super().decode(np.where(none, 0, stored).astype(stored.dtype)).astype(self.working, copy=False)
        real[none] = np.nan
        return real

    def encode(self, real: np.ndarray) -> np.ndarray:
        """Return stored values."""
        none = np.isnan(real) if real.dtype.kind == "f" else np.False_
        if not none.any() or (self.dtype.kind == "f" and (self.blank is None or not self.undefined)):
            return super().encode(real)
        if self.blank is None:
            raise PictureError("NaN cannot be stored as a whole number where none is declared to stand for no value")
        stored = super().encode(np.where(none, 0, real).astype(real.dtype))
        stored[none] = self.blank
        return stored
