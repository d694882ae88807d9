"""Flags, made from the options that there are: what Typer asks for, and what it gives to a command."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from ..formats.table import is_file, series_in
from ..methods import registry
from ..plan.options import OPTIONS, WORK, clash
from .console import spelled


class Flags:
    """Values of flags, by the names of the library's arguments; ``flags`` are what Typer asks for."""

    flags: ClassVar[dict[str, inspect.Parameter]]

    def __init__(self, **given: Any) -> None:
        self.given = {name: given.get(name, parameter.default) for name, parameter in self.flags.items()}
        if (pair := clash(self.given)) is not None:
            name, other, rule = pair
            raise typer.BadParameter(rule.format(spelled(other)), param_hint=spelled(name))


def flag(name: str) -> Any:
    """Return what Typer is to know of an option's flag."""
    option = (OPTIONS | WORK)[name]
    parse = PARSERS.get(name, option.parse)

    def read(text: str) -> Any:
        try:
            if parse is None:
                raise ValueError(f"must be a file that exists; got {text!r}")
            value = parse(text)
            option.checked(value, name, None)
        except (TypeError, ValueError) as error:
            if option.file and is_file(series_in(Path(text))[0]):
                return Path(text)
            raise typer.BadParameter(str(error).removeprefix(f"{name} ")) from None
        return value

    return typer.Option(
        parser=read if parse or option.file else None,
        metavar=option.metavar,
        min=option.least,
        max=option.most,
        help=option.help,
    )


def parameter(name: str, annotation: Any = None, default: Any = None) -> inspect.Parameter:
    """Return the parameter of a command that is a flag, by default that of an option."""
    if annotation is None:
        details = flag(name)
        annotation = Annotated[Any if details.parser else (OPTIONS | WORK)[name].kind | None, details]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all flags of its parameters that are `Flags`.

    The command is called with the objects; Typer sees the flags, since it reads ``__signature__``.
    """
    signature = inspect.signature(command, eval_str=True)
    kinds = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if isinstance(one.annotation, type) and issubclass(one.annotation, Flags)
    }
    flags = [
        flag
        for name, one in signature.parameters.items()
        for flag in (kinds[name].flags.values() if name in kinds else [one.replace(kind=one.KEYWORD_ONLY)])
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        objects = {name: kind(**{flag: given.pop(flag) for flag in kind.flags}) for name, kind in kinds.items()}
        command(**given, **objects)

    run.__signature__ = signature.replace(parameters=flags)  # type: ignore[attr-defined]
    return run


def size(text: str) -> float:
    """Return a number of bytes."""
    match = re.fullmatch(r"(\d+\.?\d*) *([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"must be a number of bytes, such as 500M or 2G; got {text!r}")
    return float(match[1]) * 1024.0 ** ("", "k", "m", "g", "t").index(match[2])


def place(text: str) -> tuple[int, ...]:
    """Return the indices of a pixel."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        rule = "must be a pixel's row and column, such as 120,80, after its slice in a volume"
        raise typer.BadParameter(f"{rule}; got {text!r}") from None


def method_name(text: str) -> str:
    """Return the name of a method that there is."""
    if text == registry.DEFAULT:
        return text
    if text not in (names := registry.method_names()):  # looks through all installed packages
        raise typer.BadParameter(f"must be one of {', '.join(names)}; got {text!r}")
    return text


PARSERS = {"method": method_name}
"""Parsers that know of more than a value."""
