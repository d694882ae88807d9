"""How the numbers of a FITS image stand for real ones, and which stand for none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...picture import PictureError
from ...scaled import Blanked

BITS = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
NATIVE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
TURNED = {"uint16": ("i2", 2.0**15), "uint32": ("i4", 2.0**31), "int8": ("u1", -128.0)}
"""Types that FITS has not: those that are stored instead, and their zero point."""


@dataclass(frozen=True)
class Coding(Blanked):
    """How a real value becomes a stored one.

    Attributes
    ----------
    masked : bool
        Whether there is a mask beside the image: then its missing pixels are NaN.
    """

    masked: bool = False

    @classmethod
    def of(cls, header: Any, bits: int, masked: bool) -> Coding:
        """Read it from a header."""
        if bits not in BITS:
            raise PictureError(f"BITPIX must be one of {', '.join(map(str, BITS))}; got {bits}")
        dtype = np.dtype(BITS[bits]).newbyteorder(">")
        slope, inter = (_number(header, name, default) for name, default in (("BSCALE", 1.0), ("BZERO", 0.0)))
        if not slope or not np.isfinite((slope, inter)).all():
            raise PictureError(f"BSCALE and BZERO must be finite, and BSCALE not 0; got {slope:g} and {inter:g}")
        blank = header.get("BLANK") if dtype.kind != "f" else None
        whole = isinstance(blank, int) and np.iinfo(dtype).min <= blank <= np.iinfo(dtype).max
        return cls(dtype, slope, inter, blank if whole else None, masked)

    @classmethod
    def new(cls, dtype: np.dtype, nodata: float | None) -> Coding:
        """Return that of a new image of real values of a type."""
        stored, zero = TURNED.get(dtype.name, (dtype.str[1:], 0.0))
        coding = cls(np.dtype(stored).newbyteorder(">"), 1.0, zero)
        if nodata is None or coding.dtype.kind == "f":
            return coding
        return replace(coding, blank=int(nodata - zero))

    @property
    def turned(self) -> bool:
        """Whether it is nothing but a type that FITS has not."""
        found = ((self.dtype.str[1:], self.inter) == way for way in TURNED.values())
        return self.slope == 1.0 and any(found)

    @property
    def working(self) -> np.dtype:
        """The type that holds the real values."""
        if self.dtype.kind == "f":
            return self.dtype.newbyteorder("=")
        if self.masked or (self.scaled and not self.turned):
            return self.real
        if self.turned:
            return next(np.dtype(name) for name, way in TURNED.items() if way == (self.dtype.str[1:], self.inter))
        return super().working

    @property
    def undefined(self) -> bool:
        """Whether real values are floats made of others."""
        return super().undefined and (self.masked or not self.turned)

    @property
    def nodata(self) -> float | None:
        """The real value that stands for none: NaN for floats, as the format has it."""
        if self.working.kind == "f" and (self.dtype.kind == "f" or self.masked or self.undefined):
            return float("nan")
        return None if self.blank is None else self.blank + self.inter

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return real values."""
        if self.turned and not self.masked:
            return (stored.astype(np.int64) + int(self.inter)).astype(self.working)
        return super().decode(stored).astype(self.working, copy=False)

    def encode(self, real: np.ndarray) -> np.ndarray:
        """Return stored values."""
        if self.turned and real.dtype.kind != "f":
            return (real.astype(np.int64) - int(self.inter)).astype(self.dtype)
        return super().encode(real)


def _number(header: Any, name: str, default: float) -> float:
    try:
        return float(header.get(name, default))
    except (TypeError, ValueError):
        raise PictureError(f"{name} must be a number; got {header[name]!r}") from None
