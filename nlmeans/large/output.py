"""An output and its companions while it is made, from its first byte to its last, over any number of runs.

What a run that was killed has left is said by the manifest (`Names` says what is called how), which is locked:

======================  ==================================  ======================================================
the manifest            what else there may be              what a run does
======================  ==================================  ======================================================
is not there            nothing: what has our names is      makes an empty manifest, and begins
                        foreign, and refused
is empty, or cut off    a part, of which nothing is known   removes the part, and begins
says of what it is      half a part                         the same
says "created"          the part, some blocks of it, a      goes on, if identities agree; if the part is gone,
                        packed one that is half             begins
says "finished"         the finished part, and the output   gives the part the output's name, if identities agree
                        that it replaces
says "finished"         the replaced store by its other     gives that its name back, and then the same
                        name, and none with the output's
says "finished"         the finished part by the output's   removes the rest, and is done, if identities agree; if
                        name, the replaced store, a part    not, removes the rest, and begins
                        that was packed
======================  ==================================  ======================================================

The part that is finished is known by its stamp, whatever its name. Each step is noted when it is done, and a step that
is not noted is done again, so that it does not matter between which two operations a run is killed. What gets the
output's name is compared on every way with what is asked for: the manifest has the identity of all that is read and
chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from .manifest import Manifest
from .names import Names, remove, stamp


class Output:
    """An output under way, by its path with links followed, which no other process works on. It is a context.

    Raises
    ------
    FileExistsError, PictureError
        If something else has a name that is needed, or another process is at work on it.
    """

    def __init__(self, path: Path) -> None:
        self.names = Names(path)
        if not os.path.lexists(self.names.manifest):
            self.names.check_free()
        self.manifest = Manifest(self.names.manifest)
        try:
            self._undo()
        except BaseException:
            self.manifest.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.manifest.__exit__()

    @property
    def delivered(self) -> bool:
        """Whether a run that was killed had given the output its name."""
        return self._is_finished(self.names.output)

    @property
    def waiting(self) -> Path | None:
        """What is finished, and waits for the output's name."""
        return next((place for place in (self.names.packed, self.names.part) if self._is_finished(place)), None)

    @property
    def goes_on(self) -> bool:
        """Whether there is a part to go on with."""
        return self.manifest.created and self.names.part.exists()

    def begin(self, identity: Mapping[str, Any], create: Callable[[Path], Any]) -> Any:
        """Begin anew; return what ``create`` makes of the part's name."""
        self.abandon()
        self.manifest.begin(identity)
        try:
            target = create(self.names.part)
        except BaseException:
            self.abandon()
            raise
        self.manifest.add({"created": True})
        return target

    def done_before(self, identity: Mapping[str, Any], check: Callable[[], None]) -> list[dict[str, int]] | None:
        """Return what was counted of each block of an output that a run had finished when it was killed, in its place.

        None if there is none of that identity. What is finished otherwise is refused where it waits for its name, and
        stays where it has it. ``check`` raises where an output may not get the name.
        """
        counts = list(self.manifest.done.values())
        if self.delivered:
            same = not self.manifest.differences(identity)
            self.tidy()
            if same:
                return counts
            check()
        elif self.waiting is not None:
            self.manifest.check(identity)
            check()
            self.finish(self.waiting)
            return counts
        return None

    def finish(self, finished: Path) -> None:
        """Note that all is done, and give what is ``finished`` the output's name."""
        output, old = self.names.output, self.names.old
        if os.path.lexists(old):
            raise FileExistsError(f"{old} must not be there while the output gets its name: move it away")
        replaces = output.stat().st_ino if output.is_dir() else None
        self.manifest.add({"finished": stamp(finished), "replaces": replaces})
        self.place(finished)

    def place(self, finished: Path) -> None:
        """Give what is finished the output's name, and leave nothing else."""
        output = self.names.output
        if output.is_dir():
            os.replace(output, self.names.old)
        elif output.exists():
            os.chmod(finished, output.stat().st_mode & 0o7777)
        os.replace(finished, output)
        self.tidy()

    def tidy(self) -> None:
        """Remove all that is left of a run but the output, which has its name."""
        if self._has_replaced:
            remove(self.names.old)
        self.abandon()

    def abandon(self) -> None:
        """Leave nothing of what was done but the manifest, which goes at the end."""
        remove(self.names.part)
        remove(self.names.packed)
        self.manifest.forget()

    def _undo(self) -> None:
        """Give a store that was to be replaced its name back, where the new one has not got it."""
        output, old = self.names.output, self.names.old
        if not os.path.lexists(old):
            return
        if not self._has_replaced:
            raise FileExistsError(f"{old} is there, and no run has put it there: move it away")
        if os.path.lexists(output) and not self.delivered:
            raise FileExistsError(f"{old} holds what {output} was before: move one of them away")
        if not self.delivered:
            os.replace(old, output)

    @property
    def _has_replaced(self) -> bool:
        """Whether what has the name of a replaced store is the one that a run has replaced."""
        noted, old = self.manifest.finished, self.names.old
        return noted is not None and os.path.lexists(old) and old.lstat().st_ino == noted["replaces"]

    def _is_finished(self, place: Path) -> bool:
        """Whether a file or folder is the one that is to get the output's name, or has it."""
        noted = self.manifest.finished
        return noted is not None and os.path.lexists(place) and stamp(place) == noted["finished"]
