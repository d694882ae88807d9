"""What a person at a terminal sees: progress, notices, results on standard output, failures on standard error."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer

from ..formats import PictureError
from ..noise.numbers import listed
from ..plan.options import OPTIONS

FORESEEN = (PictureError, OSError, ValueError, TypeError, MemoryError, ImportError)  # the last: an extra is missing
PATIENCE = 0.5  # seconds without a bar: pictures that are done by then never pay for importing rich
PASSING = ("axes", "arithmetic", "expected", "note")
"""What a plan says of how it is computed."""
INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended


class Console:
    """Speaks while a command runs, and counts failures into its exit code.

    Parameters
    ----------
    quiet : bool
        Errors only.
    verbose : bool
        A table for each picture, and what is odd about its file.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.code = 0
        self._notices = _Notices(logging.ERROR if quiet else logging.INFO)
        # tifffile mentions every oddity of a file, most of which are of no account.
        self._oddities = _Notices(logging.WARNING if verbose else logging.CRITICAL)

    def __enter__(self) -> Self:
        self._notices.listen("nlmeans")
        self._oddities.listen("tifffile")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._notices.leave("nlmeans")
        self._oddities.leave("tifffile")
        if kind is KeyboardInterrupt:
            typer.echo("nlmeans: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error

    @contextmanager
    def working_on(self, path: Path) -> Iterator[None]:
        """Report what goes wrong with a file, and let the others have their turn."""
        try:
            yield
        except FORESEEN as error:
            self.fail(path, reason(error, path))
        except Exception as error:  # a fault of ours: it may spoil one file, not the night's work
            traceback.print_exc()
            self.fail(path, f"unexpected {type(error).__name__}: {error}; please report it")

    def fail(self, path: Path, reason: str) -> None:
        """Name a file that could not be done, and why."""
        typer.echo(f"nlmeans: {path}: {reason}", err=True)
        self.code = 1

    def done(self, path: Path, report: Any) -> None:
        """Say that a file was written, and what was done, as far as the method's report tells."""
        source = getattr(report, "plan", report)
        figures = [_noise(source)] if hasattr(source, "noise") else []
        if hasattr(report, "seconds"):
            figures.append(f"{report.seconds:.2f} s")
        self._say(path, ", ".join(figures) or "done", report)

    def kept(self, path: Path) -> None:
        """Say that a file was written before the same command was interrupted."""
        if not self.quiet:
            typer.echo(f"{path}: done before")

    def drawn(self, path: Path, summary: str, plan: Any) -> None:
        """Say that a drawing was written, and what it shows."""
        self._say(path, summary, plan)

    def _say(self, path: Path, summary: str, details: Any) -> None:
        if self.quiet:
            return
        typer.echo(f"{path}: {summary}")
        if self.verbose:
            typer.echo(f"{details}\n")
            return  # the notes are in the table
        for note in getattr(details, "notes", ()):
            typer.echo(f"note: {path}: {in_flags(note)}", err=True)

    @contextmanager
    def bar(self, name: str) -> Iterator[_Bar | None]:
        """Yield what `nlmeans.denoise` takes for its progress; on a terminal it draws a bar."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        shown = _Bar(name)
        try:
            yield shown
        finally:
            shown.close()


class _Bar:
    def __init__(self, name: str) -> None:
        self._name = name
        self._start = time.monotonic()
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            from rich.console import Console as Screen
            from rich.markup import escape
            from rich.progress import Progress

            self._bar = Progress(console=Screen(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(escape(self._name))
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


class _Notices(logging.Handler):
    """Shows on standard error what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"{record.name}: {record.getMessage()}", err=True)

    def listen(self, name: str) -> None:
        logger = logging.getLogger(name)
        self._before = logger.level
        logger.addHandler(self)
        logger.setLevel(self.level)

    def leave(self, name: str) -> None:
        logger = logging.getLogger(name)
        logger.removeHandler(self)
        logger.setLevel(self._before)


def _noise(plan: Any) -> str:
    """Return the noise that was assumed, in few figures."""
    if plan.plain:
        return f"sigma {listed(plan.sigma)}"
    return f"noise {plan.noise}"


def in_a_line(report: Any) -> str:
    """Return what was done to a picture, as far as the method's report says."""
    rows: list[tuple[str, str]] = getattr(getattr(report, "plan", report), "rows", list)()
    return ", ".join(f"{name} {value}" for name, value in rows if name not in PASSING) or "denoised"


def in_flags(text: str) -> str:
    """Return what the library says of its arguments as flags: ``noise='auto'`` as ``--noise auto``."""
    text = re.sub(r"\b([a-z_]+)=(?:'([^']*)'|(-?\d+)\b)", _flag, text)
    return re.sub(rf"\b({'|'.join(name for name in OPTIONS if '_' in name)})\b", lambda match: spelled(match[0]), text)


def _flag(match: re.Match[str]) -> str:
    name, word, number = match.groups()
    return f"{spelled(name)} {word or number}" if name == "channel_axis" or word is not None else match[0]


def spelled(name: str) -> str:
    """Return the flag of an option."""
    return "--" + name.replace("_", "-")


def reason(error: Exception, path: Path) -> str:
    """Return what went wrong with a file, without the name that the reader knows."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        other = error.filename and Path(error.filename) != path
        return f"{error.strerror}: {error.filename}" if other else error.strerror
    text = str(error) if isinstance(error, PictureError) else in_flags(str(error))
    return text.removeprefix(f"{path} ")
