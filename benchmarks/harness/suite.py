"""A suite: which cases, with which methods, how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .cases import Case
from .methods import Method
from .schema import Record

Build = Callable[[Path | None, Sequence[float] | None], tuple[Case, ...]]
"""Returns the cases for a folder of standard sets, or those that need none, and for noise levels, or the usual ones."""


@dataclass(frozen=True)
class Suite:
    """Cases that are run by one command.

    Attributes
    ----------
    name, text : str
        The command, and its module's docstring: the first line says what it is for.
    build : callable
        Its cases.
    methods : mapping of str to Method
        What the cases' methods are found by.
    place : int
        Where it stands among all suites, by default behind them.
    rounds : int
        How often each call is timed unless the case or ``--repeat`` says otherwise.
    quick : tuple of Case or None
        Those that a quick run measures, before they are made small; None for all.
    sets : tuple of str
        Folders that ``--data`` may hold for it.
    noisy : bool
        Whether noise levels can be asked for.
    pairs : bool
        Whether ``--data`` may also hold other folders of pairs, or be one.
    beside : bool
        Whether our methods can be measured beside those of an earlier build.
    before : str
        The commit that our methods are measured beside, unless ``--against`` says otherwise; none where empty.
    overview : callable or None
        Returns lines that tell a result at a glance, printed below its tables.
    """

    name: str
    text: str | None
    build: Build
    methods: Mapping[str, Method]
    place: int = 99
    rounds: int = 1
    quick: tuple[Case, ...] | None = None
    sets: tuple[str, ...] = ()
    noisy: bool = False
    pairs: bool = False
    beside: bool = False
    before: str = ""
    overview: Callable[[Record], list[str]] | None = None

    @property
    def about(self) -> str:
        """What it is for."""
        return (self.text or "").partition("\n")[0].rstrip(".")

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that need nothing but what comes along."""
        return self.build(None, None)

    def small(self, data: Path | None, sigmas: Sequence[float] | None) -> tuple[Case, ...]:
        """Return the cases of a quick run."""
        cases = self.build(data, sigmas) if self.quick is None else self.quick
        return tuple(case.quick() for case in cases)


def fixed(cases: tuple[Case, ...]) -> Build:
    """Return what builds the same cases always."""
    return lambda data, sigmas: cases
