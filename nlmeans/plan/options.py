"""Options: the arguments that `denoise`, `plan` and `weight_map` share, checked and parsed once."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._axes import Layout
from ..pairwise.spec import Aggregation, Centre
from .defaults import Quality

if TYPE_CHECKING:
    from ..noise.fitted import FittedNoise
    from ..noise.model import NoiseModel


SPECIAL = frozenset(
    {
        "aggregation", "bias", "centre", "guide", "guide_sigma", "passes", "patch_radius", "search_radius", "spacing",
        "strength", "wiener",
    }
)  # fmt: skip
"""Options that a method may not honour."""


@dataclass(frozen=True, eq=False)
class Options:
    """Checked arguments that `denoise`, `plan` and `weight_map` share."""

    layout: Layout
    known: np.ndarray | None
    noise: tuple[NoiseModel, ...]
    quality: Quality
    guide: np.ndarray | None
    guide_sigma: float
    strength: float | str | None
    patch_radius: tuple[int, ...] | None
    search_radius: tuple[int, ...] | None
    spacing: tuple[float, ...] | None
    bias: bool
    centre: Centre | None
    aggregation: Aggregation | None
    passes: int | None
    wiener: bool | None
    nodata: float | None
    padding: bool
    outliers: str | None

    @classmethod
    def check(
        cls,
        image: np.ndarray,
        *,
        sigma: Any = None,
        noise: Any = None,
        axes: Any = None,
        channel_axis: Any = None,
        mask: Any = None,
        guide: Any = None,
        **others: Any,
    ) -> Options:
        """Refuse what is wrong, and return the rest parsed."""
        from ..noise.arguments import model_of, models_of

        cls.check_names(others)
        layout = _checks.layout(image, axes, channel_axis)
        known = _checks.known(image, mask, layout)
        limits = _checks.limits(image, known, _checks.nodata(others.get("nodata")))
        models = models_of(model_of(sigma, noise), image, layout, *limits)
        planes = None if known is None else layout.planes(known)
        return cls.parsed(layout, planes, models, _checks.guide(guide, image, layout), **others)

    @classmethod
    def check_names(cls, options: Iterable[str]) -> None:
        """Refuse options that there are not."""
        if unknown := sorted(set(options) - _names()):
            raise TypeError(f"there is no option {', '.join(unknown)} here")

    @classmethod
    def parsed(
        cls,
        layout: Layout,
        known: np.ndarray | None,
        noise: tuple[NoiseModel, ...],
        guide: np.ndarray | None,
        *,
        quality: Any = None,
        guide_sigma: Any = None,
        strength: Any = None,
        patch_radius: Any = None,
        search_radius: Any = None,
        spacing: Any = None,
        bias: Any = None,
        centre: Any = None,
        aggregation: Any = None,
        passes: Any = None,
        wiener: Any = None,
        nodata: Any = None,
        padding: Any = None,
        outliers: Any = None,
    ) -> Options:
        """Refuse what is wrong among the arguments that do not depend on the image, and join the others to them."""
        guide_noise = 0.0 if guide_sigma is None else _checks.real(guide_sigma, "guide_sigma")
        if guide_noise < 0 or (guide_noise and guide is None):
            raise ValueError(f"guide_sigma must be at least 0, and comes with a guide; got {guide_noise:g}")
        return cls(
            layout=layout,
            known=known,
            noise=noise,
            quality=_checks.choice(quality, "quality", ("fast", "balanced", "best")) or "balanced",
            guide=guide,
            guide_sigma=guide_noise,
            strength=_checks.strength(strength),
            patch_radius=_checks.radii(patch_radius, "patch_radius", layout),
            search_radius=_checks.radii(search_radius, "search_radius", layout),
            spacing=_checks.spacing(spacing, layout),
            bias=_checks.flag(bias, "bias") is not False,
            centre=_checks.choice(centre, "centre", ("max", "one", "zero")),
            aggregation=_checks.choice(aggregation, "aggregation", ("pixel", "patch")),
            passes=_checks.choice(passes, "passes", (1, 2)),
            wiener=_checks.flag(wiener, "wiener"),
            nodata=_checks.nodata(nodata),
            padding=_checks.flag(padding, "padding") is not False,
            outliers=_checks.choice(outliers, "outliers", ("keep", "fill")),
        )

    def map_of(self, index: int) -> np.ndarray | None:
        """Return the map of σ (1 or C, Z, Y, X) of the ``index``-th image; None if one number says all."""
        return self.noise[index % len(self.noise)].map

    @property
    def fits_noise(self) -> bool:
        """Whether a number of the noise is left to the image."""
        return not self.noise[0].complete

    def fitted_noise(self, planes: np.ndarray, index: int, saturation: tuple[float, float] | None) -> FittedNoise:
        """Return the noise of the ``index``-th image, planes (C, Z, Y, X) where NaN does not count."""
        return self.noise[index % len(self.noise)].fitted(planes, None, saturation)


@cache
def _names() -> set[str]:
    """Return the names of the options that do not depend on the image, which take long to look up."""
    parameters = inspect.signature(Options.parsed).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
