"""Settings: what a user chose, as arguments, as Python and as a command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from .. import _checks
from ..noise.arguments import model_of
from ..noise.model import NoiseModel
from ..noise.models import MODELS, Auto, Gaussian
from ..noise.text import parse, text
from ..plan.options import OPTIONS


@dataclass(frozen=True)
class Settings:
    """What a user chose; None leaves a choice to `denoise`.

    Attributes
    ----------
    noise : str or None
        What the command line calls the model.
    numbers : str or None
        The model's numbers as the command line has them, such as "gain=2,sigma=3"; of Gaussian noise σ alone, as "5" or
        "5,6,5".
    method, quality : str or None
        As for `denoise`.
    strength : float or None
        As for `denoise`.
    """

    noise: str | None = None
    numbers: str | None = None
    method: str | None = None
    quality: str | None = None
    strength: float | None = None

    @classmethod
    def of(cls, sigma: Any, noise: Any, **others: Any) -> Settings:
        """Return the settings that arguments of `denoise` mean.

        Raises
        ------
        TypeError, ValueError
            For arguments that `denoise` refuses, and for noise that is no model with a name, or has maps.
        """
        if sigma is None and noise is None:
            return cls(**others)
        if sigma is not None and noise is not None:
            raise ValueError(f"sigma is short for noise: give one of them, not both; got {_checks.short(sigma)}")
        model = model_of(sigma, noise)
        named = MODELS | {Auto.name: Auto}
        if type(model) is not named.get(model.name) or model.maps:
            raise TypeError(
                f"noise must be 'auto', or one of {', '.join(kind.__name__ for kind in MODELS.values())} without maps; "
                f"got {_checks.short(noise if sigma is None else sigma)}"
            )
        return cls(noise=model.name, numbers=numbers_of(model) if model.complete else None, **others)

    @property
    def sigma(self) -> Any:
        """The σ that is given, one or one a channel; None where there is none."""
        if self.numbers is None or self.noise not in (None, Gaussian.name):
            return None
        option = OPTIONS["sigma"]
        assert option.parse is not None
        try:
            return option.parse(self.numbers.replace(" ", ""))
        except ValueError:
            raise ValueError(f"σ must be a number, or one a channel such as 9.5,8,11; got {self.numbers!r}") from None

    def model(self) -> NoiseModel | str | None:
        """Return what ``noise`` is given; None where that is left out, or σ given in its place."""
        if self.noise is None or self.sigma is not None:
            return None
        try:
            model = parse(self._spelled())
        except ValueError as error:
            raise ValueError(f"noise {error}") from None
        if isinstance(model, NoiseModel) and model.maps:
            raise ValueError(f"noise must have no maps here; got {self.numbers!r}")
        return model

    def arguments(self) -> dict[str, Any]:
        """Return what was chosen by the names of `denoise`'s arguments."""
        chosen = {
            "sigma": self.sigma, "noise": self.model(), "method": self.method, "quality": self.quality,
            "strength": self.strength,
        }  # fmt: skip
        return {name: value for name, value in chosen.items() if value is not None}

    def code(self, image: str, **others: Any) -> str:
        """Return the call in Python; ``others`` are arguments besides, left out where they are None."""
        given = self.arguments() | {name: value for name, value in others.items() if value is not None}
        words = [image, *(f"{name}={_written(value)}" for name, value in given.items())]
        return f"import nlmeans\n\nclean = nlmeans.denoise({', '.join(words)})\n"

    def command(self, source: str, target: str, **others: Any) -> str:
        """Return the command that does the same with files."""
        given: dict[str, Any] = {"sigma": None, "noise": None}
        if (sigma := self.sigma) is not None:
            given["sigma"] = ",".join(map(repr, sigma)) if isinstance(sigma, list) else repr(sigma)
        elif self.noise is not None:
            given["noise"] = self._spelled()
        given |= {"method": self.method, "quality": self.quality, "strength": self.strength, **others}
        words = ["nlmeans", "denoise", source, target]
        for name, value in given.items():
            words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(words)

    def _spelled(self) -> str:
        assert self.noise is not None
        return self.noise if self.numbers is None else f"{self.noise}:{self.numbers.replace(' ', '')}"


def numbers_of(model: NoiseModel) -> str:
    """Return a model's numbers, with all their digits, as `Settings.numbers` has them."""
    numbers = text(model, "").partition(":")[2]
    return numbers.removeprefix("sigma=") if model.name == Gaussian.name else numbers


def _written(value: Any) -> str:
    """Return an argument as Python."""
    if not isinstance(value, NoiseModel):
        return repr(value)
    return f"nlmeans.noise.{value!r}" if value.complete else f"nlmeans.noise.{type(value).__name__}()"
