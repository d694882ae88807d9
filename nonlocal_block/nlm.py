"""NonLocalMeans2d: the classical filter as a differentiable layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nlmeans.extend import choice
from nlmeans.pairwise import Centre

from . import _checks
from .backends import NAMES
from .functional import Search, pairwise_attention


class NonLocalMeans2d(nn.Module):
    """Non-local means of images, differentiable in the image, the noise and the strength.

    Every pixel becomes a weighted average of the pixels in a window around it; for patches of the two pixels that
    differ by d² in the mean square, w = exp(−max(d² − 2σ², 0) / h²) with h = strength · σ. It is the filter of
    `nlmeans.denoise` with the same parameters (one pixelwise pass), whose weights end at 2⁻³² though, and whose pixels
    weigh no more than the one most like them.

    Parameters
    ----------
    patch_radius, search_radius : int or tuple of 2 int
        Half-widths in pixels of the patches that are compared and of the window that is averaged, for both axes or
        for (y, x). A search radius beyond the image is capped to it; "image" searches everything.
    strength : float
        h/σ, above 0: larger smooths more. Becomes the parameter ``strength``.
    centre : {"max", "one", "zero"}
        Weight of the pixel itself: the largest weight of the others, 1, or 0. A pixel whose weights all vanish keeps
        its value.
    bias : bool, default True
        Take 2σ², the distance that noise alone makes, from d²; False gives the plain exp(−d²/h²).
    backend : str, default "auto"
        Who computes it, see `pairwise_attention`: on the CPU "numba", elsewhere "reference".

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Notes
    -----
    ``forward(x, sigma)`` takes x of shape (B, C, H, W) and the standard deviation of its noise in the units of x: a
    number, or a tensor with one for each image, which may require a gradient. It returns the shape of x; where sigma
    is 0, x itself. Channels are compared together and share their weights.

    Time is proportional to B·C·H·W times the pixels of the window, and with "numba" not to the patch unless a gradient
    is needed, when both time and memory grow with it; memory to B·C·H·W. The "reference" makes a pass over the image
    for each pixel of the window, two with ``centre="max"`` and as many again for the gradient, and holds
    about a dozen planes of the size of x; it is what CUDA runs.

    Without bias and with ``centre="one"`` it is the distance mode of `NonLocalBlock2d` with raw pixels as embeddings
    and exp(log_scale) = 1/(h²·C·P) for patches of P pixels.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, "Non-Local Means Denoising", IPOL 2011, doi:10.5201/ipol.2011.bcm_nlm.

    Examples
    --------
    >>> import torch
    >>> noisy = 100 + 10 * torch.randn(1, 1, 32, 32)
    >>> layer = NonLocalMeans2d(1, 5, strength=0.6)
    >>> clean = layer(noisy, 10.0)
    >>> bool(clean.std() < 0.5 * noisy.std())
    True
    """

    def __init__(
        self,
        patch_radius: int | tuple[int, int],
        search_radius: Search,
        strength: float,
        centre: Centre = "max",
        bias: bool = True,
        *,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.patch_radius = _checks.radii(patch_radius, "patch_radius", 2)[1:]
        window = _checks.search(search_radius, 2)
        self.search_radius: Search = "image" if window is None else window[1:]
        self.strength = nn.Parameter(torch.tensor(_checks.positive(strength, "strength")))
        self.centre: Centre = choice(centre, "centre", ("max", "one", "zero"))
        self.bias = _checks.flag(bias, "bias")
        self.backend = _checks.one_of(backend, "backend", ("auto", *NAMES))

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return x without noise of the standard deviation ``sigma``, see the class."""
        x = _checks.image(x, None, 2)
        deviation = _checks.deviation(sigma, x)
        silent = deviation == 0
        terms = x.shape[1] * (2 * self.patch_radius[0] + 1) * (2 * self.patch_radius[1] + 1)
        features = x / deviation.masked_fill(silent, 1)
        average = pairwise_attention(
            features,
            features,
            x,
            search_radius=self.search_radius,
            patch_radius=self.patch_radius,
            score="distance",
            weight="gaussian",
            normalise="sum",
            scale=1 / (self.strength.square() * terms),
            bias=2.0 * terms if self.bias else 0.0,
            centre=self.centre,
            backend=self.backend,
        )
        return torch.where(silent, x, average)

    def extra_repr(self) -> str:
        """Return what the layer's printed line says."""
        return f"{self.patch_radius}, {self.search_radius}, centre={self.centre!r}, bias={self.bias}"
