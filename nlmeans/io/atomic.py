"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .picture import PictureError


def check_target(path: Path, overwrite: bool) -> Path:
    """Return the file that ``path`` means, links followed; raise if it may not or cannot be written."""
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
    """Yield a new, empty file beside ``path`` that takes its place when all went well, and else vanishes.

    Yields
    ------
    Path
        The temporary file; it has the mode of the file that it replaces.
    """
    target = check_target(path, overwrite)
    # Not `tempfile`: its files are private, and a picture is to have the rights that any new file gets.
    part = target.with_name(f".{target.name[:100]}.{os.urandom(4).hex()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:  # of the name that the caller knows
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        if target.exists():
            os.chmod(part, target.stat().st_mode & 0o7777)
        yield part
        check_target(path, overwrite)  # someone else may have been there in the meantime
        os.replace(part, target)
    except BaseException:  # Ctrl-C too
        part.unlink(missing_ok=True)
        raise
