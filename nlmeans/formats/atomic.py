"""Files appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
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
    part, lock = _begun(target, _new_file)
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


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder next to ``path`` that takes its place when all went well, and else vanishes.

    Whether a folder that is there may be replaced is for the caller to say. A process that is killed while it is leaves
    the old one next to it, under the name of the new one with ``.old`` at its end.

    Yields
    ------
    Path
        The temporary folder.
    """
    target = path.resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist")
    part, lock = _begun(target, _new_folder)
    old = part.with_name(f"{part.name}.old")
    try:
        yield part
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(part, target)
        except BaseException:
            if old.exists():
                os.replace(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _new_file(part: Path) -> int:
    return os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)


def _new_folder(part: Path) -> int:
    part.mkdir()
    return os.open(part, os.O_RDONLY) if locks.AVAILABLE else -1


def _begun(target: Path, make: Callable[[Path], int]) -> tuple[Path, int | None]:
    """Make what is empty next to the target; return its name, and the lock that says that it is written."""
    # Not `tempfile`: its files are private, and a picture is to have the rights that any new file gets.
    for number in count(OURS):
        part = target.with_name(f".{target.name[:100]}.{number:08x}.part")
        _remove_left(part)
        try:
            file = make(part)
        except FileExistsError:
            continue
        except OSError as error:  # of the name that the caller knows
            raise OSError(error.errno, error.strerror, str(target)) from None
        if file < 0:
            return part, None
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
    """Remove what a process has left that was killed: nobody has locked it."""
    with suppress(OSError):
        mode = part.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return
        file = os.open(part, os.O_RDONLY)
        try:
            if locks.lock(file) and locks.is_still(file, part):
                shutil.rmtree(part) if stat.S_ISDIR(mode) else part.unlink()
        finally:
            os.close(file)


def reserve(path: Path) -> None:
    """Take the room on disk that a file says it has: a full disk is an error now, and no crash later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(path.stat().st_size, 1))
