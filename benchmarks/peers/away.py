"""Filters in a process of their own, which times them: of an interpreter that a variable names, or of this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..harness.elsewhere import Asked, Elsewhere
from ..harness.methods import CannotRun, Denoiser
from .equal import Equal
from .plain import Plain

OTHERS = "NLMEANS_PEERS"
"""Names the interpreter of what wants no other Python than ours, but packages that few have."""
OTHERS_INSTALL = (
    "python3 -m venv peers && peers/bin/pip install numpy threadpoolctl av==18.1.0 gmic==3.6.3.post1 bmnd==0.3.0 "
    f"antspyx==0.6.3 SimpleITK==2.5.7 bm4d==4.2.5 && export {OTHERS}=$PWD/peers/bin/python"
)
DIMENSIONS = {"grey": 2, "colour": 3, "volume": 3, "clip": 3}


@cache
def interpreter(program: str, threads: int) -> Elsewhere:
    """Return the process of an interpreter, one for all filters on as many threads: some read them when they start."""
    return Elsewhere(program, program, threads=threads)


@dataclass(frozen=True)
class Filter(Denoiser):
    """A filter as its own interpreter calls it.

    Attributes
    ----------
    function : callable
        What is called, on what `call` makes of it.
    options : mapping of str
        What it is called with; of a callable, what it returns for the case and σ.
    forms : tuple of str
        What it is measured on: "grey", "colour", "volume", "clip".
    single : bool
        Whether it has one thread only.
    """

    function: Callable[..., Any] = print
    options: Mapping[str, Any] = field(default_factory=dict)
    forms: tuple[str, ...] = ("grey",)
    single: bool = False

    def version(self) -> str:
        """Return the package's version."""
        return metadata.version(self.package)

    def given(self, case: Any, sigma: float) -> dict[str, Any]:
        """Return the options for a case and its σ."""
        return {name: value(case, sigma) if callable(value) else value for name, value in self.options.items()}


@dataclass(frozen=True)
class Answered:
    """A call on what was made of a picture beforehand; as text, what a user would write.

    Attributes
    ----------
    function : callable
        ``function(source, sigma, **options)``: filters.
    sigma : float
        Noise.
    options : mapping of str
        How.
    source : object
        What it is given.
    read : callable
        Makes an array of what it returns, within the clock: that is no more than a copy.
    """

    function: Callable[..., Any]
    sigma: float
    options: Mapping[str, Any]
    source: Any
    read: Callable[[Any], np.ndarray]

    def __call__(self) -> np.ndarray:
        """Filter: nothing is kept from one call to the next."""
        return self.read(self.function(self.source, self.sigma, **self.options))

    def __str__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.function.__name__}(image, sigma={self.sigma!r}{', ' if words else ''}{words})"


@dataclass(frozen=True)
class Away(Denoiser):
    """A filter that another process runs, with the same clock.

    Attributes
    ----------
    filter : Filter
        What runs there.
    variable : str
        Names the interpreter; where it does not, this one will do if it has the module.
    setup : str
        The line that makes the interpreter and names it.
    """

    filter: Filter = field(kw_only=True)
    variable: str = OTHERS
    setup: str = OTHERS_INSTALL

    @property
    def install(self) -> str:
        """The line that makes the interpreter and names it."""
        return self.setup

    def program(self) -> str | None:
        """Return the interpreter, if there is one."""
        return os.environ.get(self.variable) or (sys.executable if find_spec(self.module) else None)

    def process(self, threads: int = 1) -> Elsewhere:
        """Return the interpreter's process."""
        program = self.program()
        assert program is not None
        return interpreter(program, threads)

    def missing(self) -> str | None:
        """Say why it cannot be used: no interpreter is named, or that one has no such filter."""
        program = self.program()
        if program is None:
            return f"{self.variable} names no interpreter with {self.package}"
        try:
            return self.process().ask("missing", self.filter) or None
        except (OSError, RuntimeError) as error:
            return f"{program}, which {self.variable} names, does not answer: {error}"

    def version(self) -> str:
        """Return the version that the interpreter has."""
        text: str = self.process().ask("version", self.filter)
        return text

    def threads(self, case: Any, wanted: int) -> int:
        """Return the number of threads it will use where ``wanted`` are allowed."""
        return 1 if self.filter.single else wanted

    def pin(self, threads: int) -> None:
        """Leave the threads of this process alone."""

    def call(self, case: Any, image: np.ndarray, sigma: float, threads: int) -> Asked:  # type: ignore[override]
        """Return the call, which the interpreter makes and times."""
        if case.form not in self.filter.forms or image.ndim != DIMENSIONS[case.form]:
            raise CannotRun(f"{self.name} is measured on {' and '.join(self.filter.forms)} alone")
        used = self.threads(case, threads)
        translated = replace(self.filter, options=self.filter.given(case, sigma))
        return Asked(self.process(used), translated, case, (image, sigma, used))


@dataclass(frozen=True)
class EqualAway(Away, Equal):
    """One that is given radii."""


@dataclass(frozen=True)
class PlainAway(Away, Plain):
    """One that is given σ."""


def radius(case: Any, sigma: float) -> int:
    """Return the case's search radius."""
    return int(case.reach)


def patch(case: Any, sigma: float) -> int:
    """Return the case's patch radius."""
    return int(case.patch_radius)
