"""An earlier build beside this one: the same methods on the same pictures, in a process that imports its packages."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from .checks import Judge
from .elsewhere import Asked, Elsewhere
from .environment import ROOT
from .methods import Method
from .pictures import PictureJudge

PACKAGES = ("nlmeans", "nonlocal_block")
SHORT = 7
"""Letters of a commit that are enough to tell it."""
MARK = "@"
"""Between the name of a method and that of the build that it belongs to."""


class Build(Elsewhere):
    """The packages of a commit, or of a folder that holds them, and the process that imported them.

    Nothing is taken out of the checkout, and no process is started, before the first method asks.

    Raises
    ------
    ValueError
        If there is no such commit or folder.
    """

    def __init__(self, origin: str) -> None:
        self.place = Path(origin).resolve() if (Path(origin) / PACKAGES[0]).is_dir() else None
        self.commit = None if self.place else commit_of(origin)
        if self.place is None and self.commit is None:
            raise ValueError(f"must be a commit of this checkout, or a folder that holds {PACKAGES[0]}, not {origin!r}")
        super().__init__(self.commit[:SHORT] if self.commit else Path(origin).resolve().name)

    def places(self) -> str:
        """Return the folder of the build's packages, which are taken out of the checkout for it."""
        if self.place is not None:
            return str(self.place)
        folder = tempfile.TemporaryDirectory(prefix=f"nlmeans-{self.name}-")
        weakref.finalize(self, folder.cleanup)
        with tarfile.open(fileobj=BytesIO(archive(str(self.commit)))) as tar:
            tar.extractall(folder.name, filter="data")
        return folder.name


def commit_of(name: str) -> str | None:
    """Return the full name of a commit of this checkout, or None."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def archive(commit: str) -> bytes:
    """Return the packages of a commit as a tar file."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, *PACKAGES]
    return subprocess.run(command, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Beside(Method):
    """A method of ours as an earlier build has it, timed where that build runs.

    Attributes
    ----------
    method : Method
        What is measured of this build.
    build : Build or str
        The earlier one; or why there is none.
    """

    method: Method = field(kw_only=True)
    build: Build | str = field(kw_only=True)

    @classmethod
    def of(cls, method: Method, build: Build | str, name: str) -> Self:
        """Return a method as a build has it, under its name with that of the build."""
        return cls(
            f"{method.name}{MARK}{name}", method.package, method.module, method.dtype, own=True,
            note=f"{method.note}{'; ' if method.note else ''}as {name} has it", method=method, build=build,
        )  # fmt: skip

    def missing(self) -> str | None:
        """Say why it cannot be measured here."""
        return self.build if isinstance(self.build, str) else self.method.missing()

    def edition(self, case: Any) -> str:
        """Return which build it is."""
        assert isinstance(self.build, Build)
        return self.build.commit or str(self.build.place)

    def judge(self, case: Any, subject: Any) -> Judge:
        """Return the method's own judge, without the definition: another build may have had another one."""
        judge = self.method.judge(case, subject)
        return replace(judge, likeness=None) if isinstance(judge, PictureJudge) else judge

    def rivals(self, method: Method) -> bool:
        """Say whether it is the same method."""
        return method.name == self.method.name

    def pin(self, threads: int) -> None:
        """Leave the threads of this process alone: those of the other one are set with each order."""

    def call(self, case: Any, *given: Any) -> Callable[[], Any]:
        """Return the call, which the build's process makes."""
        assert isinstance(self.build, Build)
        return Asked(self.build, self.method, case, given)
