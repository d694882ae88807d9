"""NonLocalDenoiser: a small network around non-local means with learned weights, for every noise level."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import _checks
from .backends._patches import mirrored
from .functional import autocast, full_precision, pairwise_attention

Weights = Literal["learned", "raw", "none"]

WEIGHTS = ("learned", "raw", "none")
LEAST = 1e-4
"""Least σ, a fortieth of a grey level in 255: with less noise nothing is averaged."""
FAST: dict[str, Any] = {"widths": [24, 48, 64], "blocks": [1, 1, 1], "last": 1, "more": 4, "search_radius": 3}
"""Arguments of the small network of quality "fast", as checkpoints hold them."""
MULTIPLE = 8
"""Sides are multiples of this, since the network halves them three times."""


class NonLocalStage(nn.Module):
    """Non-local means with learned weights: it starts as the classical filter.

    y_i = 1/C_i · Σ_j exp(−‖θ_i − θ_j‖²) · x_j over a window around i, with θ = gain · σ^−exponent · E(guide), where E
    is a convolution as large as the patch. The pixel itself weighs 1.

    Parameters
    ----------
    channels : int
        Channels of the guide whose patches are compared.
    more : int
        Further channels of the guide; E starts without them.
    patch_radius, search_radius : int
        Half-width of the patches, and of the window.
    strength : float
        h/σ at the start.
    weights : {"learned", "raw", "none"}, default "learned"
        Whether E learns; or stays the raw patch, so that only gain and exponent learn; or the stage returns x.

    Notes
    -----
    ``forward(x, guide, sigma)`` takes x (B, V, H, W), a guide (B, channels + more, H, W) and σ of a shape that goes
    with (B, 1, H, W), and returns the shape of x. E starts as the extraction of patches, mirrored at the border, the
    exponent at 1 and the gain at 1/(strength · √(channels · P)) for patches of P pixels. Untrained it is therefore the
    pairwise average of `nlmeans` with bias 0 and centre "one", and the same core computes it.
    """

    def __init__(
        self,
        channels: int,
        more: int,
        patch_radius: int,
        search_radius: int,
        strength: float,
        weights: Weights = "learned",
    ) -> None:
        super().__init__()
        self.weights = _checks.one_of(weights, "weights", WEIGHTS)
        self.patch_radius = _checks.count(patch_radius, "patch_radius", 0)
        self.search_radius = _checks.count(search_radius, "search_radius", 0)
        channels, more = _checks.count(channels, "channels"), _checks.count(more, "more", 0)
        strength = _checks.positive(strength, "strength")
        side = 2 * patch_radius + 1
        terms = channels * side**2
        self.embed = nn.Conv2d(channels + more, terms, side, bias=False)
        self.log_gain = nn.Parameter(torch.tensor(-math.log(strength) - 0.5 * math.log(terms)))
        self.exponent = nn.Parameter(torch.tensor(1.0))
        nn.init.zeros_(self.embed.weight)
        with torch.no_grad():
            self.embed.weight[:, :channels] = torch.eye(terms).reshape(terms, channels, side, side)
        self.embed.requires_grad_(self.weights == "learned")

    def forward(self, x: Tensor, guide: Tensor, sigma: Tensor) -> Tensor:
        """Return the averages, see the class."""
        if self.weights == "none":
            return x
        r = self.patch_radius
        gain = self.log_gain.exp() * sigma.clamp(min=LEAST) ** -self.exponent
        with full_precision(x.device):  # in 16 bits, patches would differ by their rounding where there is little noise
            theta = self.embed(mirrored(guide.to(gain.dtype), (r, r))) * gain
        average = pairwise_attention(
            theta, theta, x.to(theta.dtype), search_radius=self.search_radius,
            score="distance", weight="gaussian", normalise="sum",
        )  # fmt: skip
        return average.to(x.dtype)

    def extra_repr(self) -> str:
        """Return the arguments for the printed form."""
        return f"patch_radius={self.patch_radius}, search_radius={self.search_radius}, weights={self.weights!r}"


class NonLocalDenoiser(nn.Module):
    """Remove Gaussian noise of a known level from grey or colour images.

    A U-Net on the picture's 2×2 phases, at a half, a quarter and an eighth of its size, proposes a clean picture. Then
    the noisy phases are averaged non-locally, with weights from the patches of the proposal (`NonLocalStage`):
    non-local means with a guide. A few last layers join both. No layer has an offset.

    Parameters
    ----------
    channels : int, default 1
        1 for grey images, 3 for colour.
    widths : tuple of 3 int, default (64, 80, 80)
        Channels at a half, a quarter and an eighth of the size.
    blocks : tuple of 3 int, default (2, 1, 1)
        Residual blocks of two 3×3 convolutions at each size, on the way down and again on the way up.
    last : int, default 2
        Residual blocks behind the non-local stage.
    more : int, default 8
        Learned channels that are compared and averaged together with the phases.
    search_radius : int, default 7
        Half-width of the stage's window in units of two pixels: matches lie an even number of pixels away.
    strength : float, default 0.5
        h/σ of the stage at the start.
    weights : {"learned", "raw", "none"}, default "learned"
        The weights of the stage's averages, see `NonLocalStage`; the last two are for comparison.
    guides : int, default 0
        Number of pictures without noise that the network sees besides, and compares in the stage, as the mean of the
        colours whose differences it denoises.

    Attributes
    ----------
    margin : int
        How far a pixel of the result depends on others, rounded up to a multiple of 8: the surroundings of tiles.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule; in the forward pass, if x or sigma do.

    Notes
    -----
    ``forward(x, sigma)`` takes x of shape (B, channels, H, W), in which 0 to 1 span black to white, and the standard
    deviation of its noise in these units: a number, one an image (B,), or a map (B or 1, 1, H, W). It returns the shape
    of x, without clipping. Images may have any sides; the network sees them mirrored to multiples of 8. With guides it
    is ``forward(x, sigma, guide)``, guide of shape (B, guides, H, W).

    An untrained network returns x. The default one has 905,330 parameters and takes 136,000 multiplications a pixel,
    besides the stage's 225 pairs for every four pixels.

    References
    ----------
    Non-local means with learned embeddings: T. Plötz, S. Roth, "Neural nearest neighbors networks", NeurIPS 2018,
    arXiv:1810.12575; a classical average before a network: B. Guo et al., "Fast, nonlocal and neural", 2024,
    arXiv:2403.03488. Noise level as input: K. Zhang, W. Zuo, L. Zhang, "FFDNet", IEEE TIP 2018, arXiv:1710.04026.
    Networks without offsets: S. Mohan et al., ICLR 2020, arXiv:1906.05478.

    Examples
    --------
    >>> import torch
    >>> denoiser = NonLocalDenoiser()
    >>> denoiser(torch.rand(1, 1, 37, 50), 0.1).shape
    torch.Size([1, 1, 37, 50])
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        widths: tuple[int, int, int] = (64, 80, 80),
        blocks: tuple[int, int, int] = (2, 1, 1),
        last: int = 2,
        more: int = 8,
        search_radius: int = 7,
        strength: float = 0.5,
        weights: Weights = "learned",
        guides: int = 0,
    ) -> None:
        super().__init__()
        self.channels, self.guides = _checks.count(channels, "channels"), _checks.count(guides, "guides", 0)
        self.phases, self.more = 4 * channels, _checks.count(more, "more", 0)
        half, quarter, eighth = _checks.counts(widths, "widths", 3, 1)
        outer, inner, deepest = _checks.counts(blocks, "blocks", 3, 0)
        last = _checks.count(last, "last", 0)
        # Every 3×3 convolution adds one pixel of its own grid; the stage adds its window and a patch.
        reach = 5 + 4 * outer + 8 * inner + 8 * deepest + 2 * last + _checks.count(search_radius, "search_radius", 0)
        self.margin = -(-2 * reach // MULTIPLE) * MULTIPLE + MULTIPLE
        self.stem = _conv(self.phases + 4 * guides + 1, half)
        self.encode = nn.ModuleList([_chain(half, outer), _chain(quarter, inner)])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2, bias=False) for a, b in ((half, quarter), (quarter, eighth)))
        self.middle = _chain(eighth, deepest)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, 2, bias=False) for a, b in ((quarter, half), (eighth, quarter))
        )
        self.decode = nn.ModuleList([_chain(half, outer), _chain(quarter, inner)])
        self.propose = _conv(half, self.phases + more)
        self.stage = NonLocalStage(self.phases, more + 4 * guides, 1, search_radius, strength, weights)
        self.join = _conv(2 * self.phases + more, half)
        self.last = _chain(half, last)
        self.head = _conv(half, self.phases)
        with torch.no_grad():  # untrained, the network returns x
            self.propose.weight[: self.phases].zero_()
            self.head.weight.zero_()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, sigma: float | Tensor, guide: Tensor | None = None) -> Tensor:
        """Return x without noise, see the class."""
        x, level = checked(x, sigma, self.channels, self.stem.weight.dtype)
        _guide(guide, self.guides, x)
        height, width = x.shape[2:]
        if len(x) == 0:  # of which torch's pixel_unshuffle makes no phases; every parameter gets its gradient
            return x + 0 * sum(parameter.sum() for parameter in self.parameters())
        clean = self._whole(to_multiple(x), to_multiple(level), None if guide is None else to_multiple(guide))
        return clean[:, :, :height, :width]

    def _whole(self, x: Tensor, level: Tensor, guide: Tensor | None) -> Tensor:
        """Denoise images of sides that can be halved three times; ``level`` is the map of σ."""
        noisy, sigma = F.pixel_unshuffle(x, 2), F.avg_pool2d(level, 2)
        known = noisy[:, :0] if guide is None else F.pixel_unshuffle(guide, 2)
        return self._joined(self._features(torch.cat([noisy, known, sigma], 1)), noisy, noisy, known, sigma)

    def _features(self, seen: Tensor) -> Tensor:
        """Return the features at half the size, from what the network sees."""
        one = self.encode[0](self.stem(seen))
        two = self.encode[1](self.down[0](one))
        three = self.middle(self.down[1](two))
        two = self.decode[1](two + self.up[1](three))
        features: Tensor = self.decode[0](one + self.up[0](two))
        return features

    def _joined(self, features: Tensor, noisy: Tensor, start: Tensor, known: Tensor, sigma: Tensor) -> Tensor:
        """Return the result: phases that change from ``start``, and non-local averages of the noisy ones.

        Patches of ``known`` are compared besides.
        """
        change, more = self.propose(features).split([self.phases, self.more], 1)
        proposal = start + change
        average = self.stage(torch.cat([noisy, more], 1), torch.cat([proposal, more, known], 1), sigma)
        mean, mean_of_more = average.split([self.phases, self.more], 1)
        features = features + self.join(torch.cat([mean - proposal, change, mean_of_more], 1))
        return F.pixel_shuffle(proposal + self.head(self.last(features)), 2)


