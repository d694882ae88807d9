"""What a method is: how it is called, what it is measured on, and who judges its answers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from .checks import Judge
from .environment import own_version
from .pictures import Likeness, Picture, PictureCase, PictureJudge
from .timing import pin_opencv, pin_torch

PINS = {"cv2": pin_opencv, "torch": pin_torch, "nonlocal_block": pin_torch}


@dataclass(frozen=True)
class Call:
    """A function with the arguments that it is measured with; as text, what a user would write."""

    function: Callable[..., Any]
    name: str
    image: np.ndarray
    arguments: dict[str, Any]

    def __call__(self) -> Any:
        """Run it."""
        return self.function(self.image, **self.arguments)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(['image', *(f'{key}={value!r}' for key, value in self.arguments.items())])})"


class CannotRun(RuntimeError):
    """Said by a method that is installed and cannot work on this machine, which is no failure of an answer.

    ``install`` is the line that would help, if any.
    """

    def __init__(self, reason: str, install: str | None = None) -> None:
        super().__init__(reason)
        self.install = install


@dataclass(frozen=True)
class Method:
    """A method, and the type of what it is given.

    Attributes
    ----------
    name : str
        What ``--methods`` finds it by.
    package, module : str
        What pip installs, and what Python imports.
    dtype : str
        The type of its input.
    own : bool
        Whether it is this project's.
    yardstick : bool
        Whether our other methods are compared with it though it is our own.
    note : str
        What a reader must know to compare it with others: above all, what it cannot do.
    enters : tuple of str
        Contests that it takes part in without being named by them; each suite says which it holds.
    """

    name: str
    package: str
    module: str
    dtype: str
    own: bool = False
    yardstick: bool = False
    note: str = ""
    enters: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The line that installs it."""
        return f"pip install {self.package}"

    def missing(self) -> str | None:
        """Say why the method cannot be used here, or None."""
        try:
            importlib.import_module(self.module)
        except Exception as error:  # a library that is installed in part raises what it likes
            return f"{self.module} cannot be imported: {error}"
        return None

    def version(self) -> str:
        """Return the version that is measured: the imported module's own word where it has one."""
        if self.own:
            return own_version()
        stated = getattr(importlib.import_module(self.module), "__version__", None)
        return str(stated or metadata.version(self.package))

    def edition(self, case: Any) -> str:
        """Return all that its answers to a case depend on besides the machine."""
        return self.version()

    def threads(self, case: Any, wanted: int) -> int:
        """Return the number of threads it will use where ``wanted`` are allowed."""
        return wanted

    def rivals(self, method: Method) -> bool:
        """Say whether a method of ours that is measured beside it is compared with it."""
        return True

    def pin(self, threads: int) -> None:
        """Set the threads of a library that keeps them as a setting; the others take them as an argument."""
        if set_threads := PINS.get(self.module.partition(".")[0]):
            set_threads(threads)

    def judge(self, case: Any, subject: Any) -> Judge:
        """Return who says whether its answers to a case are right; ``subject`` is the case's."""
        raise NotImplementedError

    def call(self, case: Any, *given: Any) -> Callable[[], Any]:
        """Return the call to measure, on what its judge says it is given and a number of threads."""
        raise NotImplementedError


@dataclass(frozen=True)
class Denoiser(Method):
    """A method that takes a noisy picture."""

    def judge(self, case: PictureCase, subject: Picture) -> PictureJudge:
        """Return the judge of its answers for the picture in its type; a PNG file has 8 bits."""
        image = subject.image("uint8" if case.kind == "program" else self.dtype)
        return PictureJudge.of(case, image, self.likeness(case, image.sigma))

    def call(self, case: PictureCase, image: np.ndarray, sigma: float, threads: int) -> Call:
        """Return the call to measure on an image of the method's type."""
        raise NotImplementedError

    def command(self, case: PictureCase, source: str, target: str, threads: int) -> list[str]:
        """Return the command that denoises an 8-bit PNG file as a whole process."""
        raise NotImplementedError

    def likeness(self, case: PictureCase, sigma: float) -> Likeness | None:
        """Return how near it must come to the definition; None where no spec describes what it computes."""
        return None
