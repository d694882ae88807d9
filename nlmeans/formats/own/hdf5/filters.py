"""Filters that HDF5 chunks went through, and which of them lose something."""

from __future__ import annotations

import struct
from contextlib import suppress
from importlib import import_module
from typing import Any

from ...picture import PictureError

SCALE_OFFSET = 6
LOSSY = {32013: "ZFP", 32017: "SZ", 32019: "JPEG", 32022: "BitGroom", 32023: "BitRound", 32024: "SZ3", 32028: "SPERR"}
"""Registered filters that are made to lose something; ZFP and JPEG have ways not to, which are not told apart."""
ENCODES = 1
"""The bit of what HDF5 says of a filter that says that it can write."""
QUANTISED = "_Quantize"
"""How the attributes begin with which NetCDF says that numbers were rounded before they were stored."""


def filters(dataset: Any) -> list[tuple[int, tuple[int, ...], str]]:
    """Return number, values and name of each."""
    given = dataset.id.get_create_plist()
    found = (given.get_filter(k) for k in range(given.get_nfilters()))
    return [(code, tuple(values), name.decode("latin-1")) for code, _, values, name in found]


def check(library: Any, dataset: Any) -> None:
    """Refuse what was packed by a filter that is not there."""
    for code, _, name in filters(dataset):
        if library.h5z.filter_avail(code):
            continue
        with suppress(ImportError):
            import_module("hdf5plugin")  # it brings the usual ones
        if not library.h5z.filter_avail(code):
            said = f"{code} ({name.split(';')[0]})" if name else str(code)
            raise PictureError(f"its chunks went through filter {said}, which is not there: pip install hdf5plugin")


def lossy(dataset: Any) -> str | None:
    """Return what of the way in which numbers were stored may have lost something; None if nothing."""
    floats = dataset.dtype.kind == "f"
    for code, values, _ in filters(dataset):
        if code in LOSSY:
            return LOSSY[code]
        if code == SCALE_OFFSET and (floats or (len(values) > 1 and values[1])):
            digits = struct.unpack("i", struct.pack("I", values[1] & 0xFFFFFFFF))[0]
            return f"scale-offset with {digits} {'decimals' if floats else 'bits'}"
    return "rounding before it was stored" if any(name.startswith(QUANTISED) for name in dataset.attrs) else None


def writable(library: Any, dataset: Any) -> bool:
    """Whether all of them can write."""
    return all(library.h5z.get_filter_info(code) & ENCODES for code, _, _ in filters(dataset))