def to_multiple(x: Tensor) -> Tensor:
    """Return images whose sides can be halved three times: with mirrored pixels below and on the right."""
    below, right = (-side % MULTIPLE for side in x.shape[2:])
    return mirrored(x, (below, right))[:, :, below:, right:] if below or right else x


class _Residual(nn.Module):
    """x + Conv(ReLU(Conv(x))), at first x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels), _conv(channels, channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1, bias=False)


def _chain(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(channels) for _ in range(count)))


def checked(x: Tensor, sigma: float | Tensor, channels: int, own: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return images of a network whose numbers are of type ``own``, and the map (B, 1, H, W) of their σ."""
    x = _checks.image(x, channels, 2)
    if x.dtype != own and not autocast(x.device):
        raise TypeError(f"x must be of {own}, as the network is, with 0 to 1 from black to white; got {x.dtype}")
    return x, _level(sigma, x)


def _level(sigma: Any, x: Tensor) -> Tensor:
    """Return a map (B, 1, H, W) of σ."""
    shape = (len(x), 1, *x.shape[2:])
    if isinstance(sigma, Tensor) and sigma.ndim == 4:
        if sigma.shape[0] not in (1, len(x)) or sigma.shape[1:] != shape[1:]:
            raise ValueError(f"a map of sigma must have the shape {shape}; got {tuple(sigma.shape)}")
        _checks.finite(sigma)
        return sigma.to(x).expand(shape)
    return _checks.deviation(sigma, x).expand(shape)


def _guide(guide: Tensor | None, channels: int, x: Tensor) -> None:
    """Check what a network sees besides x."""
    found = "none" if guide is None else tuple(guide.shape)
    if (0 if guide is None else guide.shape[1]) != channels:
        raise ValueError(f"guide must be of {channels} channels, as the network was made for; got {found}")
    expected = (len(x), channels, *x.shape[2:])
    if guide is not None and tuple(guide.shape) != expected:
        raise ValueError(f"guide must be as large as x, {expected}; got {found}")
