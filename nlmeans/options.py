"""Options: the arguments that `denoise`, `plan` and `weight_map` share, checked and parsed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from .crops import crops, cut
from .defaults import Quality
from .layout import Layout
from .pairwise.spec import Aggregation, Centre

if TYPE_CHECKING:
    from .noise.setting import Setting


OWN = ("nlm", "ridge")
"""Methods that are not another package's."""


@dataclass(frozen=True, eq=False)
class Options:
    """Checked arguments that `denoise`, `plan` and `weight_map` share."""

    method: str
    layout: Layout
    known: np.ndarray | None
    noise: Any
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
        from .noise.models import given

        layout = _checks.layout(image, axes, channel_axis)
        known = _checks.known(image, mask, layout)
        alone = not set("NT") & set(layout.axes)
        model = given(sigma, noise, image, layout, *_limits(image, known, layout), alone=alone)
        planes = None if known is None else layout.planes(known)
        return cls.parsed(layout, planes, model, _checks.guide(guide, image, layout), **others)

    @classmethod
    def parsed(
        cls,
        layout: Layout,
        known: np.ndarray | None,
        noise: Any,
        guide: np.ndarray | None,
        *,
        method: Any = "nlm",
        quality: Any = "balanced",
        guide_sigma: Any = 0.0,
        strength: Any = None,
        patch_radius: Any = None,
        search_radius: Any = None,
        spacing: Any = None,
        bias: Any = True,
        centre: Any = None,
        aggregation: Any = None,
        passes: Any = None,
        wiener: Any = None,
    ) -> Options:
        """Refuse what is wrong among the arguments that do not depend on the image, and join the others to them."""
        own = _checks.choice(method, "method", OWN) or "nlm"
        if own != "nlm":
            averaging = dict(
                guide=guide, strength=strength, patch_radius=patch_radius, search_radius=search_radius, centre=centre,
                aggregation=aggregation, passes=passes, wiener=wiener, guide_sigma=guide_sigma or None,
                bias=None if _checks.flag(bias, "bias") else bias,
            )  # fmt: skip
            unknown = sorted(name for name, value in averaging.items() if value is not None)
            if unknown:
                raise TypeError(f"method {own!r} has no option {', '.join(unknown)}: leave out, or take method 'nlm'")
        guide_noise = _checks.real(guide_sigma, "guide_sigma")
        if guide_noise < 0 or (guide_noise and guide is None):
            raise ValueError(f"guide_sigma must be at least 0, and comes with a guide; got {guide_noise:g}")
        return cls(
            method=own,
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
            bias=bool(_checks.flag(bias, "bias")),
            centre=_checks.choice(centre, "centre", ("max", "one", "zero")),
            aggregation=_checks.choice(aggregation, "aggregation", ("pixel", "patch")),
            passes=_checks.choice(passes, "passes", (1, 2)),
            wiener=_checks.flag(wiener, "wiener"),
        )

    def setting(self, planes: np.ndarray, index: int, saturation: tuple[float, float] | None) -> Setting:
        """Return the noise of the ``index``-th image, planes (C, Z, Y, X) in floating-point numbers."""
        from .noise.models import Gaussian
        from .noise.setting import Setting

        noise = self.noise
        if isinstance(noise, Gaussian) and isinstance(noise.sigma, np.ndarray):
            noise = Gaussian(noise.sigma[index])
        known = None if self.known is None else self.known[index, 0]
        return Setting.of(planes, noise, known, saturation)


def _limits(image: np.ndarray, known: np.ndarray | None, layout: Layout) -> tuple[float, float]:
    """Return the least and the greatest pixel that counts, of what a sample of each large image holds."""
    ends = _checks.limits(image, known)
    stack, there = layout.planes(image), None if known is None else layout.planes(known)
    tiles = crops(stack.shape[2:], stack.shape[1])
    if len(tiles) == 1:
        return ends
    found = []
    for k in range(len(stack)):
        part, counts = cut(stack[k : k + 1], tiles), None if there is None else cut(there[k : k + 1], tiles)
        if counts is None or counts.any():
            found.append(_checks.limits(part, counts))
    return (min(low for low, _ in found), max(high for _, high in found)) if found else ends
