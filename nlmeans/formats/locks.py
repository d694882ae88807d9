"""Which of the files that a process writes are still being written: the system knows, and forgets with the process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, which removes and renames nothing that is open
    fcntl = None


AVAILABLE = fcntl is not None


def lock(file: int) -> bool:
    """Lock an open file until it is closed, or the process ends; return whether the system can do so.

    Raises
    ------
    BlockingIOError
        If another has locked it.
    """
    if not AVAILABLE:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system over a network, say
        return False
    return True


def is_still(file: int, path: Path) -> bool:
    """Whether an open file has that name still: another process may have removed or renamed it before it was locked."""
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def remove(file: Any, path: Path) -> None:
    """Remove a file that is open, and close it: in this order, where another could lock it in between."""
    if not AVAILABLE:
        file.close()
    path.unlink()
    file.close()
