"""What signatures say: imported for type checkers alone, and by those who write signatures of their own."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from numpy.typing import DTypeLike, NDArray

FilePath: TypeAlias = str | PathLike[str]
Array: TypeAlias = NDArray[Any]
"""An array of any type of pixels."""
Rows: TypeAlias = Sequence[Sequence[float] | Array] | Sequence[Sequence[Sequence[float] | Array]] | Sequence[Array]
"""An image in lists; a string is none."""
Numbers: TypeAlias = float | Sequence[float]
"""One, or one a channel."""
Radius: TypeAlias = int | Sequence[int]
"""A half-width for all axes of space, or one each."""
Window: TypeAlias = Radius | Literal["image"]
"""That of a search window, which may be the whole image."""
Strength: TypeAlias = float | Literal["sure", "j-invariant"]
"""h/σ, or how it is chosen for an image."""


class Shaped(Protocol):
    """An array of any library: NumPy's or a masked one, dask's, xarray's, a tensor, a table, a quantity."""

    @property
    def shape(self) -> Any: ...  # of dask's the sides may be unknown


class Lazy(Shaped, Protocol):
    """A dask array."""

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]: ...


class Coloured(Protocol):
    """A picture of Pillow's."""

    @property
    def mode(self) -> str: ...
    def getbbox(self) -> tuple[int, int, int, int] | None: ...


class Described(Protocol):
    """An image of astropy's: what it holds is known when it is read."""

    @property
    def data(self) -> Any: ...
    @property
    def uncertainty(self) -> Any: ...


Container: TypeAlias = Shaped | Coloured | Described
ImageT = TypeVar("ImageT", bound=Container)
"""An image that comes back as what it came in."""
ImageLike: TypeAlias = Container | Rows
"""Anything that is taken for an image."""
Companion: TypeAlias = Shaped | Rows
"""What belongs to an image's pixels: a mask, a guide, a map of σ."""
Sigma: TypeAlias = Numbers | Companion | None
"""A standard deviation, if any: one, one a channel or image, or a map; of a unit where the image has one."""
DType: TypeAlias = DTypeLike | None
"""A type of pixels, if any."""
Full: TypeAlias = Literal[True, "maps"]
"""``full_output`` where there is a report."""
Alone: TypeAlias = Literal[False] | None
"""``full_output`` where the image comes alone."""


class Event(Protocol):
    """`threading.Event`, or another that can be set."""

    def is_set(self) -> bool: ...
