"""What a format is: how its files are known, what it reads and writes, whole or by regions, and what it needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from . import atomic
from .arrays import ArrayInfo, Source, Target
from .picture import Picture, PictureError, Request, quoted


class Format:
    """A kind of file. A subclass brings the methods for what it can do; the others stay as they are here.

    Own formats are the modules of `nlmeans.formats.own`, each with an object ``FORMAT``; those of other packages are
    objects or classes that the entry points of the group ``nlmeans.formats`` name. Both need a `name` and `endings`.
    To be read and written as pictures they bring `read` and `write`; to be read and written by regions, and so
    to be larger than memory, `open`, `create` and `reopen`.

    Attributes
    ----------
    name : str
        As people write it.
    endings : tuple of str
        Ends of the names of its files, in small letters.
    magic : tuple of bytes
        First bytes of its files; without any, files are known by their names.
    needs, extra : str
        A module that has to be installed, and the extra of this package that brings it.
    loses : str
        What a file that is read and written in this format does not keep.
    write_options : tuple of str
        Options of `nlmeans.io.write` that `write` takes, or of `nlmeans.large.denoise` that `create` and `reopen` do.
    x_first : bool
        Whether its arrays have X before Y, so that pictures are turned on their way from and to other formats.
    colours : bool
        Whether it can hold them.
    instead : tuple of str
        Where it is only read: ends of names of files that hold most of what its files do. Folders of them become the
        first.
    has_series : bool
        Whether its files may hold several images, of which `Request.series` names one.
    codec_memory : int
        Bytes that its codecs take at most, where it is written by regions.
    exact : bool
        Whether what is written by regions is read again as the same pixels.

    Examples
    --------
    >>> import numpy as np, pathlib
    >>> from nlmeans.extend import Format, Picture
    >>> class Text(Format):
    ...     name, endings = "text", (".txt",)
    ...     def read(self, request):
    ...         return Picture(np.loadtxt(request.path), axes="YX")
    >>> text = Text()
    >>> text.can("read"), text.can("write"), text.recognises(b"1 2", pathlib.Path("a.txt"))
    (True, False, True)
    """

    name: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]
    magic: ClassVar[tuple[bytes, ...]] = ()
    needs: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    loses: ClassVar[str] = ""
    write_options: ClassVar[tuple[str, ...]] = ()
    x_first: ClassVar[bool] = False
    colours: ClassVar[bool] = True
    instead: ClassVar[tuple[str, ...]] = (".tif",)
    has_series: ClassVar[bool] = False
    codec_memory: ClassVar[int] = 0
    exact: ClassVar[bool] = True

    def can(self, *abilities: str) -> bool:
        """Whether it brings a method for one of ``"read"``, ``"write"``, ``"open"`` and ``"create"``."""
        return any(getattr(type(self), ability) is not getattr(Format, ability) for ability in abilities)

    def recognises(self, head: bytes, path: Path) -> bool:
        """Whether a file with such first bytes and such a name is of this format."""
        return head.startswith(self.magic) if self.magic else path.name.lower().endswith(self.endings)

    def store(self, path: Path) -> Path | None:
        """Return the folder that is read as one file, where a path is that of one or of something in it."""
        return None

    def library(self) -> Any:
        """Return the module that the format needs, or raise `PictureError` where it is not installed."""
        try:
            return import_module(self.needs)
        except ImportError:
            raise PictureError(f"{self.name} files need {self.needs}: install it with {self.installation}") from None

    @property
    def installation(self) -> str | None:
        """The command that installs what it needs; None where it needs nothing."""
        if not self.needs:
            return None
        return f"pip install 'nlmeans[{self.extra}]'" if self.extra else f"pip install {self.needs}"

    @property
    def usable(self) -> bool:
        """Whether what it needs is installed; it is not imported."""
        return not self.needs or find_spec(self.needs.partition(".")[0]) is not None

    def check_series(self, request: Request) -> None:
        """Refuse to look for a second image in a file of a format that holds but one."""
        if not self.has_series and request.series not in (None, "0"):
            raise PictureError(f"a file of the format {self.name} holds one series, 0; got {quoted(request.series)}")

    def read(self, request: Request) -> Picture:
        """Read a whole file."""
        raise NotImplementedError

    def check(self, picture: Picture) -> None:
        """Raise `PictureError` for a picture that the format cannot hold; its pixels' values don't matter."""

    def write(self, part: Path, picture: Picture, path: Path, **options: Any) -> None:
        """Write a whole file to ``part``, which is to get the name ``path``; options are those in `write_options`."""
        raise NotImplementedError

    def open(self, request: Request) -> Source:
        """Read a file's header, and return its reader by regions."""
        raise NotImplementedError

    def check_target(self, path: Path, overwrite: bool) -> None:
        """Raise if an output may not or cannot be written."""
        atomic.check_target(path, overwrite)

    def replacing(self, path: Path, overwrite: bool) -> AbstractContextManager[Path]:
        """Yield what is written, which takes the place of ``path`` when all went well, and else vanishes."""
        return atomic.replacing(path, overwrite=overwrite)

    def at(self, path: Path) -> Format:
        """Return the format that writes to a path, which may name something in a file."""
        return self

    def file(self, path: Path) -> Path:
        """Return the file, or folder, that a path names, or names something in."""
        return path

    def chunks(self, shape: tuple[int, ...], axes: str, source: Source) -> tuple[int, ...]:
        """Return the sides of what can only be written whole in a file that is made of a source."""
        return (1,) * len(shape)

    def create(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Write all of a file but its pixels; of a source of the same format, what it says besides."""
        raise NotImplementedError

    def reopen(self, part: Path, info: ArrayInfo, source: Source) -> Target:
        """Return a file that was created before, and raise if it is not as it was created."""
        raise NotImplementedError
