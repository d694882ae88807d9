"""Denoiser: one call, made again and again, as the loops of reconstruction make it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Unpack

from . import _checks
from ._workspace import Workspace, lending
from .denoise import denoise
from .methods import registry
from .plan.options import OPTIONS, WORK, check_together

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ._typing import Array, ImageT, Sigma
    from .methods.method import AnyMethod
    from .plan.defaults import Quality
    from .plan.options import Kept

NOT_KEPT = ("sigma", "out")
"""Arguments of `denoise` that come with each call."""


class Denoiser:
    """`denoise` with a method and options that are chosen once, for loops over images of one shape.

    The result is that of `denoise`, bit for bit. The memory of a call is kept for the next one, as compiled kernels are
    anyway. It may be called from any number of threads at once.

    Parameters
    ----------
    method, quality, dtype, **options
        As for `denoise`, without ``sigma``, ``out`` and ``full_output``.

    Raises
    ------
    TypeError, ValueError
        As `denoise`: for what no image could have at once, for the rest when there is one.

    See Also
    --------
    denoise : its docstring is the reference of all options.

    Notes
    -----
    What depends on the pixels is decided at each call, as `denoise` does: which row of the table of defaults the noise
    asks for, above all. To have one filter throughout a loop, give ``strength``, ``patch_radius``, ``search_radius``.

    References
    ----------
    S. V. Venkatakrishnan, C. A. Bouman, B. Wohlberg, "Plug-and-play priors for model based reconstruction", GlobalSIP
    2013, doi:10.1109/GlobalSIP.2013.6737048.

    Examples
    --------
    >>> import numpy as np, nlmeans
    >>> denoiser = nlmeans.Denoiser("ridge", "fast")
    >>> x = np.random.default_rng(0).normal(100, 10, (64, 64)).astype("float32")
    >>> for sigma in (10, 5, 2):
    ...     x = denoiser(x, sigma)
    >>> bool(x.std() < 2)
    True
    """

    def __init__(
        self,
        method: AnyMethod | None = None,
        quality: Quality | None = None,
        *,
        dtype: DTypeLike | None = None,
        **options: Unpack[Kept],
    ) -> None:
        given: dict[str, Any] = {**options, "quality": quality}
        if unknown := sorted(set(given) - {*OPTIONS, *WORK}.difference(NOT_KEPT)):
            raise TypeError(f"Denoiser() has no argument {', '.join(unknown)}")
        self.method = registry.method_of(method)
        registry.check(self.method, given)
        check_together(given)
        for name, value in given.items():
            if not (OPTIONS | WORK)[name].name:
                (OPTIONS | WORK)[name].checked(value, name, None)
        self._given: dict[str, Any] = {**given, "method": self.method, "dtype": dtype}
        self._workspace: tuple[Any, Workspace] | None = None

    def __call__(self, image: ImageT, sigma: Sigma = None, *, out: Array | None = None) -> ImageT:
        """Return an image without noise.

        Parameters
        ----------
        image, sigma, out
            As for `denoise`.

        Returns
        -------
        ndarray
            As of `denoise`.
        """
        with lending(self._workspace_for(image)):
            result: Any = denoise(image, sigma, out=out, **self._given)
        return result

    def prox(self, image: ImageT, tau: float, *, out: Array | None = None) -> ImageT:
        """Return the proximal step of length ``tau``: the image without noise of the variance ``tau``.

        Where a denoiser is the proximal map of a function g, this is the z with the least ‖z − x‖² / 2 + τ·g(z), as for
        an image x with Gaussian noise of the variance τ. So it is a call with sigma = √τ.

        Parameters
        ----------
        image : array_like
            As for `denoise`.
        tau : float
            At least 0, in squared units of the image.
        out : ndarray, optional
            As for `denoise`.

        Returns
        -------
        ndarray
            As of `denoise`.

        Examples
        --------
        >>> import numpy as np, nlmeans
        >>> x = np.random.default_rng(0).normal(100, 10, (64, 64))
        >>> denoiser = nlmeans.Denoiser()
        >>> bool((denoiser.prox(x, 100.0) == denoiser(x, 10.0)).all())
        True
        """
        return self(image, math.sqrt(_checks.real(tau, "tau", least=0)), out=out)

    def __repr__(self) -> str:
        given = {name: value for name, value in self._given.items() if value is not None} | {"method": self.method.name}
        return f"Denoiser({', '.join(f'{name}={_checks.short(value)}' for name, value in sorted(given.items()))})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_workspace": None}  # memory stays where it is

    def _workspace_for(self, image: Any) -> Workspace:
        """Return the memory for images of this shape and type; that for others is let go."""
        kind, held = (getattr(image, "shape", None), getattr(image, "dtype", None)), self._workspace
        if held is None or held[0] != kind:
            held = self._workspace = kind, Workspace()
        return held[1]
