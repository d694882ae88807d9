"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from . import locks
from .picture import PictureError

OURS = int.from_bytes(b"nlm\0")
"""Where the numbers in names of temporary files begin: nobody else's pattern."""


def check_target(path: Path, overwrite: bool) -> Path:
    """Return the file that ``path`` means, links followed; raise if it may not or cannot be written.

    Parameters
    ----------
    path : Path
        Where to.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    OSError, PictureError
        The message states the rule, then the path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nlmeans.io import check_target
    >>> check_target(pathlib.Path(tempfile.mkdtemp()) / "clean.png", overwrite=False).name
    'clean.png'
    """
    target = path.resolve()  # replacing the link itself would cut it
    if target.is_dir():
        raise IsADirectoryError(f"the output must be a file: {path} is a folder")
    if target.exists():
        # A rename over /dev/null or a pipe would put a plain file in its place, for everyone.
        if not target.is_file():
            raise PictureError(f"only a plain file can be written: {path} is a device or a pipe")
        if not overwrite:
            raise FileExistsError(f"{path} exists already; --overwrite (overwrite=True) replaces it")
        if not os.access(target, os.W_OK):
            raise PermissionError(f"{path} is write-protected")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {target.parent} cannot be written to")
    return target


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a new, empty file next to ``path`` that takes its place when all went well, and else vanishes.

    One that a process has left that was killed vanishes too, where the system can say so.

    Yields
    ------
    Path
        The temporary file; it has the mode of the file that it replaces.
    """
    target = check_target(path, overwrite)
    try:
        part, lock = _begun(target)
    except OSError as error:  # of the name that the caller knows
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        if target.exists():
            os.chmod(part, target.stat().st_mode & 0o7777)
        yield part
        check_target(path, overwrite)  # someone else may have been there in the meantime
        os.replace(part, target)
    except BaseException as error:  # Ctrl-C too
        part.unlink(missing_ok=True)
        if type(error) is OSError and error.errno is None:  # NumPy's, with two numbers: a disk that is full
            raise OSError(f"{target} could not be written to its end: {error}") from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _begun(target: Path) -> tuple[Path, int | None]:
    """Make an empty file next to the target; return its name, and the lock that says that it is written."""
    # Not `tempfile`: its files are private, and a picture is to have the rights that any new file gets.
    for number in count(OURS):
        part = target.with_name(f".{target.name[:100]}.{number:08x}.part")
        _remove_left(part)
        try:
            file = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            continue
        if not locks.AVAILABLE:
            os.close(file)
            return part, None
        with suppress(BlockingIOError):  # of one that took it for left
            locks.lock(file)
            if locks.is_still(file, part):
                return part, file
        os.close(file)
    raise AssertionError("there is always another number")


def _remove_left(part: Path) -> None:
    """Remove a file that a process has left that was killed: nobody has locked it."""
    with suppress(OSError):
        if not stat.S_ISREG(part.lstat().st_mode):
            return
        file = os.open(part, os.O_RDONLY)
        try:
            if locks.lock(file) and locks.is_still(file, part):
                part.unlink()
        finally:
            os.close(file)


def reserve(path: Path) -> None:
    """Take the room on disk that a file says it has: a full disk is an error now, and no crash later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(path.stat().st_size, 1))
