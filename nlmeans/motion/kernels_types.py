"""What the kernels of motion are given, as named tuples."""

from __future__ import annotations

from typing import Any, NamedTuple


class Level(NamedTuple):
    """Frames of whole numbers at one size, as floats in a flat array.

    They have so many lines of so many pixels, and begin ``padding`` pixels before the first cell. Of a part, ``side``
    pixels and ``margin`` more around are compared. The lines and columns in ``rows`` and ``columns`` [first, last) are
    the image's, the others mirror them.
    """

    frames: Any
    lines: Any
    line: Any
    padding: Any
    side: Any
    margin: Any
    rows: Any
    columns: Any


class Rule(NamedTuple):
    """Which displacements are tried at a quarter of the size, in this order, and what noise does.

    Its mean difference is ``noise``. A displacement must leave less than 1 - ``chance`` over the root of the pixels; it
    is sought where the mean difference is above that of noise by ``loud`` over that root.
    """

    candidates: Any
    noise: Any
    loud: Any
    chance: Any


class Pair(NamedTuple):
    """The frame whose parts move, and the one in which they are found."""

    here: Any
    there: Any
