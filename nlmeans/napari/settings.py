"""What the user has chosen, and the arguments of `nlmeans.denoise` that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nlmeans.extend import NoiseModel, method_of
from nlmeans.noise import Camera, Gaussian, PoissonGaussian, Rician

MODELS: dict[str, type[NoiseModel] | None] = {
    "Gaussian": Gaussian, "Poisson-Gaussian": PoissonGaussian, "Rician": Rician, "camera": Camera, "automatic": None,
}  # fmt: skip
"""Models by the names that are shown; of the last one, the library chooses."""
NUMBERS: dict[str, tuple[str, ...]] = {
    "Gaussian": ("sigma",), "Poisson-Gaussian": ("gain", "offset", "sigma"), "Rician": ("sigma",),
    "camera": ("full", "half", "quarter"), "automatic": (),
}  # fmt: skip
"""The numbers of a model that are shown and can be edited."""

Number = float | tuple[float, ...]


@dataclass(frozen=True)
class Settings:
    """What the controls say.

    Attributes
    ----------
    noise : str
        One of `MODELS`.
    numbers : mapping of str to numbers, or None
        The numbers of the model; None where they are estimated.
    method, quality : str
        As `nlmeans.denoise` takes them.
    strength : float or None
        h/σ; None where it is chosen from the noise.

    Examples
    --------
    >>> Settings(noise="Poisson-Gaussian", numbers={"gain": 2.0, "offset": 0.0, "sigma": 3.0}).arguments()
    {'noise': PoissonGaussian(gain=2.0, offset=0.0, sigma=3.0)}
    >>> Settings(numbers={"sigma": 10.0}, quality="best", strength=0.5).arguments()
    {'sigma': 10.0, 'quality': 'best', 'strength': 0.5}
    """

    noise: str = "Gaussian"
    numbers: Mapping[str, Number] | None = field(default=None, hash=False)
    method: str = "nlm"
    quality: str = "balanced"
    strength: float | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `nlmeans.denoise`, without those that are as by default."""
        given = self.noise_arguments()
        usual = Settings()
        given |= {
            name: getattr(self, name)
            for name in ("method", "quality", "strength")
            if getattr(self, name) != getattr(usual, name)
        }
        if "strength" not in method_of(self.method).options:
            given.pop("strength", None)
        return given

    def noise_arguments(self) -> dict[str, Any]:
        """Return those that say what the noise is."""
        model = MODELS[self.noise]
        if model is None:
            return {"noise": "auto"}
        if model is Gaussian:
            sigma = None if self.numbers is None else self.numbers["sigma"]
            return {} if sigma is None else {"sigma": list(sigma) if isinstance(sigma, tuple) else sigma}
        return {"noise": model(**(self.numbers or {}))}


def numbers_of(noise: str, model: NoiseModel) -> dict[str, Number] | None:
    """Return the numbers of a model as `Settings` has them; None where it is another model than is shown."""
    if type(model) is not MODELS[noise]:
        return None
    return {name: _short(getattr(model, name)) for name in NUMBERS[noise]}


def _short(value: Any) -> Number:
    """Return a tuple of one number as that number."""
    if isinstance(value, tuple):
        return float(value[0]) if len(set(value)) == 1 else tuple(map(float, value))
    return float(value)


def command_noise(model: NoiseModel) -> str:
    """Return a model as the flag ``--noise`` takes it.

    >>> command_noise(PoissonGaussian(gain=(2.0, 3.0), sigma=1.5)), command_noise(Rician())
    ('poisson:gain=2.0,3.0,offset=0.0,sigma=1.5', 'rician')
    """
    usual = {one.name: one.default for one in fields(model)}
    values = {one.name: getattr(model, one.name) for one in fields(model)}
    said = {name: value for name, value in values.items() if value is not None and value != usual[name]}
    numbers = ",".join(f"{name}={listed(value)}" for name, value in said.items())
    return f"{model.name}:{numbers}" if numbers and model.complete else model.name


def listed(value: Any) -> str:
    """Return a number, or several, as flags take them."""
    return ",".join(repr(float(v)) for v in value) if isinstance(value, tuple | list) else repr(float(value))
