"""NonLocalBlock1d, 2d and 3d: parameters around `pairwise_attention`."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import _checks
from .backends import NAMES
from .functional import Search, pairwise_attention, pairwise_map

Mode = Literal["gaussian", "embedded_gaussian", "dot_product", "concatenation", "distance"]

MODES: dict[str, dict[str, Any]] = {
    "gaussian": {"score": "dot", "weight": "exp", "normalise": "sum"},
    "embedded_gaussian": {"score": "dot", "weight": "exp", "normalise": "sum"},
    "dot_product": {"score": "dot", "weight": "linear", "normalise": "count"},
    "concatenation": {"score": "sum", "weight": "relu", "normalise": "count"},
    "distance": {"score": "distance", "weight": "gaussian", "normalise": "sum"},
}
"""The row of the core's table that a mode computes."""


class _NonLocalBlock(nn.Module):
    _version = 1
    _axes: ClassVar[int]
    _pool: ClassVar[tuple[int, ...]]
    _conv: ClassVar[Any]
    _norm: ClassVar[Any]

    def __init__(
        self,
        in_channels: int,
        inter_channels: int | None = None,
        *,
        mode: Mode = "embedded_gaussian",
        search_radius: Search = "image",
        patch_radius: int | tuple[int, ...] = 0,
        sub_sample: bool = False,
        norm: Literal["batch"] | None = "batch",
        use_scale: bool = False,
        zero_init: bool = True,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        channels = _checks.count(in_channels, "in_channels")
        inner = max(channels // 2, 1) if inter_channels is None else _checks.count(inter_channels, "inter_channels")
        self.in_channels, self.inter_channels = channels, inner
        self.mode = _checks.one_of(mode, "mode", tuple(MODES))
        window = _checks.search(search_radius, self._axes)
        patch = _checks.radii(patch_radius, "patch_radius", self._axes)
        self.search_radius: Search = "image" if window is None else window[3 - self._axes :]
        self.patch_radius = patch[3 - self._axes :]
        self.sub_sample, self.use_scale = _checks.flag(sub_sample, "sub_sample"), _checks.flag(use_scale, "use_scale")
        self.zero_init = _checks.flag(zero_init, "zero_init")
        self.backend = _checks.one_of(backend, "backend", ("auto", *NAMES))
        if sub_sample and (window is not None or any(patch)):
            raise ValueError(
                "sub_sample puts the keys on a coarser grid, where there is no window and no patch; "
                f"got search_radius={search_radius!r}, patch_radius={patch_radius!r}"
            )
        if use_scale and mode != "embedded_gaussian":
            raise ValueError(f"use_scale belongs to the mode 'embedded_gaussian'; got the mode {mode!r}")
        if norm not in ("batch", None):
            raise ValueError(f"norm must be 'batch' or None; got {norm!r}")

        if mode != "gaussian":
            self.theta = self._conv(channels, inner, 1)
            self.phi = self._conv(channels, inner, 1)
        if mode == "concatenation":
            self.w_theta = self._conv(inner, 1, 1, bias=False)
            self.w_phi = self._conv(inner, 1, 1, bias=False)
        if mode == "distance":
            self.log_scale = nn.Parameter(torch.empty(()))
        self.g = self._conv(channels, inner, 1)
        self.out = self._conv(inner, channels, 1)
        self.norm = None if norm is None else self._norm(channels)
        # The parameters are the same with and without: the state says which it was trained for.
        self.register_buffer("sub_sampled", torch.tensor(self.sub_sample))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start afresh: torch's own initialisation, the output at zero with ``zero_init``; see the class."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]
        if self.mode == "distance":
            self.phi.load_state_dict(self.theta.state_dict())
            terms = self.inter_channels * math.prod(2 * r + 1 for r in self.patch_radius)
            nn.init.constant_(self.log_scale, -math.log(terms))
        if self.zero_init:
            last: Any = self.out if self.norm is None else self.norm
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, return_nl_map: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Return z of the shape of x; with ``return_nl_map`` also the map, see the class."""
        x = _checks.image(x, self.in_channels, self._axes)
        if self.sub_sample and any(side < k for side, k in zip(x.shape[2:], self._pool, strict=True)):
            raise ValueError(f"sub_sample needs sides of at least {self._pool} pixels; got shape {tuple(x.shape)}")
        query, key, value = self._embed(x)
        options: dict[str, Any] = {
            "search_radius": self.search_radius,
            "patch_radius": self.patch_radius,
            "scale": self._scale(),
            **MODES[self.mode],
        }
        y = pairwise_attention(query, key, value, backend=self.backend, **options)
        z = self.out(y)
        z = x + (z if self.norm is None else self.norm(z))
        return (z, pairwise_map(query, key, **options)) if return_nl_map else z

    def _embed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return θ, φ and g of an image, or what stands for them, of one dtype."""
        query, key = (x, x) if self.mode == "gaussian" else (self.theta(x), self.phi(x))
        value = self.g(x)
        if self.sub_sample:
            pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self._axes - 1]
            key, value = pool(key, self._pool), pool(value, self._pool)
        if self.mode == "concatenation":
            query, key = self.w_theta(query), self.w_phi(key)
        return query, key, value.to(query.dtype)  # autocast leaves x in float32, which g is not

    def _scale(self) -> float | Tensor:
        if self.mode == "distance":
            return self.log_scale.exp()
        return 1 / math.sqrt(self.inter_channels) if self.use_scale else 1.0

    def _load_from_state_dict(self, state: Any, prefix: str, metadata: Any, strict: bool, *lists: list[str]) -> None:
        errors, version = lists[2], metadata.get("version")
        if version is not None and version > self._version:
            errors.append(f"{prefix[:-1] or 'the block'} was saved by a newer version ({version}) of nonlocal_block")
        saved = state.get(prefix + "sub_sampled")
        if saved is not None and bool(saved) != self.sub_sample:
            errors.append(f"{prefix}sub_sampled: saved with sub_sample={bool(saved)}, loaded with {self.sub_sample}")
        super()._load_from_state_dict(state, prefix, metadata, strict, *lists)

    def extra_repr(self) -> str:
        """Return what the block's printed line says."""
        parts = f"{self.in_channels}, {self.inter_channels}, mode={self.mode!r}, search_radius={self.search_radius!r}"
        parts += f", patch_radius={self.patch_radius}" if any(self.patch_radius) else ""
        return parts + "".join(f", {name}=True" for name in ("sub_sample", "use_scale") if getattr(self, name))


class NonLocalBlock1d(_NonLocalBlock):
    """A non-local block for sequences (B, C, T): `NonLocalBlock2d` along one axis, with ``sub_sample`` halving T.

    Parameters
    ----------
    in_channels, inter_channels, mode, search_radius, patch_radius, sub_sample, norm, use_scale, zero_init, backend
        As for `NonLocalBlock2d`; radii along T.

    Examples
    --------
    >>> import torch
    >>> NonLocalBlock1d(16, sub_sample=True)(torch.randn(2, 16, 100)).shape
    torch.Size([2, 16, 100])
    """

    _axes, _pool, _conv, _norm = 1, (2,), nn.Conv1d, nn.BatchNorm1d


class NonLocalBlock2d(_NonLocalBlock):
    """A non-local block for images (B, C, H, W): every pixel attends to all others, or to a window around it.

    z = W_z(y) + x, where y_i = 1/C_i · Σ_j f(x_i, x_j) · g(x_j). θ, φ, g and W_z are 1×1 convolutions, the first
    three to ``inter_channels`` and the last one back; a batch norm may follow it. With patches and windows the block
    is non-local means over learned embeddings: see `pairwise_attention`, which computes it.

    Parameters
    ----------
    in_channels : int
        Channels of x and z, at least 1.
    inter_channels : int, optional
        Channels of θ, φ and g, at least 1; half of ``in_channels`` by default.
    mode : str, default "embedded_gaussian"
        The weight f and what divides the sum (N is the number of pixels j):

        - "gaussian": exp(x_iᵀ x_j), divided by its sum. θ and φ are absent;
        - "embedded_gaussian": exp(θ_iᵀ φ_j), divided by its sum;
        - "dot_product": θ_iᵀ φ_j, divided by N;
        - "concatenation": max(w_θ·θ_i + w_φ·φ_j, 0), divided by N;
        - "distance": exp(−‖θ_i − φ_j‖²·exp(log_scale)), divided by its sum, where the pixel itself weighs 1. φ starts
          as a copy of θ and exp(log_scale) at 1/(inter_channels · pixels of the patch): the mean squared difference.
    search_radius : int, tuple of int, or "image"
        Half-width of the window around each pixel, for all axes or one each; capped to the image.
    patch_radius : int or tuple of int, default 0
        Half-width of the patches over which scores are summed.
    sub_sample : bool, default False
        Max-pool φ and g (in the mode gaussian x and g) by 2 along every spatial axis, but not along the time of
        videos; the keys are then fewer. Not together with a window or patches.
    norm : {"batch", None}
        What follows W_z.
    use_scale : bool, default False
        Divide the scores of "embedded_gaussian" by √inter_channels before the softmax.
    zero_init : bool, default True
        Start as the identity: the norm's factor and offset at 0, without a norm W_z's. The gradient reaches θ, φ and
        g from the second step on.
    backend : str, default "auto"
        Who computes it, see `pairwise_attention`.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule; in the forward pass, if x does not have ``in_channels`` channels, or is too
        small to be pooled.

    Notes
    -----
    ``forward(x, return_nl_map=False)`` takes x of shape (B, C, H, W) and returns z of the same shape, or
    ``(z, nl_map)``. The map has the shape (B, N, M): ``nl_map[b, i, j]`` is the weight f / C_i with which pixel i looks
    at pixel j. Rows i are the H·W pixels of x in row-major order (``i = h·W + w``), columns j those of the keys, which
    are fewer with ``sub_sample``; weights outside the window are 0. Rows sum to 1 in the modes gaussian,
    embedded_gaussian and distance, and do not in dot_product and concatenation. It takes O(N·M) memory, and is made
    only if asked for; otherwise memory is linear in the pixels in every mode.

    Implementations differ, and here: the softmax has no 1/√inter_channels unless ``use_scale`` (as the paper and
    AlexHex7; mmcv has it by default); dot_product and concatenation divide by the number of keys after pooling;
    pooling follows the convolutions φ and g; videos are pooled in space only; W_z keeps its bias before a batch norm
    (mmcv drops it); the identity comes from the batch norm's zeros (the paper starts its factor alone at zero).
    `layouts.convert` translates parameters.

    Under autocast the convolutions run in 16 bits and the weights are computed in float32. The whole-domain modes
    but "distance" can be compiled and exported for any size. The others become about a dozen operations for each pixel
    of the window, since memory would else grow with window times pixels: the exporter to ONNX takes a quarter of a
    minute at radius 1 and minutes from 3 on (``dynamo=False``: half a minute at 3).

    Parameters in the state: ``theta``, ``phi``, ``g`` and ``out`` (W_z), each with weight and bias; ``norm``, as
    torch's batch norm; in "concatenation" ``w_theta.weight`` and ``w_phi.weight``; in "distance" ``log_scale``; and
    ``sub_sampled``, a flag that must agree with ``sub_sample`` where it is loaded. The layout's version is 1.

    References
    ----------
    X. Wang, R. Girshick, A. Gupta, K. He, "Non-local Neural Networks", CVPR 2018, arXiv:1711.07971.

    Examples
    --------
    >>> import torch
    >>> block = NonLocalBlock2d(32, search_radius=5)
    >>> x = torch.randn(1, 32, 12, 12)
    >>> bool((block(x) == x).all())
    True
    >>> block(x, return_nl_map=True)[1].shape
    torch.Size([1, 144, 144])
    """

    _axes, _pool, _conv, _norm = 2, (2, 2), nn.Conv2d, nn.BatchNorm2d


class NonLocalBlock3d(_NonLocalBlock):
    """A non-local block for videos (B, C, T, H, W) and volumes: `NonLocalBlock2d` along three axes.

    ``sub_sample`` halves H and W only. The map's rows and columns run over T, H and W, W fastest.

    Parameters
    ----------
    in_channels, inter_channels, mode, search_radius, patch_radius, sub_sample, norm, use_scale, zero_init, backend
        As for `NonLocalBlock2d`; radii along (T, H, W).

    Examples
    --------
    >>> import torch
    >>> block = NonLocalBlock3d(8, search_radius=(1, 2, 2))
    >>> block(torch.randn(1, 8, 4, 6, 6)).shape
    torch.Size([1, 8, 4, 6, 6])
    """

    _axes, _pool, _conv, _norm = 3, (1, 2, 2), nn.Conv3d, nn.BatchNorm3d
