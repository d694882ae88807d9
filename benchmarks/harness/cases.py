"""What a case is: one thing to measure, with all that its numbers depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

PEAK = 255.0
"""White in the pictures, and in a float or uint8 image made of one."""

Kind = Literal["call", "program", "memory", "first-call", "import", "pictures"]
Form = Literal["grey", "colour", "volume", "clip"]


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    name : str
        What ``--only`` finds it by.
    kind : {"call", "program", "memory", "first-call", "import", "pictures"}
        How it is measured: a call in this process; a whole program that reads and writes PNG; the memory and the
        seconds, or the first call, of a fresh process; an import; each of many pictures once.
    methods : tuple of str
        Names of the suite's methods.
    each_thread_count : bool
        Whether it is run for each of the thread counts asked for, or for the largest only.
    rounds : int or None
        A fixed number of rounds, whatever ``--repeat`` says.
    multiples : bool
        Whether each time is also given as a multiple of the first method's.
    note : str
        What a reader must know of the contest: above all, who is left out of it.
    own_threads : int or None
        Threads that it is run with, whatever the run is given.
    """

    name: str
    kind: Kind
    methods: tuple[str, ...]
    each_thread_count: bool = True
    rounds: int | None = None
    multiples: bool = False
    note: str = ""
    own_threads: int | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as it stands in result files."""
        shown_elsewhere = ("name", "kind", "methods", "multiples", "note", "own_threads")
        fields = {name: value for name, value in asdict(self).items() if name not in shown_elsewhere}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def quick(self) -> Self:
        """Return the case so small that all cases together take seconds."""
        raise NotImplementedError

    def subject(self) -> Any:
        """Make what the methods are given: the same numbers at every run and on every machine."""
        raise NotImplementedError

    def warm_up(self, given: Any) -> Any:
        """Cut a little out of what a method is given, to load its code before memory is taken."""
        raise NotImplementedError

    def copy_bytes(self) -> int:
        """Return the bytes of a float32 copy of the input, in which memory is given."""
        raise NotImplementedError
