"""Denoiser: `nlmeans.Denoiser` as a layer, with gradients where the method has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor, nn

import nlmeans
from nlmeans.extend import real

from . import _checks
from ._planes import HELD, SMALLEST, Evening, Scale, averaged, extremes
from .method import Learned
from .nlm import NonLocalMeans2d
from .trained import CHOICES

if TYPE_CHECKING:
    from nlmeans.extend import Method, Quality
    from nlmeans.pairwise import Centre

    class Given(TypedDict, total=False):
        """Options of `nlmeans.denoise` for images in memory whose noise is told."""

        strength: float | Literal["sure", "j-invariant"] | None
        patch_radius: int | Sequence[int] | None
        search_radius: int | Sequence[int] | Literal["image"] | None
        bias: bool | None
        centre: Centre | None
        aggregation: Literal["pixel", "patch"] | None
        passes: Literal[1, 2] | None
        wiener: bool | None
        padding: bool | None
        outliers: Literal["keep", "fill"] | None
        threads: int | None


GRADIENTS = {
    "nlm": (("preview", "fast"), {"strength", "patch_radius", "search_radius", "bias", "centre", "threads"}),
    Learned.name: (tuple(CHOICES), {"threads"}),
}
"""Methods that have gradients, with the qualities and the options that have them too."""


class Denoiser(nn.Module):
    """Remove noise from batches of images by any method of `nlmeans.denoise`.

    Parameters
    ----------
    method, quality, **options
        As for `nlmeans.Denoiser`.
    differentiable : bool, default False
        Whether results have gradients in the image and in sigma. Method "nlm" has them in the qualities "preview" and
        "fast", and "learned" in all; others are refused.

    Raises
    ------
    TypeError, ValueError
        As `nlmeans.Denoiser`; for a method or a quality without a gradient, if one is asked for; in the forward pass,
        if x or sigma break their rules, or x requires a gradient that this layer was not made for.

    Notes
    -----
    ``forward(x, sigma)`` takes x of shape (B, C, H, W) and the standard deviation of its noise in the units of x: a
    number, or a tensor with one for each image. Each image is denoised by itself, its channels together. The result is
    that of `nlmeans.denoise` and comes back on the device of x; the work is the CPU's.

    With ``differentiable``, "nlm" computes in floating point by `pairwise_attention`, with the radii and the strength
    that `nlmeans.plan` says: weights end at 2⁻³² there, not at 2⁻¹² as in `nlmeans.denoise`, so that flat regions
    become a little smoother. "learned" is the networks alone, without what `nlmeans.denoise` mixes in of "ridge" in the
    qualities "balanced" and "best", and runs on the device of x. The gradient leaves aside that the plan itself depends
    on the image, and for "learned" that the grey scale does.

    Examples
    --------
    >>> import torch, nonlocal_block
    >>> x = torch.rand(2, 1, 32, 32)
    >>> nonlocal_block.Denoiser("ridge", "fast")(x, 0.3).shape
    torch.Size([2, 1, 32, 32])
    >>> x = x.requires_grad_()
    >>> nonlocal_block.Denoiser("learned", differentiable=True)(x, 0.3).sum().backward()
    >>> x.grad.shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        method: str | Method | type[Method] | None = None,
        quality: Quality | None = None,
        *,
        differentiable: bool = False,
        **options: Unpack[Given],
    ) -> None:
        super().__init__()
        self.denoiser = nlmeans.Denoiser(method, quality, axes="CYX", **options)
        self.differentiable = _checks.flag(differentiable, "differentiable")
        self.quality: Quality = quality or "balanced"
        self.options: dict[str, Any] = {**options}
        self.networks = nn.ModuleDict()
        if not self.differentiable:
            return
        name = self.denoiser.method.name
        qualities, honoured = GRADIENTS.get(name, ((), set()))
        if self.quality not in qualities:
            raise ValueError(
                "differentiable=True is for method 'nlm' in quality 'preview' or 'fast', and for 'learned': others "
                f"have no gradient; got method {name!r}, quality {self.quality!r}"
            )
        if others := sorted(set(options) - honoured):
            raise TypeError(f"differentiable=True has no option {', '.join(others)} for method {name!r}: leave out")
        if isinstance(options.get("strength"), str):
            raise ValueError(f"strength must be a number where differentiable=True; got {options['strength']!r}")
        if name == Learned.name:
            for channels, choice in CHOICES[self.quality].items():
                self.networks[str(channels)] = choice.load().requires_grad_(False)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return x without noise of the standard deviation ``sigma``, see the class."""
        x = _checks.image(x, None, 2)
        levels = _checks.deviation(sigma, x).expand(len(x), 1, 1, 1)
        if len(x) == 0:
            return x
        if self.differentiable:
            one = self._network if self.networks else self._average
            return torch.cat([one(x[k : k + 1], levels[k : k + 1]) for k in range(len(x))])
        if torch.is_grad_enabled() and (x.requires_grad or levels.requires_grad):
            raise TypeError(
                f"x and sigma must require no gradient here; got method {self.denoiser.method.name!r} without "
                "differentiable=True, which 'nlm' (preview, fast) and 'learned' have: or call it within torch.no_grad()"
            )
        given = x.float() if x.dtype == torch.bfloat16 else x  # which NumPy has not
        pixels = given.detach().cpu().numpy()
        results = [self.denoiser(image, float(level)) for image, level in zip(pixels, levels.detach(), strict=True)]
        return torch.from_numpy(np.stack(results)).to(x)

    def prox(self, x: Tensor, tau: float) -> Tensor:
        """Return the proximal step of length ``tau``, as `nlmeans.Denoiser.prox`: x without noise of this variance."""
        result: Tensor = self(x, math.sqrt(real(tau, "tau", least=0)))
        return result

    def _average(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return one image's average, by the radii and the strength that a plan for it has."""
        image: Any = x[0].detach().to("cpu", torch.promote_types(x.dtype, torch.float32)).numpy()
        given = {name: value for name, value in self.options.items() if name != "threads"}
        plan = nlmeans.plan(image, float(sigma.detach()), method="nlm", quality=self.quality, axes="CYX", **given)
        y, x_ = plan.patch_radius
        layer = NonLocalMeans2d((y, x_), plan.search_radius, plan.strength, plan.centre, plan.bias)
        result: Tensor = layer.to(x)(x, sigma.flatten())
        return result

    def _network(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return what a network makes of one image: of three channels together, or of each channel."""
        channels = x.shape[1]
        if str(channels) not in self.networks:
            return torch.cat([self._network(x[:, c : c + 1], sigma) for c in range(channels)], 1)
        level = float(sigma.detach())
        if level == 0:
            return x
        network: Any = self.networks[str(channels)]
        plane = x[0].detach().to("cpu", torch.promote_types(x.dtype, torch.float32)).numpy()
        scale = Scale.of(*extremes(plane, Evening.of([level] * channels)), level)
        scaled = ((x - scale.middle) / scale.span).clamp(-HELD, HELD).add(0.5).float()
        noise = (sigma / scale.span).float()
        change = averaged(
            network, scaled, noise.clamp(min=SMALLEST).expand(1, 1, *x.shape[2:]), CHOICES[self.quality][channels].turns
        )
        share = scale.span * (noise / SMALLEST).clamp(max=1).square()
        return x + (share * (change - scaled)).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the arguments for the printed form."""
        return f"{self.denoiser.method.name!r}, {self.quality!r}, differentiable={self.differentiable}"
